"""Deploys on podman 4.3 behind a real sshd: no restart policy can be changed there, so what is proven is exchanged for its twin."""

from collections.abc import Iterator

import pytest

from parts.podman import Podman
from parts.sshd import SshServer
from tests.integration.engine_stage import RealStage, last
from tests.real_parts import SampleImages, SshKey
from tests.worker.engine.stage import lines, steps
from worker.connections.pool import Pool
from worker.engine.events import Gap, Observed, Verdict

pytestmark = pytest.mark.real

GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def stage(pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_podman: Podman, sample_images: SampleImages) -> RealStage:
    return RealStage(pool, sshd, ssh_key, tidy_podman, sample_images)


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
    gaps = [event.seconds for event in second if isinstance(event, Gap)]
    assert len(gaps) == 2
    assert 0 < sum(gaps) < 8
    (seen,) = [event for event in second if isinstance(event, Observed)]
    assert (seen.digest, seen.image_id) == (two.digest, two.image_id)
    assert seen.published == (("127.0.0.1", stage.port, 5000, "tcp"),)
    back = stage.deploy(3, one)
    assert last(back).verdict == Verdict.SUCCEEDED, last(back)
    assert any("nothing to pull" in line for line in lines(back))
    assert "Version 1" in stage.answer()
    assert [each.restart_policy for each in stage.containers()] == ["always"]


def test_side_by_side_on_a_network_with_an_alias(stage: RealStage) -> None:
    stage.start_first()
    first = stage.deploy(1, stage.images.push("1"))
    assert last(first).verdict == Verdict.SUCCEEDED, last(first)
    events = stage.deploy(2, stage.images.push("2"))
    assert steps(events) == GOOD, last(events)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(0.0)]
    (container,) = stage.containers()
    assert "shop" in container.network_aliases["shop-net"]
    assert container.labels["estiva.release"] == "2"


def test_an_unhealthy_release_gives_way_to_the_old_one(stage: RealStage) -> None:
    stage.stop_first()
    stage.deploy(1, stage.images.push("1"))
    events = stage.deploy(2, stage.images.push("2", behaviour="never_healthy", tag="sick"))
    end = last(events)
    assert end.verdict == Verdict.FAILED_RESTORED, end
    assert "HTTP 503" in end.what
    assert "Version 1" in stage.answer()
    assert len(stage.containers()) == 1
