"""For machines: ready, and figures for Prometheus. Whether the process is alive says `dashboard.alive`."""

import hmac
from collections.abc import Callable
from typing import Final

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from dashboard import access, stream
from dashboard import metrics as figures
from deployments import queue
from deployments.figures import living_workers

_AWAY: Final = "The database doesn't answer."
_IN_DATABASE: Final = frozenset({"migrations", "worker"})


@access.open_to_all()
def ready(request: HttpRequest) -> JsonResponse:
    """Database, broker, migrations and a worker's heartbeat, each with what is wrong; 503 when one is missing."""
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "migrations": _migrations,
        "broker": _broker,
        "worker": _worker,
    }
    wrong: dict[str, str] = {}
    for name, check in checks.items():
        try:
            # each question to a database that is away takes as long as its connection's timeout: asked once
            wrong[name] = _AWAY if _AWAY in wrong.values() and name in _IN_DATABASE else check()
        except DatabaseError:
            wrong[name] = _AWAY
    body = {name: {"ok": not trouble, "detail": trouble} for name, trouble in wrong.items()}
    good = not any(wrong.values())
    return JsonResponse({"ready": good, "checks": body}, status=200 if good else 503)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(missing)} migrations have not run: run `manage.py migrate`." if missing else ""


def _broker() -> str:
    try:
        queue.connection().ping()
    except (redis.RedisError, OSError):
        return "Redis doesn't answer at ESTIVA_REDIS_URL: deploys wait, live pages fall back to the database."
    return ""


def _worker() -> str:
    return "" if living_workers().exists() else "No worker has reported lately: deploys wait until one starts."


def metrics(request: HttpRequest) -> HttpResponseBase:
    """Figures for Prometheus; for an admin or auditor who is signed in, or the bearer of ESTIVA_METRICS_TOKEN."""
    if not _bears_token(request):
        return _metrics_of_a_person(request)
    return _metrics_text()


metrics.seen_by = access.READING_ALL  # type: ignore[attr-defined]


def _bears_token(request: HttpRequest) -> bool:
    wanted = settings.ESTIVA_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return bool(wanted) and hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode())


@access.seen_by(*access.READING_ALL)
def _metrics_of_a_person(request: access.Request) -> HttpResponse:
    return _metrics_text()


def _metrics_text() -> HttpResponse:
    return HttpResponse(figures.text(settings.VERSION, stream.open_streams()), content_type=CONTENT_TYPE_LATEST)
