"""Rows as the shapes have them."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from dashboard.api.access import Caller
from deployments import permissions
from deployments.models import (
    Application,
    Deployment,
    Environment,
    Host,
    Placement,
    Plan,
    Release,
    Target,
    Variable,
)
from deployments.queries.attention_page import AttentionPage, Doubt
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN

_BECOMES = {
    Plan.Automatic.WAITING: "waiting",
    Plan.Automatic.DEPLOYED: "deployed",
    Plan.Automatic.SUPERSEDED: "superseded",
    Plan.Automatic.DROPPED: "refused",
}


def address(name: str, *args: object) -> str:
    """A whole address."""
    return f"{settings.ESTIVA_BASE_URL}{reverse(name, args=args)}"


def application(row: Application) -> dict[str, Any]:
    """An Application."""
    return {
        "name": row.name,
        "description": row.description,
        "created_at": row.created_at,
        "archived_at": row.archived_at,
        "page": address("application", row.name),
    }


def environment(row: Environment, caller: Caller) -> dict[str, Any]:
    """An Environment, its builder at hand: a server's name is for those who see all servers."""
    return {
        "name": row.name,
        "position": row.position,
        "is_production": row.is_production,
        "builder": row.builder.name if row.builder and caller.sees_all else None,
    }


def server(row: Host, caller: Caller) -> dict[str, Any]:
    """A server as whoever calls sees it: the way to it is for those who see all servers."""
    plain = ("name", "way", "builds_only", "address", "port", "user", "docker_socket", "builds_at_once")
    seen = ("state", "state_text", "is_trusted", "architecture", "disk_free", "disk_total", "checked_at", "drained_at")
    return {
        **{name: getattr(row, name) for name in (*plain, *seen)},
        "via": row.via.name if row.via and caller.sees_all else None,
        "engine": row.engine_name,
        "public_key": row.public_key if permissions.may_administer(caller.user) else None,
        "page": address("host", row.name),
    }


def placement(row: Placement) -> dict[str, Any]:
    """A Placement, its seats with servers and Releases at hand."""
    plain = (*("source", "image", "url", "keep_releases", "version"), *("settings", "build", "compose", "rollout"))
    return {
        **{name: getattr(row, name) for name in plain},
        "application": row.application.name,
        "environment": row.environment.name,
        "servers": [
            {
                "server": seat.host.name,
                "running_release": seat.running_release.number if seat.running_release else None,
                "running_since": seat.running_since,
                "drift": seat.drift,
                "missed_release": seat.owed.number if seat.owed else None,
            }
            for seat in sorted(row.seats.all(), key=lambda seat: seat.host.name)
            if seat.is_active
        ],
        "page": address("placement", row.application.name, row.environment.name),
    }


def variable(row: Variable) -> dict[str, Any]:
    """A variable, a secret by its version alone."""
    version = row.secret_version.number if row.secret_version else None
    return {
        "name": row.name,
        "is_secret": row.is_secret,
        "value": None if row.is_secret else row.value,
        "version": version,
    }


def release(row: Release) -> dict[str, Any]:
    """A Release of the Placement at hand."""
    place = row.placement
    return {
        **{name: getattr(row, name) for name in ("number", "image", "tag", "digest", "image_id", "created_at")},
        "commit": row.source.get("commit", ""),
        "created_by": row.created_by_name,
        "page": address("release", place.application.name, place.environment.name, row.number),
    }


def whole_release(row: Release) -> dict[str, Any]:
    """With all that it holds; of secrets which version it was."""
    variables = [
        {
            "name": each["name"],
            "is_secret": "secret" in each,
            "value": None if "secret" in each else each.get("value"),
            "version": each.get("number"),
        }
        for each in row.variables
    ]
    return {**release(row), "settings": row.settings, "variables": variables, "lost_secrets": row.lost_secrets}


