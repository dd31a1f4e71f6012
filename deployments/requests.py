"""Asking for Plans, Deployments and their end: the only place where a Deployment begins."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from deployments import (
    audit,
    builds,
    catching_up,
    clock,
    deployable,
    endings,
    hooks,
    releases,
    rollout_settings,
    sources,
    superseding,
    targets,
)
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import (
    Deployment,
    Host,
    Operation,
    Placement,
    Plan,
    Release,
    Target,
)
from deployments.operations import request_operation
from deployments.states import DEPLOYMENT_OPEN, TargetStatus
from deployments.webhooks import outbox

__all__ = ["cancel_deployment", "request_deployment", "request_operation", "request_plan"]

PLAN_SECONDS: Final = 120.0


def request_plan(
    *,
    actor: Actor,
    placement: Placement,
    of_release: Release | None = None,
    secrets_of_release: bool = False,
    build_anew: bool = False,
    wanted: Mapping[str, str] | None = None,
) -> Plan:
    """A Plan of what is set now, or of an earlier Release (a rollback or redeploy), with the Operation that looks.

    A rollback takes everything as it was but today's values of secrets; `secrets_of_release` takes those it had too.
    `build_anew` builds a source again without cache, also where it was built before.
    `wanted` takes another ref, commit or image than is set (`sources.overlaid`).
    """
    with transaction.atomic():
        deployable.check_in_use(placement)
        content = deployable.content_asked(placement, of_release, secrets_of_release, wanted or {})
        deployable.check_source(placement, content)
        hosts = deployable.hosts_to_plan(placement)
        operation = request_operation(
            actor=actor,
            kind=Operation.Kind.PLAN,
            placement=placement,
            request={"hosts": hosts},
            deadline_seconds=PLAN_SECONDS,
        )
        plan = Plan.objects.create(
            placement=placement,
            placement_version=placement.version,
            of_release=of_release,
            secrets_of_release=secrets_of_release,
            operation=operation,
            image=content.image,
            tag=content.tag,
            digest=content.digest,
            settings=content.settings,
            variables=content.variables,
            source=content.source,
            build_anew=build_anew and bool(content.source),
            wanted=dict(wanted or {}),
            created_by_id=actor.user_id,
        )
        _record_plan(actor, plan)
    return plan


def request_deployment(
    *,
    actor: Actor,
    plan: Plan,
    fingerprint: str,
    note: str = "",
    leave_out: Collection[int] = (),
    supersede: bool = False,
) -> Deployment:
    """Queue what the Plan shows, on its servers but those left out (ids); the next in line where others are open.

    Raises PlanChanged when settings changed after the Plan was shown, and Refused when a server isn't ready; then
    nothing is saved. `supersede` ends the older ones that pushes asked for and that nobody began.
    """
    with transaction.atomic():
        # The lock orders simultaneous clicks: numbers are given out, and seen by workers, one after another.
        placement = lock_placement(plan.placement_id)
        deployable.check_in_use(placement)
        plan = Plan.objects.select_related("of_release").get(pk=plan.pk)
        content = deployable.content_asked(placement, plan.of_release, plan.secrets_of_release, plan.wanted)
        deployable.check_unchanged(placement, plan, content, fingerprint)
        hosts, away = deployable.chosen_hosts(plan, set(leave_out))
        running = releases.running_release(placement.pk)
        deployable.check_powers(actor, plan, [*hosts, *away])
        content = replace(deployable.as_planned(plan, content), digest=plan.digest, tag=plan.tag)
        release = releases.record_release(actor=actor, placement=placement, content=content, repeats=plan.of_release)
        deployment = _create(actor, placement, plan, release, running, note)
        builder = builds.builder_of(placement, hosts) if sources.needs_build(release) else None
        targets.queue_targets(deployment, _waves(deployment, hosts), builder)
        catching_up.owe(release, away)
        outbox.tell_how_it_stands(deployment)
        replaces = placement.rollout.get("newer") == "replace"
        superseded = superseding.end_queued(deployment, every=replaces) if supersede or replaces else []
        _record_request(actor, deployment, hosts, sorted(leave_out), away)
        for each in superseded:
            endings.record_ends(each)
    return deployment


def _create(
    actor: Actor, placement: Placement, plan: Plan, release: Release, running: Release | None, note: str
) -> Deployment:
    kind = _kind(release, plan.of_release, running)
    return Deployment.objects.create(
        placement=placement,
        release=release,
        previous_release=running,
        plan=plan,
        kind=kind,
        note=note.strip()[:500],
        changes=plan.changes,
        commits=plan.commits,
        application_name=placement.application.name,
        environment_name=placement.environment.name,
        requested_by_id=actor.user_id,
        requested_by_name=actor.name,
        requested_at=clock.now(),
        rollout=_rollout(placement, release.settings, goes_back=kind == Deployment.Kind.ROLLBACK),
    )


def cancel_deployment(*, actor: Actor, deployment: Deployment) -> Deployment:
    """End what hasn't begun at once; ask the workers to stop and restore the rest. Refused when it is over."""
    with transaction.atomic():
        deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
        if deployment.status not in DEPLOYMENT_OPEN:
            raise Refused(_("Deployment #%(number)s is over already.") % {"number": deployment.pk})
        if deployment.cancel_requested_at is None:
            deployment.cancel_requested_at, deployment.cancelled_by_name = clock.now(), actor.name
            deployment.save(update_fields=("cancel_requested_at", "cancelled_by_name"))
        unbegun = Q(status=TargetStatus.QUEUED) | Q(status=TargetStatus.STALLED, touched=False)
        open_targets = Target.objects.select_for_update(no_key=True).filter(unbegun, deployment=deployment)
        closed = endings.cancel_unbegun(deployment, list(open_targets.order_by("pk")), actor.name)
        audit.record(actor, "deployment.cancel", _named(deployment))
        endings.record_ends(closed)
    return deployment


