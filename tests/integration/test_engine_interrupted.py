"""Deploys that are cut off, overtaken or rebooted on a real Docker Engine: something serves, and in the end once."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.integration.engine_stage import IMPATIENT, Breaking, RealStage, last, until
from tests.real_parts import Pushed, SampleImages, SshKey
from worker.connections.pool import Pool
from worker.engine.errors import HostLost, LeaseLost
from worker.engine.events import Event, Verdict
from worker.engine.rollout import deploy
from worker.engine.spec import HealthSpec

QUICK = HealthSpec(kind="http", port=5000, path="/healthz", interval=0.1, passes=2, deadline=15, timeout=1)
# tag 1, rename 2, volume 3, create 4, policy 5, stop 6, start 7, and then on the way forward policy 8, policy 9, remove 10;
# on the way back stop 8, start 9, policy 10, remove 11. A pull isn't counted: the image may be there from an earlier test.
FORWARD = [*((n, "after") for n in range(2, 11)), *((n, "before") for n in (2, 4, 7, 10))]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def stage(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
) -> RealStage:
    return RealStage(pool, sshd, ssh_key, tidy_engine, sample_images).stop_first(health=QUICK)


def lose() -> None:
    """What a broken connection does."""
    raise HostLost("cut off by the test")


def cut(stage: RealStage, image: Pushed, n: int, when: str, patience: float | None = None) -> list[str]:
    """An attempt to bring Release 2 that is struck at its nth change; the changes it made or tried."""
    with stage.host() as host:
        breaking = Breaking(host, n, when, lose)
        with suppress(HostLost):
            list(deploy(stage.spec(2, image, patience=patience), breaking))
        return breaking.changes


def again(stage: RealStage, image: Pushed, patience: float | None = None) -> list[Event]:
    """The next attempt."""
    with stage.host() as host:
        return list(deploy(stage.spec(2, image, patience=patience), host))


@pytest.mark.parametrize(("n", "when"), FORWARD)
def test_cut_off_at_any_change_and_finished_by_another(stage: RealStage, n: int, when: str) -> None:
    two = stage.images.push("2")
    stage.deploy(1, stage.images.push("1"))
    changes = cut(stage, two, n, when)
    assert (
        n <= len(changes) <= n + 1
    )  # the new one is made while the old one's policy is set: the other goes on to its end
    end = last(again(stage, two))
    assert end.verdict == Verdict.SUCCEEDED, (changes, end)
    (container,) = stage.containers()
    assert container.restart_policy == "unless-stopped"
    assert "Version 2" in stage.answer()


@pytest.mark.parametrize("n", [7, 8, 9, 10, 11])
def test_cut_off_on_the_way_back_and_restored_by_another(stage: RealStage, n: int) -> None:
    sick = stage.images.push("2", behaviour="never_healthy", tag="sick")
    stage.deploy(1, stage.images.push("1"))
    assert len(cut(stage, sick, n, "after", IMPATIENT)) == n
    end = last(again(stage, sick, IMPATIENT))
    assert end.verdict == Verdict.FAILED_RESTORED, end
    (container,) = stage.containers()
    assert container.restart_policy == "unless-stopped"
    assert "Version 1" in stage.answer()


@pytest.mark.parametrize(("n", "when"), [(6, "after"), (7, "after"), (8, "after"), (9, "after")])
def test_rebooted_in_the_midst(stage: RealStage, make_engine: Callable[..., DockerEngine], n: int, when: str) -> None:
    """After the old one was stopped, the new one started, its policy set, the old one's policy set."""
    stage.engine = make_engine()
    stage.deploy(1, stage.images.push("1"))
    two = stage.images.push("2")
    changes = cut(stage, two, n, when)
    stage.engine.reboot()
    assert until(lambda: "Version" in stage.answer()), (changes, stage.containers())
    end = last(again(stage, two))
    assert end.verdict == Verdict.SUCCEEDED, (changes, end)
    assert "Version 2" in stage.answer()
    assert len(stage.containers()) == 1


@pytest.mark.parametrize("n", [2, 4, 5, 6, 7, 8, 10])
def test_a_stale_worker_goes_on_after_another_took_over(stage: RealStage, n: int) -> None:
    stage.deploy(1, stage.images.push("1"))
    two, three = stage.images.push("2"), stage.images.push("3")
    seen: list[object] = []

    def overtake() -> None:
        with stage.host() as host:
            spec = stage.spec(3, three)
            assert last(list(deploy(spec, host))).verdict == Verdict.SUCCEEDED
        seen.append([(each.id, each.name, each.status, each.restart_policy) for each in stage.containers()])

    with stage.host() as host:
        stale = Breaking(host, n, "before", overtake)
        with suppress(LeaseLost):
            list(deploy(stage.spec(2, two), stale))
    assert [(each.id, each.name, each.status, each.restart_policy) for each in stage.containers()] == seen[0]
    assert "Version 3" in stage.answer()