def deployment(row: Deployment) -> dict[str, Any]:
    """A Deployment, its Releases at hand."""
    plain = ("id", "kind", "status", "note", "requested_at", "started_at", "ended_at")
    return {
        **{name: getattr(row, name) for name in plain},
        "application": row.application_name,
        "environment": row.environment_name,
        "is_open": row.status in DEPLOYMENT_OPEN,
        "release": row.release.number,
        "previous_release": row.previous_release.number if row.previous_release else None,
        "image": row.release.image,
        "digest": row.release.digest,
        "commit": row.release.source.get("commit", ""),
        "requested_by": row.requested_by_name,
        "href": address("api_deployment", row.pk),
        "page": address("deployment", row.pk),
    }


def whole_deployment(row: Deployment) -> dict[str, Any]:
    """With each Target and the steps of its newest attempt."""
    targets = row.targets.prefetch_related("steps").order_by("role", "wave", "host_name")
    return {
        **deployment(row),
        "waits_for": row.gate if row.status in DEPLOYMENT_OPEN else "",
        "halted": row.halted,
        "changes": row.changes,
        "targets": [_target(each) for each in targets],
        "log": address("api_deployment_log", row.pk),
    }


def attention(page: AttentionPage) -> dict[str, Any]:
    """What a Deployment left in doubt."""
    number = page.deployment.pk
    return {
        "deployment": number,
        "servers": [_doubt(each) for each in page.doubts],
        "page": address("deployment_attention" if page.doubts else "deployment", number),
    }


def _doubt(each: Doubt) -> dict[str, Any]:
    row, failed = each.row, each.failed
    return {
        "server": each.server,
        "since": row.opened_at,
        "seen_at": row.seen_at,
        "fingerprint": each.shown,
        "said": each.verdict,
        "is_looking": each.is_looking,
        "is_settling": each.is_settling,
        "failure": " ".join(str(failed[name]) for name in ("what", "why", "remedy") if failed.get(name)),
        "matches": each.matched,
        "before": each.before.number if each.before else None,
        "containers": each.containers,
        "ports": each.ports,
        "way": row.way,
        "dealt_at": row.dealt_at,
        "dealt_by": row.dealt_by_name,
        "reason": row.reason,
        "dealt_with": row.dealt_with_id,
        "recorded_release": row.release.number if row.release else None,
    }


def plan(row: Plan) -> dict[str, Any]:
    """A Plan, its Operation at hand."""
    place = row.placement
    plain = ("id", "fingerprint", "image", "tag", "digest", "changes", "created_at")
    state = "ready" if row.is_ready else "looking" if row.operation.status in OPERATION_OPEN else "failed"
    result = row.operation.result if state == "failed" else {}
    return {
        **{name: getattr(row, name) for name in plain},
        "application": place.application.name,
        "environment": place.environment.name,
        "state": state,
        "failure": " ".join(str(result[name]) for name in ("what", "why", "remedy") if result.get(name)),
        "of_release": row.of_release.number if row.of_release else None,
        "commit": row.source.get("commit", ""),
        "servers": [
            {name: each[name] for name in ("name", "ready", "strategy", "gap", "findings")} for each in row.hosts
        ],
        "deploy": _becomes(row),
        "href": address("api_plan", row.pk),
        "page": address("plan", row.pk),
    }


def _becomes(row: Plan) -> dict[str, Any] | None:
    if not row.automatic:
        return None
    made = Deployment.objects.filter(plan=row).select_related("release", "previous_release").order_by("pk").first()
    return {
        "state": _BECOMES[Plan.Automatic(row.automatic)],
        "said": row.automatic_said,
        "deployment": deployment(made) if made else None,
    }


def _target(row: Target) -> dict[str, Any]:
    plain = ("role", "wave", "status", "started_at", "ended_at", "gap_seconds", "last_line")
    newest = max((step.fence for step in row.steps.all()), default=0)
    return {
        **{name: getattr(row, name) for name in plain},
        "name": row.label,
        "server": row.host_name,
        **{name: str(row.outcome.get(name) or "") for name in ("what", "why", "remedy")},
        "steps": [
            {name: getattr(step, name) for name in ("key", "status", "message", "started_at", "ended_at")}
            for step in row.steps.all()
            if step.fence == newest
        ],
    }