def _rollout(placement: Placement, settings: Mapping[str, Any], *, goes_back: bool) -> dict[str, Any]:
    """The order as it is set, and whether one server goes alone at first."""
    return {**placement.rollout, **({hooks.LEADS: True} if hooks.leads(settings, goes_back=goes_back) else {})}


def _waves(deployment: Deployment, hosts: list[Host]) -> list[list[Host]]:
    waves = rollout_settings.waves(deployment.rollout, hosts)
    return hooks.led(waves) if deployment.rollout.get(hooks.LEADS) else waves


def _kind(release: Release, of_release: Release | None, running: Release | None) -> Deployment.Kind:
    if release == running or (of_release is not None and of_release == running):
        return Deployment.Kind.REDEPLOY
    return Deployment.Kind.DEPLOY if of_release is None else Deployment.Kind.ROLLBACK


def _record_plan(actor: Actor, plan: Plan) -> None:
    after = {
        "of_release": plan.of_release.number if plan.of_release else None,
        "secrets_as_they_were": plan.secrets_of_release,
        **({"wanted": plan.wanted} if plan.wanted else {}),
    }
    audit.record(actor, "plan.request", plan.placement, after=after)


def _record_request(
    actor: Actor, deployment: Deployment, hosts: list[Host], left_out: list[int], away: list[Host]
) -> None:
    release = deployment.release
    after = {
        "kind": str(deployment.kind),
        "release": release.number,
        "image": release.image,
        "digest": release.digest,
        "commit": release.source.get("commit", ""),
        **({"powers": release.source["powers"]} if release.source.get("powers") else {}),
        "servers": [host.name for host in hosts],
        "left_out": list(Host.objects.filter(pk__in=left_out).values_list("name", flat=True)),
        **({"away": [host.name for host in away]} if away else {}),
        "note": deployment.note,
    }
    audit.record(actor, "deployment.request", _named(deployment), after=after)


def _named(deployment: Deployment) -> tuple[str, int, str]:
    name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
    return "deployment", deployment.pk, name
