"""Who looks, and at what: sessions, tokens and the things of the data set, in a process with Estiva's settings."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - Django has to be set up first
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench import pages_health, pages_world  # noqa: E402
from bench.pages_beside import doubts  # noqa: E402
from bench.pages_world import ADMIN, AUDITOR, MEMBER  # noqa: E402
from bench.stage import answer  # noqa: E402
from deployments import engines  # noqa: E402
from deployments.accounts import tokens  # noqa: E402
from deployments.actors import Actor  # noqa: E402
from deployments.models import (  # noqa: E402
    Application,
    Deployment,
    Host,
    OneOffRun,
    Placement,
    PlacementHost,
    Plan,
    Registry,
    Release,
    Target,
    Terminal,
    User,
    Webhook,
    WorkerProcess,
)


def look(told: dict[str, Any]) -> dict[str, Any]:
    """`people`: name → what a request bears; `things`: what the addresses name."""
    now = datetime.now(UTC)
    pages_world.beat(now)
    pages_health.write_anew(now, told["deployments"])
    doubts()
    call_command("createcachetable", verbosity=0)
    people = {}
    for name, email in (("admin", ADMIN), ("member", MEMBER), ("auditor", AUDITOR)):
        user = User.objects.get(email=email)
        user.tokens.all().delete()
        _row, token = tokens.create(actor=Actor.of(user), user=user, name="bench", scope="read")
        people[name] = {"cookie": f"{settings.SESSION_COOKIE_NAME}={_session(user)}", "token": token}
    return {"people": people, "things": {**_things(), **_of_history()}}


def _session(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def _things() -> dict[str, Any]:
    place = _places()[0]
    seat = PlacementHost.objects.filter(placement=place).select_related("host")[0]
    fleet = Placement.objects.get(
        application__name=f"app-{pages_world.APPLICATIONS:03}", environment__name="production"
    )
    bare, _made = Application.objects.get_or_create(name="bare", defaults={"description": "It is nowhere yet"})
    engine = WorkerProcess.objects.exclude(engine_id="")[0].engine_id
    quiet = Host.objects.exclude(seats__placement=place).exclude(seats__placement=fleet).order_by("-name")[0]
    return {
        "application": place.application.name,
        "environment": place.environment.name,
        "other_application": "app-007",
        "bare_application": bare.name,
        "fleet_application": fleet.application.name,
        "fleet_environment": fleet.environment.name,
        "seat": seat.host.name,
        "quiet_server": quiet.name,
        "container": next(row["id"][:12] for row in seat.host.containers if row["placement"] == str(place.pk)),
        "engine": engines.short(engine),
        "webhook": Webhook.objects.get(placement=place).pk,
        "plan": Plan.objects.filter(placement=place).order_by("-pk")[0].pk,
        "fleet_plan": Plan.objects.filter(placement=fleet).order_by("-pk")[0].pk,
        "run": OneOffRun.objects.order_by("-pk")[0].pk,
        "terminal": Terminal.objects.order_by("-pk")[0].pk,
        "registry": Registry.objects.all()[0].pk,
        "member": User.objects.get(email=MEMBER).pk,
    }


def _places() -> list[Placement]:
    return list(Placement.objects.select_related("application", "environment").order_by("pk")[:2])


def _of_history() -> dict[str, Any]:
    place = _places()[0]
    rows = Deployment.objects.filter(placement=place, status="succeeded").order_by("pk")
    long = Target.objects.filter(last_line__gt=100_000).get()
    newest = Deployment.objects.order_by("-pk")[0]
    ours = rows.exclude(pk=long.deployment_id)
    deployment = ours.last() or newest
    fleet = Deployment.objects.filter(
        application_name=f"app-{pages_world.APPLICATIONS:03}", environment_name="production"
    )
    return {
        "deployment": deployment.pk,
        "deployment_target": deployment.targets.all()[0].pk,
        "old_deployment": (ours.first() or newest).pk,
        "running": Deployment.objects.filter(status="running").order_by("pk")[0].pk,
        "fleet_deployment": fleet.filter(status="succeeded").order_by("-pk")[0].pk,
        "in_doubt": Deployment.objects.filter(placement=place, targets__attention__isnull=False).order_by("-pk")[0].pk,
        "long": long.deployment_id,
        "long_target": long.pk,
        "newest_release": Release.objects.filter(placement=place).order_by("-number")[0].number,
        "middle": newest.pk // 2,
        "middle_cursor": _cursor(newest.pk // 2),
        "last_cursor": _cursor(51),
        "day": (newest.requested_at - timedelta(days=3)).strftime("%Y-%m-%d"),
        "old_day": (newest.requested_at - timedelta(days=400)).strftime("%Y-%m-%d"),
    }


def _cursor(key: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")


if __name__ == "__main__":
    raise SystemExit(answer(look))
