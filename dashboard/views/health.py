"""For machines: ready, and figures for Prometheus. Whether the process is alive says `dashboard.alive`."""

import hmac
import threading
import time
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
from dashboard.middleware import client_address
from deployments import queue
from deployments.figures import living_workers
from deployments.models import User

KEPT_SECONDS: Final = 1.0
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1"})
_AWAY: Final = "The database doesn't answer."
_IN_DATABASE: Final = frozenset({"migrations", "worker"})


class _Latest:
    """The last answer of this process, kept for a moment: however many ask, the parts are asked once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, str] = {}
        self._until = 0.0

    def wrong(self) -> dict[str, str]:
        """What is wrong with each part, "" where nothing is; who comes while it is being asked waits for that answer."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._wrong = _ask()
                self._until = time.monotonic() + KEPT_SECONDS
            return self._wrong

    def forget(self) -> None:
        """Ask anew."""
        self._until = 0.0


latest: Final = _Latest()


@access.open_to_all()
def ready(request: HttpRequest) -> JsonResponse:
    """Database, broker, migrations and a worker's heartbeat; 503 when one is missing.

    Which, and what to do, is for this machine, the bearer of ESTIVA_METRICS_TOKEN and a signed-in admin; strangers learn the status.
    """
    wrong = latest.wrong()
    good = not any(wrong.values())
    body: dict[str, object] = {"ready": good}
    if _may_know_why(request):
        body["checks"] = {name: {"ok": not trouble, "detail": trouble} for name, trouble in wrong.items()}
    return JsonResponse(body, status=200 if good else 503)


def _may_know_why(request: HttpRequest) -> bool:
    if _bears_token(request) or client_address(request) in _THIS_MACHINE:
        return True
    return isinstance(request.user, User) and request.user.is_admin


def _ask() -> dict[str, str]:
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
    return wrong


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
        queue.broker().ping()
    except (redis.RedisError, OSError):
        return "Redis doesn't answer at ESTIVA_REDIS_URL: deploys wait, live pages fall back to the database."
    return "" if queue.is_shared() else _live_tail()


def _live_tail() -> str:
    try:
        queue.connection().ping()
    except (redis.RedisError, OSError):
        return "Redis doesn't answer at ESTIVA_LIVE_REDIS_URL: live pages fall back to the database, no terminal opens."
    return ""


def _worker() -> str:
    there = living_workers().filter(role="deploy").exists()
    return "" if there else "No worker for deploys has reported lately: they wait until one starts."


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
