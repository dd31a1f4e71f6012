"""What /metrics says: true figures, in Prometheus' ways, for the price of a few small queries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now
from django.test import Client
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from dashboard import metrics
from deployments import measures, queue, stalls, tallies
from deployments.models import Deployment, Host, Operation, Step, Target, WorkerProcess
from deployments.states import DEPLOYMENT_ENDS, TARGET_ENDS, DeploymentStatus, TargetStatus
from parts.valkey import Valkey
from tests.dashboard.story import Story, deployment, tell
from tests.deployments.world import claimed, deployed, finish, make_world, only_target
from tests.factories import operation, worker

pytestmark = pytest.mark.django_db

MEASURED = {
    "counts": {"ssh_connects": {"connected": 7, "unreachable": 2, "odd": 1}, "log_lines": {"": 12}},
    "times": {
        "ssh_connect_seconds": {"sum": 3.5, "each": [0, 1, 2, 0, 3, 0, 0, 0, 0, 3]},
        "log_lag_seconds": {"sum": 1.0, "each": [1, 2]},  # another version's buckets
    },
    "now": {"worker_resident_memory_bytes": 55_000_000, "worker_threads": 9},
}


@pytest.fixture
def redis(valkey: Valkey, settings: Any) -> Iterator[Valkey]:
    """This process's connection leads to the run's Redis."""
    settings.ESTIVA_REDIS_URL = valkey.url
    queue.connection.cache_clear()
    yield valkey
    queue.connection().close()
    queue.connection.cache_clear()


def told() -> list[Metric]:
    """As Prometheus reads it."""
    return list(text_string_to_metric_families(metrics.text("1.2.3", 4).decode()))


def seen(name: str, **labels: str) -> float | None:
    """The value of one series; None where there is none."""
    found = [
        sample.value
        for family in told()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) < 2, found
    return found[0] if found else None


@pytest.mark.both_databases
def test_open_work_is_counted_and_ended_work_was() -> None:
    world = make_world()
    finish(only_target(deployed(world)))
    finish(only_target(deployed(world)), "failed_restored")
    claimed(only_target(deployed(world)))
    deployed(world)
    assert seen("estiva_deployments", status="running") == 1
    assert seen("estiva_deployments", status="queued") == 1
    assert seen("estiva_deployments", status="succeeded") is None
    assert seen("estiva_deployments_ended_total", status="succeeded") == 1
    assert seen("estiva_deployments_ended_total", status="failed") == 1
    assert seen("estiva_deployments_ended_total", status="cancelled") == 0
    assert seen("estiva_deployment_seconds_count", status="failed") == 1
    assert seen("estiva_targets_ended_total", status="failed_restored") == 1
    assert seen("estiva_targets", status="stalled") == 0


@pytest.mark.both_databases
def test_the_queue_s_age_is_of_what_waits_for_a_worker_alone() -> None:
    world = make_world()
    first, second = deployed(world), deployed(world)
    Deployment.objects.update(requested_at=Now() - timedelta(seconds=600))
    assert seen("estiva_queue_length", queue="deploy") == 1, "the second one waits for the first"
    assert (seen("estiva_queue_age_seconds", queue="deploy") or 0) >= 600
    finish(only_target(first))
    age = seen("estiva_queue_age_seconds", queue="deploy")
    assert age is not None
    assert age < 60, "the second one's turn came just now"
    Deployment.objects.filter(pk=first.pk).update(ended_at=Now() - timedelta(seconds=100))
    Target.objects.filter(deployment=first).update(ended_at=Now() - timedelta(seconds=100))
    assert 100 <= (seen("estiva_queue_age_seconds", queue="deploy") or 0) < 160
    claimed(only_target(second))
    assert seen("estiva_queue_length", queue="deploy") == 0
    assert seen("estiva_queue_age_seconds", queue="deploy") == 0


@pytest.mark.both_databases
def test_a_stalled_share_waits_since_its_worker_went() -> None:
    world = make_world()
    target = only_target(deployed(world))
    Deployment.objects.update(requested_at=Now() - timedelta(seconds=900))
    claimed(target)
    Step.objects.create(target=target, fence=1, key="pull", started_at=Now())
    Target.objects.update(lease_until=Now() - timedelta(seconds=1))
    stalls.release_expired()
    Step.objects.update(ended_at=Now() - timedelta(seconds=50))
    assert seen("estiva_targets", status="stalled") == 1
    assert seen("estiva_leases_lost_total", kind="target") == 1
    assert 50 <= (seen("estiva_queue_age_seconds", queue="deploy") or 0) < 110


@pytest.mark.both_databases
def test_looks_that_wait() -> None:
    world = make_world()
    Operation.objects.all().delete()
    operation(world.placement, requested_at=Now() - timedelta(seconds=40))
    operation(world.placement)
    operation(world.placement, requested_at=Now() - timedelta(seconds=900), deadline_at=Now() - timedelta(seconds=5))
    assert seen("estiva_queue_length", queue="look") == 2
    assert 40 <= (seen("estiva_queue_age_seconds", queue="look") or 0) < 100
    assert seen("estiva_operations", status="queued") == 3


def test_servers_and_how_long_nobody_looked() -> None:
    world = make_world(servers=3)
    Host.objects.update(checked_at=Now())
    Host.objects.filter(name="web-2").update(checked_at=Now() - timedelta(seconds=300))
    Host.objects.filter(name="web-3").update(checked_at=Now() - timedelta(days=3), state="key_changed")
    assert (seen("estiva_servers", state="ready"), seen("estiva_servers", state="key_changed")) == (2, 1)
    assert 300 <= (seen("estiva_oldest_server_check_seconds") or 0) < 400, world


def test_workers_speak_for_themselves() -> None:
    worker(name="deploy@a", measured=MEASURED, busy=3, capacity=32)
    worker(name="look@a", role="look", measured=None)
    worker(name="deploy@old", measured=MEASURED, beat_at=Now() - timedelta(minutes=5))
    assert seen("estiva_ssh_connects_total", worker="deploy@a", result="connected") == 7
    assert seen("estiva_ssh_connects_total", worker="deploy@a", result="odd") is None
    assert seen("estiva_ssh_connects_total", worker="look@a", result="connected") == 0
    assert seen("estiva_ssh_connects_total", worker="deploy@old", result="connected") is None
    assert seen("estiva_ssh_connect_seconds_count", worker="deploy@a") == 9
    assert seen("estiva_ssh_connect_seconds_bucket", worker="deploy@a", le="0.25") == 3
    assert seen("estiva_ssh_connect_seconds_sum", worker="deploy@a") == 3.5
    assert seen("estiva_log_lag_seconds_count", worker="deploy@a") is None
    assert seen("estiva_log_lines_total", worker="deploy@a", role="deploy") == 12
    assert seen("estiva_worker_threads", worker="deploy@a") == 9
    assert seen("estiva_workers", role="deploy") == 1
    assert seen("estiva_workers_busy", role="deploy") == 3
    assert seen("estiva_workers_capacity", role="deploy") == 32


def test_a_reconciler_that_fell_silent_is_told_apart_from_none() -> None:
    assert seen("estiva_reconciler_last_round_age_seconds") is None
    worker(role="reconciler", beat_at=Now() - timedelta(hours=2), measured={"counts": {"duty_failures": {"hints": 3}}})
    assert (seen("estiva_reconciler_last_round_age_seconds") or 0) >= 7200
    assert seen("estiva_workers", role="reconciler") == 0
    WorkerProcess.objects.update(beat_at=Now())
    assert seen("estiva_duty_failures_total", duty="hints") == 3


def test_a_backup_is_noted() -> None:
    assert seen("estiva_last_backup_timestamp_seconds") is None
    tallies.add({tallies.Key(tallies.BACKUPS): tallies.ONE})
    assert seen("estiva_backups_total") == 1
    assert (seen("estiva_last_backup_timestamp_seconds") or 0) > 1_700_000_000


def test_the_broker(redis: Valkey) -> None:
    queue.connection().rpush(queue.LOOK_QUEUE, "hint")
    try:
        assert seen("estiva_broker_up") == 1
        assert seen("estiva_broker_hints", queue="look") == 1
    finally:
        queue.connection().delete(queue.LOOK_QUEUE)


def test_without_a_broker_the_rest_is_told(settings: Any) -> None:
    settings.ESTIVA_REDIS_URL = "unix:///nonexistent/valkey.sock"
    queue.connection.cache_clear()
    try:
        assert (seen("estiva_broker_up"), seen("estiva_broker_hints", queue="look")) == (0, None)
        assert seen("estiva_database_up") == 1
    finally:
        queue.connection.cache_clear()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_the_rest_is_told(client: Client, settings: Any, error: type[Exception]) -> None:
    settings.ESTIVA_METRICS_TOKEN = "s3cret-for-prometheus"
    with patch("dashboard.metrics.figures.look", side_effect=error("gone")):
        answer = client.get("/metrics", headers={"authorization": "Bearer s3cret-for-prometheus"})
    assert answer.status_code == 200
    assert b"estiva_database_up 0.0" in answer.content
    assert b"estiva_stream_viewers" in answer.content


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


def test_an_auditor_reads_them(client: Client, story: Story) -> None:
    client.force_login(story.carla)
    waiting = deployment(story.production, story.ana, DeploymentStatus.QUEUED)
    assert waiting.pk
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b'estiva_deployments{status="queued"} 1.0' in answer.content


@pytest.mark.both_databases
def test_they_cost_the_same_however_much_there_is(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(10):
        metrics.text("1", 0)
    world = make_world(servers=3)
    for _ in range(4):
        deployed(world)
    for number in range(20):
        operation(world.placement)
        worker(name=f"deploy@{number}", measured=MEASURED)
    with django_assert_num_queries(10):
        metrics.text("1", 0)


# as `promtool check metrics` asks, and what is our own rule: no label that a person writes


@pytest.fixture
def everything(redis: Valkey) -> list[Metric]:
    """The families of an installation in which everything has happened."""
    world = make_world()
    finish(only_target(deployed(world)))
    worker(name="deploy@a", measured=MEASURED)
    times: dict[str, Any] = {
        name: {"sum": 1.0, "each": [1] * (len(known.buckets) + 1)} for name, known in measures.TIMES.items()
    }
    worker(role="reconciler", measured={"counts": {"duty_failures": {"hints": 1}}, "times": times})
    tallies.add({tallies.Key(tallies.BACKUPS): tallies.ONE})
    return told()


def test_names_and_units_are_prometheus_own(everything: list[Metric]) -> None:
    assert len(everything) > 30
    for family in everything:
        assert re.fullmatch(r"estiva_[a-z][a-z0-9_]*[a-z]", family.name), family.name
        assert family.documentation.endswith("."), f"{family.name} has no sentence about it"
        assert not family.name.endswith(("_count", "_sum", "_bucket"))
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days|kb|mb|megabytes|percent)\b", family.name)
        assert (family.type == "counter") == any(each.name.endswith("_total") for each in family.samples), family.name
        assert not re.search(r"gauge|counter|histogram|summary", family.name), "the type isn't part of the name"


def test_every_series_is_there_once_and_buckets_add_up(everything: list[Metric]) -> None:
    samples = [(each.name, tuple(sorted(each.labels.items()))) for family in everything for each in family.samples]
    assert len(samples) == len(set(samples))
    names = [family.name for family in everything]
    assert len(names) == len(set(names))
    for family in everything:
        if family.type != "histogram":
            continue
        buckets = [each for each in family.samples if each.name.endswith("_bucket")]
        for process in {each.labels["worker"] for each in buckets}:
            own = [each for each in buckets if each.labels["worker"] == process]
            values = [each.value for each in own]
            assert values == sorted(values)
            assert own[-1].labels["le"] == "+Inf"
            assert values[-1] == next(
                each.value
                for each in family.samples
                if each.name.endswith("_count") and each.labels["worker"] == process
            )


def test_labels_have_few_values(everything: list[Metric]) -> None:
    known = {
        "status", "state", "kind", "queue", "role", "result", "duty", "worker", "process", "le", "version",
    }  # fmt: skip
    ends = {str(each) for each in DEPLOYMENT_ENDS | TARGET_ENDS}
    for family in everything:
        for sample in family.samples:
            assert set(sample.labels) <= known, sample
            if family.name.endswith("_ended"):
                assert sample.labels["status"] in ends
    assert str(TargetStatus.NEEDS_ATTENTION) in ends
