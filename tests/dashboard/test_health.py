"""For machines: alive, ready, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import Client

from dashboard import asgi
from dashboard.views import health
from deployments import clock, queue
from deployments.models import WorkerProcess
from parts.valkey import Valkey
from tests.dashboard.story import Story, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis(valkey: Valkey, settings: Any) -> Iterator[Valkey]:
    """This process's connection leads to the run's Redis."""
    settings.ESTIVA_REDIS_URL = valkey.url
    queue.connection.cache_clear()
    yield valkey
    queue.connection().close()
    queue.connection.cache_clear()


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    """What was answered in the test before is not kept."""
    health.latest.forget()


def worker(role: str = "deploy", seconds_ago: float = 0) -> None:
    now = clock.now()
    WorkerProcess.objects.create(
        name=f"{role}@test",
        role=role,
        started_at=now,
        beat_at=now - timedelta(seconds=seconds_ago),
        busy=3,
        capacity=32,
    )


@pytest.mark.parametrize(
    ("method", "status", "body"), [("GET", 200, b"ok\n"), ("HEAD", 200, b""), ("POST", 405, b"Only GET.\n")]
)
def test_alive_asks_nobody_and_needs_no_host_name(method: str, status: int, body: bytes, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["deploy.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"host", b"127.0.0.1:8000")]
    scope = {"type": "http", "method": method, "path": "/healthz", "query_string": b"", "headers": headers}
    async_to_sync(asgi.application)(scope, receive, send)
    assert (sent[0]["status"], sent[1]["body"]) == (status, body)


def test_ready(client: Client, redis: Valkey) -> None:
    worker()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert set(answer.json()["checks"]) == {"database", "migrations", "broker", "worker"}


def test_not_ready_without_a_worker(client: Client, redis: Valkey) -> None:
    worker("reconciler")
    worker("look")
    worker("deploy", seconds_ago=300)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "No worker" in answer.json()["checks"]["worker"]["detail"]
    assert answer.json()["checks"]["broker"]["ok"] is True


def test_not_ready_without_a_broker(client: Client, settings: Any) -> None:
    settings.ESTIVA_REDIS_URL = "unix:///nonexistent/valkey.sock"
    queue.connection.cache_clear()
    worker()
    answer = client.get("/readyz")
    queue.connection.cache_clear()
    assert answer.status_code == 503
    assert "Redis" in answer.json()["checks"]["broker"]["detail"]


def test_not_ready_without_a_live_tail_of_its_own(client: Client, redis: Valkey, settings: Any) -> None:
    settings.ESTIVA_LIVE_REDIS_URL = "unix:///nonexistent/valkey.sock"
    queue.connection.cache_clear()
    worker()
    answer = client.get("/readyz")
    queue.broker().close()
    settings.ESTIVA_LIVE_REDIS_URL = ""
    queue.connection.cache_clear()
    assert answer.status_code == 503
    assert "ESTIVA_LIVE_REDIS_URL" in answer.json()["checks"]["broker"]["detail"]


def test_not_ready_without_a_database(client: Client, redis: Valkey) -> None:
    with patch("dashboard.views.health.connection.cursor", side_effect=OperationalError("gone")):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {"ok": False, "detail": "The database doesn't answer."}


def test_not_ready_before_migrations(client: Client, redis: Valkey) -> None:
    with patch("dashboard.views.health.MigrationExecutor.migration_plan", return_value=[("deployments", False)]):
        answer = client.get("/readyz")
    assert "manage.py migrate" in answer.json()["checks"]["migrations"]["detail"]


ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}


def test_strangers_learn_the_status_alone(client: Client, settings: Any) -> None:
    settings.ESTIVA_METRICS_TOKEN = "s3cret-for-prometheus"
    answer = client.get("/readyz", **ELSEWHERE)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    bearer = {"authorization": "Bearer s3cret-for-prometheus"}
    assert "checks" in client.get("/readyz", headers=bearer, **ELSEWHERE).json()  # type: ignore[arg-type]


@pytest.mark.parametrize(("person", "told"), [("ana", True), ("bruno", False), ("carla", False)])
def test_of_people_the_admin_learns_what_is_wrong(client: Client, story: Story, person: str, told: bool) -> None:
    client.force_login(getattr(story, person))
    assert ("checks" in client.get("/readyz", **ELSEWHERE).json()) is told  # type: ignore[arg-type]


def test_many_who_ask_at_once_cost_one_look(client: Client) -> None:
    with patch("dashboard.views.health._database", return_value="") as asked:
        for _number in range(20):
            client.get("/readyz")
    assert asked.call_count == 1


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


def figures(client: Client, **headers: str) -> dict[str, float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_for_the_bearer_of_the_token(client: Client, settings: Any) -> None:
    settings.ESTIVA_METRICS_TOKEN = "s3cret-for-prometheus"
    assert figures(client, authorization="Bearer s3cret-for-prometheus")["estiva_database_up"] == 1
    for wrong in ("Bearer s3cret", "Bearer ", "s3cret-for-prometheus", ""):
        assert client.get("/metrics", headers={"authorization": wrong}).status_code == 302


def test_no_token_set_lets_nobody_in_by_an_empty_one(client: Client, settings: Any) -> None:
    settings.ESTIVA_METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 302
