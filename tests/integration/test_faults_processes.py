"""Whole processes go away: workers, the broker, the web between commit and message. Real Celery, real Valkey, real server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from deployments import queue, requests
from deployments.models import AuditEntry, Deployment, Placement, WorkerProcess
from parts.dockerd import DockerEngine
from parts.environment import ROOT
from parts.postgres import Postgres
from parts.processes import Process, wait_until
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import dying_web, harness, processes
from tests.integration.processes import Estiva
from tests.real_parts import Pushed, SampleImages

Server = tuple[SshServer, DockerEngine]


@pytest.fixture
def slow(sample_images: SampleImages) -> Pushed:
    """An image whose health takes four seconds to come: time enough to break something."""
    return sample_images.push("slow", behaviour="slow_start", variables={"SAMPLE_SECONDS": "4"})


@pytest.fixture
def shop(server: Server, slow: Pushed, estiva: Estiva) -> Placement:
    """An application on the real server, on a published port."""
    return harness.placement(harness.trusted_host(*server), slow, ports=[harness.published()], stop_timeout=1)


def in_health_wait(deployment: Any) -> None:
    """Wait until its container is on trial."""
    harness.until_target(deployment, lambda each: each.steps.filter(key="health").exists(), "the health wait begins")


def holder_of(deployment: Any, workers: list[Process]) -> Process:
    """The worker process that holds the Target."""
    pid = int(deployment.targets.get().holder.rpartition("#")[2])
    return next(each for each in workers if each.pid == pid)


@pytest.mark.both_databases
def test_a_stopped_worker_hands_over_within_seconds(
    estiva: Estiva, shop: Placement, slow: Pushed, server: Server
) -> None:
    """SIGTERM in the middle of a deploy: the worker is gone in five seconds, another one has it in ten."""
    workers = [estiva.worker(), estiva.worker()]
    for each in workers:
        processes.ready(each)
    deployment = harness.deploy(shop, slow)
    in_health_wait(deployment)
    holder, first = holder_of(deployment, workers), deployment.targets.get()
    began = time.monotonic()
    holder.send_signal(15)
    assert holder.wait() == 0
    assert time.monotonic() - began < 5
    harness.until_target(
        deployment, lambda each: each.fence > first.fence and each.status == "running", "taken over", timeout=10
    )
    assert time.monotonic() - began < 10
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome
    log = harness.lines_of(deployment.targets.get())
    assert any("was stopped. Another one goes on." in line for line in log)
    assert harness.all_ours(server[1]) == ["shop-production-r1.f2"]
    assert WorkerProcess.objects.filter(role="deploy").count() == 1


@pytest.mark.both_databases
def test_a_dead_worker_shows_as_stalled_and_another_finishes(
    estiva: Estiva, shop: Placement, slow: Pushed, server: Server
) -> None:
    """SIGKILL, with nobody's help but the reconciler's: stalled within 45 s, then brought to its end.

    The lease runs out by itself on SQLite; on PostgreSQL the half minute is made a second.
    """
    estiva.reconciler()
    dying = estiva.worker()
    processes.ready(dying)
    deployment = harness.deploy(shop, slow)
    in_health_wait(deployment)
    dying.kill()
    if connection.vendor == "postgresql":
        assert deployment.targets.filter(status="running").update(lease_until=Now() + timedelta(seconds=1))
    began = time.monotonic()
    harness.until_target(deployment, lambda each: each.status == "stalled", "shown as stalled", timeout=45)
    assert "has not been heard from" in deployment.targets.get().stalled_reason
    assert time.monotonic() - began < 45
    assert deployment.targets.get().steps.filter(status="broken_off", key="health").exists()
    estiva.worker()
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome
    assert harness.all_ours(server[1]) == ["shop-production-r1.f2"]


@pytest.mark.both_databases
def test_a_click_whose_message_was_never_sent_runs(
    estiva: Estiva, shop: Placement, sample_images: SampleImages, server: Server
) -> None:
    """The web dies between commit and message: the row is the truth, and the reconciler's hint makes it run."""
    estiva.worker()
    image = sample_images.push("1")
    plan = harness.record_plan(harness.change_image(shop, image), image)
    web = subprocess.run(
        [sys.executable, "-m", "tests.integration.dying_web", str(plan.pk)],
        cwd=ROOT,
        env=processes.environment(),
        check=False,
        timeout=60,
    )
    assert web.returncode == dying_web.DIED_BEFORE_THE_MESSAGE
    deployment = Deployment.objects.get()
    assert deployment.targets.get().status == "queued"
    assert AuditEntry.objects.filter(action="deployment.request", object_id=str(deployment.pk)).count() == 1
    assert queue.length(queue.DEPLOY_QUEUE) == 0
    estiva.reconciler()
    assert harness.ended(deployment).status == "succeeded", deployment.targets.get().outcome
    assert harness.all_ours(server[1]) == ["shop-production-r1.f1"]


