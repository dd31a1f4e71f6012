"""Deploys on a real Docker Engine behind a real sshd."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.integration.engine_stage import HEALTH, IMPATIENT, RealStage, last
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.stage import lines, steps, wrote
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.events import Finding, Gap, Line, Observed, Progress, Verdict
from worker.engine.look import look
from worker.engine.preflight import preflight
from worker.engine.rollout import deploy
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec

GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def stage(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
) -> RealStage:
    return RealStage(pool, sshd, ssh_key, tidy_engine, sample_images)


def test_one_two_and_back_to_one_behind_a_published_port(stage: RealStage) -> None:
    stage.stop_first()
    one, two = stage.images.push("1"), stage.images.push("2")
    first = stage.deploy(1, one)
    assert last(first).verdict == Verdict.SUCCEEDED, last(first)
    assert "Version 1" in stage.answer()
    second = stage.deploy(2, two)
    assert steps(second) == GOOD, last(second)
    assert "Version 2" in stage.answer()
    assert stage.running() == [2]
    (gap,) = [event for event in second if isinstance(event, Gap)]
    assert 0 < gap.seconds < 3
    (seen,) = [event for event in second if isinstance(event, Observed)]
    assert (seen.digest, seen.image_id) == (two.digest, two.image_id)
    assert seen.published == (("127.0.0.1", stage.port, 5000, "tcp"),)
    back = stage.deploy(3, one)
    assert last(back).verdict == Verdict.SUCCEEDED
    assert any("nothing to pull" in line for line in lines(back))
    assert "Version 1" in stage.answer()
    assert [each.restart_policy for each in stage.containers()] == ["unless-stopped"]


def test_side_by_side_on_a_network_with_an_alias(stage: RealStage) -> None:
    stage.start_first()
    assert last(stage.deploy(1, stage.images.push("1"))).verdict == Verdict.SUCCEEDED
    events = stage.deploy(2, stage.images.push("2"))
    assert steps(events) == GOOD, last(events)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(0.0)]
    (container,) = stage.containers()
    assert "shop" in container.network_aliases["shop-net"]
    assert container.labels["estiva.release"] == "2"


def test_an_unhealthy_release_gives_way_to_the_old_one(stage: RealStage) -> None:
    stage.stop_first()
    stage.deploy(1, stage.images.push("1"))
    events = stage.deploy(2, stage.images.push("2", behaviour="never_healthy", tag="sick"), patience=IMPATIENT)
    end = last(events)
    assert end.verdict == Verdict.FAILED_RESTORED, end
    assert "HTTP 503" in end.what
    assert "Version 1" in stage.answer()
    assert len(stage.containers()) == 1


@pytest.mark.parametrize("strategy", ["stop_first", "start_first"])
def test_a_paused_version_goes_on_where_the_next_one_fails_and_is_replaced_where_it_does_not(
    stage: RealStage, strategy: str
) -> None:
    getattr(stage, strategy)()
    stage.deploy(1, stage.images.push("1"))
    pause(stage)
    sick = stage.images.push("2", behaviour="never_healthy", tag="sick")
    end = last(stage.deploy(2, sick, patience=IMPATIENT))
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    (old,) = stage.containers()
    assert (old.status, old.labels["estiva.release"], old.restart_policy) == ("running", "1", "unless-stopped")
    pause(stage)
    assert last(stage.deploy(3, stage.images.push("3"))).verdict == Verdict.SUCCEEDED
    (new,) = stage.containers()
    assert (new.status, new.labels["estiva.release"]) == ("running", "3")


def pause(stage: RealStage) -> None:
    """Whatever runs."""
    for each in stage.containers():
        status, said = stage.engine.api.request("POST", f"/containers/{each.name}/pause", b"", {})
        assert status == 204, said


def test_a_release_that_exits_tells_its_code_and_its_last_lines(stage: RealStage) -> None:
    stage.start_first()
    stage.deploy(1, stage.images.push("1"))
    events = stage.deploy(2, stage.images.push("2", behaviour="exits", tag="exits"))
    end = last(events)
    assert (end.verdict, end.exit_code) == (Verdict.FAILED_RESTORED, 3), end
    assert wrote(events, "stderr").count("sample: fatal: giving up") == 1
    assert stage.running() == [1]


def test_the_images_own_check(stage: RealStage) -> None:
    stage.container = ContainerSpec(
        health=HealthSpec(kind="image", interval=0.1, passes=1, deadline=10), stop_timeout=1
    )
    assert last(stage.deploy(1, stage.images.push("1", healthcheck=True, tag="own"))).verdict == Verdict.SUCCEEDED
    sick = stage.images.push("2", healthcheck=True, behaviour="never_healthy", tag="own-sick")
    end = last(stage.deploy(2, sick))
    assert end.verdict == Verdict.FAILED_RESTORED
    assert "unhealthy" in end.what


def test_an_image_for_windows_is_refused_before_anything_is_touched(stage: RealStage) -> None:
    stage.stop_first()
    end = last(stage.deploy(1, stage.images.windows_only()))
    assert (end.verdict, end.failed_step) == (Verdict.FAILED_UNTOUCHED, "preflight"), end
    assert "no matching manifest for linux/amd64" in end.what
    assert "windows/amd64" in end.what
    assert stage.containers() == []


def test_a_port_that_another_program_holds_is_found(stage: RealStage) -> None:
    stage.stop_first()
    with socket.create_server(("127.0.0.1", stage.port)):
        end = last(stage.deploy(1, stage.images.push("1")))
    assert end.verdict == Verdict.FAILED_UNTOUCHED
    assert "isn't a Docker container" in end.what


def test_a_missing_program_is_named(stage: RealStage) -> None:
    stage.stop_first(entrypoint=("/no/such/program",))
    end = last(stage.deploy(1, stage.images.push("1")))
    assert end.verdict == Verdict.FAILED
    assert "isn't in the image" in end.why, end
    assert stage.containers() == []


def test_a_program_for_another_processor_is_named(stage: RealStage) -> None:
    stage.stop_first(entrypoint=("/app/page.html",))
    end = last(stage.deploy(1, stage.images.push("1")))
    assert end.verdict == Verdict.FAILED
    assert "not executable" in end.why or "isn't executable" in end.why or "another processor" in end.why, end


def test_an_application_on_another_port_is_found(stage: RealStage) -> None:
    stage.stop_first(environment=(("SAMPLE_PORT", "8080"),))
    end = last(stage.deploy(1, stage.images.push("1"), patience=4))
    assert "port 8080, while the health check asks port 5000" in end.why, end


def test_a_cancel_brings_the_old_version_back_soon(stage: RealStage) -> None:
    stage.stop_first()
    stage.deploy(1, stage.images.push("1"))
    signals = Signals()
    events = []
    sick = stage.images.push("2", behaviour="never_healthy", tag="sick")
    with stage.host(signals) as host:
        for event in deploy(stage.spec(2, sick), host):
            events.append(event)
            if isinstance(event, Line) and "Not healthy yet" in event.text:
                signals.cancelled.set()
    assert last(events).verdict == Verdict.CANCELLED_RESTORED, last(events)
    assert steps(events)[-2:] == [("health", "cancelled"), ("restore", "good")]
    assert "Version 1" in stage.answer()


def test_a_pull_shows_its_bytes(stage: RealStage) -> None:
    stage.stop_first()
    events = stage.deploy(1, stage.images.push("big", ballast=5_000_000, tag="big"))
    shown = [event for event in events if isinstance(event, Progress) and event.step == "pull"]
    assert shown
    assert shown[-1].total >= 5_000_000
    assert shown[-1].done == shown[-1].total


def test_old_images_of_ours_go_and_kept_ones_survive_a_prune(stage: RealStage) -> None:
    stage.stop_first()
    for release in (1, 2, 3):
        assert last(stage.deploy(release, stage.images.push(f"prune-{release}"))).verdict == Verdict.SUCCEEDED
    with stage.host() as host:
        tags = {tag for each in host.local_images("estiva/it/shop-production:*") for tag in each.repo_tags}
        assert tags == {"estiva/it/shop-production:2", "estiva/it/shop-production:3"}
        assert host.local_image(stage.images.push("prune-1").pinned) is None


def test_the_plans_look_changes_nothing(stage: RealStage) -> None:
    stage.stop_first()
    stage.deploy(1, stage.images.push("1"))
    before = stage.containers()
    with stage.host() as host:
        findings = [
            event for event in preflight(stage.spec(2, stage.images.push("2")), host) if isinstance(event, Finding)
        ]
        sight = look(stage.spec(2, stage.images.push("2")).identity, host)
    assert {event.result for event in findings} == {"good"}, findings
    assert sight.running
    assert sight.observed is not None
    assert sight.observed.digest == stage.images.push("1").digest
    assert stage.containers() == before


def test_a_port_that_the_engine_chooses(stage: RealStage) -> None:
    stage.start_first(ports=(PortSpec(5000),))
    stage.deploy(1, stage.images.push("1"))
    events = stage.deploy(2, stage.images.push("2"))
    assert last(events).verdict == Verdict.SUCCEEDED, last(events)
    (seen,) = [event for event in events if isinstance(event, Observed)]
    stage.port = seen.published[0][1]
    assert "Version 2" in stage.answer()


def test_a_burst_before_it_was_proven_is_heard_to_its_end(stage: RealStage) -> None:
    said = 150_000
    told = (("SAMPLE_BEHAVIOUR", "chatty"), ("SAMPLE_LINES", str(said)))
    stage.stop_first(environment=told, health=replace(HEALTH, passes=1, interval=0.1, deadline=60))
    events = stage.deploy(1, stage.images.push("1"))
    assert last(events).verdict == Verdict.SUCCEEDED, last(events)
    heard = [text for text in wrote(events) if "loaded record" in text]
    assert heard == [f"sample: loaded record {number} of the start-up index" for number in range(1, said + 1)]
