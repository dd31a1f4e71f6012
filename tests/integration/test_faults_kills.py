"""A worker killed at every call that changes something: another one finishes, nothing is lost, nothing is there twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import stalls
from deployments.models import Deployment, PlacementHost
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.integration import harness, kill_stage, processes
from tests.integration.kill_stage import Point
from tests.real_parts import SampleImages

Server = tuple[SshServer, DockerEngine]
SECONDS = 30


@pytest.fixture
def deployed(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    server: Server,
    sample_images: SampleImages,
) -> Any:
    """Version 1 serves, stop-first (it publishes a port); a second image is there to be deployed."""
    host = harness.trusted_host(*server)
    one, two = sample_images.push("1"), sample_images.push("2")
    place = harness.placement(host, one, ports=[harness.published()])
    harness.run_here(harness.deploy(place, one))
    return place, one, two


def killed_at(deployment: Deployment, point: Point) -> str | None:
    """Let a worker come to this point and kill it there; the call's name, None when it ended before."""
    child, line = kill_stage.start(processes.environment(), deployment.targets.get().pk, point)
    try:
        assert line.poll(SECONDS), "the worker neither paused nor ended"
        word, what = line.recv()
    finally:
        child.kill()
        child.join()
    return str(what) if word == "paused" else None


def lease_runs_out(deployment: Deployment) -> None:
    """Half a minute passes."""
    assert deployment.targets.update(lease_until=Now() - timedelta(seconds=1))
    assert stalls.release_expired() == [deployment.targets.get().pk]


@pytest.mark.timeout(400)
def test_killed_before_and_after_every_change(deployed: Any, server: Server) -> None:
    """Deploys go back and forth between two versions, each killed one call further; the second worker always finishes."""
    place, one, two = deployed
    index, after, images = 0, False, [two, one]
    calls: list[str] = []
    while True:
        image = images[0]
        images.reverse()
        harness.change_image(place, image)
        deployment = harness.deploy(place, image)
        call = killed_at(deployment, Point(index, after))
        if call is None:
            break
        calls.append(f"{'after' if after else 'before'} {call}")
        lease_runs_out(deployment)
        target = harness.run_here(deployment)
        context = f"killed {calls[-1]} (call {index}): {target.outcome} {harness.lines_of(target)}"
        assert target.status == "succeeded", context
        assert harness.all_ours(server[1]) == [f"shop-production-r{deployment.release.number}.f{target.fence}"], context
        seat = PlacementHost.objects.get()
        assert (seat.running_release, seat.running_target) == (deployment.release, target)
        index, after = (index + 1, False) if after else (index, True)
    assert {"before create", "after stop", "after start", "before remove", "after rename"} <= set(calls), calls


@pytest.mark.both_databases
@pytest.mark.parametrize("point", [Point(call="create"), Point(call="stop", after=True)], ids=["before", "after"])
def test_killed_beside_a_change(deployed: Any, server: Server, point: Point) -> None:
    """Two of those points, on PostgreSQL too: before the first change, and after the old version was stopped."""
    place, _, two = deployed
    harness.change_image(place, two)
    deployment = harness.deploy(place, two)
    assert killed_at(deployment, point) == point.call
    lease_runs_out(deployment)
    target = harness.run_here(deployment)
    assert (target.status, target.attempts) == ("succeeded", 2), target.outcome
    assert harness.all_ours(server[1]) == [f"shop-production-r2.f{target.fence}"]
    assert PlacementHost.objects.get().running_target == target
    assert harness.lines_of(target)


@pytest.mark.parametrize("call", ["pull", "probe_http"])
def test_killed_while_pulling_or_waiting(deployed: Any, server: Server, sample_images: SampleImages, call: str) -> None:
    """In the pull nothing is changed yet; in the health wait the old version is stopped."""
    place, _, _ = deployed
    image = sample_images.push(f"killed-in-{call}")
    harness.change_image(place, image)
    deployment = harness.deploy(place, image)
    assert killed_at(deployment, Point(call=call)) == call
    lease_runs_out(deployment)
    target = harness.run_here(deployment)
    assert target.status == "succeeded", target.outcome
    assert harness.all_ours(server[1]) == [f"shop-production-r2.f{target.fence}"]


def test_killed_then_never_healthy(deployed: Any, server: Server, sample_images: SampleImages) -> None:
    """The worker dies while a bad version is on trial; the next one brings the old version back."""
    place, _, _ = deployed
    bad = sample_images.push("never", behaviour="never_healthy")
    harness.change_image(place, bad, health={**place.settings["health"], "deadline": 2})
    deployment = harness.deploy(place, bad)
    assert killed_at(deployment, Point(call="probe_http")) == "probe_http"
    lease_runs_out(deployment)
    target = harness.run_here(deployment)
    assert (target.status, target.serving_release) == ("failed_restored", 1), target.outcome
    assert harness.serving(server[1]) == [f"shop-production-r1.f{target.fence}"]
    assert len(harness.all_ours(server[1])) == 1


@pytest.mark.both_databases
def test_a_worker_stopped_past_its_lease_changes_nothing(deployed: Any, server: Server) -> None:
    """SIGSTOP in the middle of a swap; another worker takes over and finishes; then the first one goes on."""
    place, _one, two = deployed
    harness.change_image(place, two)
    first = harness.deploy(place, two)
    child, line = kill_stage.start(processes.environment(), first.targets.get().pk, Point(call="start"))
    try:
        assert line.poll(SECONDS)
        assert line.recv() == ("paused", "start")
        processes.pause(child.pid)
        lease_runs_out(first)
        target = harness.run_here(first)
        assert target.status == "succeeded", target.outcome
        before = harness.containers_as_they_are(server[1])
        log = harness.lines_of(target)
        processes.resume(child.pid)
        line.send("go on")
        assert line.poll(SECONDS), "the stale worker neither ended nor failed"
        word, calls = line.recv()
        assert word == "ended"
    finally:
        child.kill()
        child.join()
    assert harness.containers_as_they_are(server[1]) == before, calls
    after = first.targets.get()
    assert (after.status, after.fence, after.outcome) == (target.status, target.fence, target.outcome)
    assert harness.lines_of(after) == log