@pytest.mark.both_databases
def test_the_broker_dies_and_forgets_everything(
    estiva: Estiva, shop: Placement, slow: Pushed, server: Server, valkey: Valkey
) -> None:
    """Killed and flushed with one deploy running and two waiting: all end, in order, each once."""
    estiva.reconciler()
    processes.ready(estiva.worker())
    deployments = [harness.deploy(shop, slow) for _ in range(3)]
    in_health_wait(deployments[0])
    valkey.kill()
    wait_until(lambda: not valkey.answers(), "the broker is gone")
    valkey.start()
    queue.connection().flushall()
    for each in deployments:
        assert harness.ended(each, timeout=90).status == "succeeded", each.targets.get().outcome
        harness.lines_of(each.targets.get())
    assert [each.targets.get().attempts for each in deployments] == [1, 1, 1]
    in_order = Deployment.objects.order_by("started_at").values_list("pk", flat=True)
    assert list(in_order) == [each.pk for each in deployments]
    (name,) = harness.all_ours(server[1])
    assert name.startswith("shop-production-r1.f3")


def test_cancelled_while_running_restores(
    estiva: Estiva, shop: Placement, slow: Pushed, server: Server, sample_images: SampleImages
) -> None:
    """Somebody changes their mind in the health wait: the old version serves, and what is waiting ends at once."""
    processes.ready(estiva.worker())
    assert harness.ended(harness.deploy(shop, slow)).status == "succeeded"
    never = sample_images.push("never", behaviour="never_healthy")
    harness.change_image(shop, never)
    running, waiting = harness.deploy(shop, never), harness.deploy(shop, never)
    in_health_wait(running)
    requests.cancel_deployment(actor=harness.admin(), deployment=waiting)
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    requests.cancel_deployment(actor=harness.admin(), deployment=running)
    assert harness.ended(running, timeout=20).status == "cancelled"
    target = running.targets.get()
    assert (target.status, target.serving_release) == ("cancelled_restored", 1), target.outcome
    assert harness.serving(server[1]) == [f"shop-production-r1.f{target.fence}"]


@pytest.mark.both_databases
def test_the_database_goes_away_and_comes_back(
    estiva: Estiva, shop: Placement, slow: Pushed, server: Server, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL crashes and recovers; SQLite is locked by somebody for a while. No line is lost, nothing runs twice."""
    estiva.reconciler()
    processes.ready(estiva.worker())
    deployments = [harness.deploy(shop, slow) for _ in range(2)]
    in_health_wait(deployments[0])
    if connection.vendor == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres_server")
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's alone
        postgres.restart(immediate=True)
    else:
        with sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            threading.Event().wait(3)
            other.execute("ROLLBACK")
        other.close()
    for each in deployments:
        assert harness.ended(each, timeout=90).status == "succeeded", each.targets.get().outcome
        assert harness.lines_of(each.targets.get())
    assert [each.targets.get().attempts for each in deployments] == [1, 1]
    assert len(harness.all_ours(server[1])) == 1


def test_a_worker_ends_in_time_though_the_broker_is_silent(estiva: Estiva, valkey: Valkey) -> None:
    """A frozen Valkey keeps its connections open and answers nothing: SIGTERM still ends workers and reconciler."""
    running = [estiva.worker(), estiva.reconciler()]
    processes.ready(running[0])
    wait_until(lambda: WorkerProcess.objects.count() == 2, "both are on record")
    valkey.freeze()
    try:
        for each in running:
            began = time.monotonic()
            each.send_signal(15)
            assert each.wait() == 0
            assert time.monotonic() - began < 6
    finally:
        valkey.resume()
    assert not WorkerProcess.objects.exists()
