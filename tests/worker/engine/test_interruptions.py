"""A deploy may be cut off before or after any change, and another attempt goes on from what it finds.

The connection is lost at one point; what a reboot would give there is tried on a copy; then an attempt with a higher
fence runs. In the end exactly one version serves, and nothing else of ours is there.
"""

from collections.abc import Iterator
from typing import Literal

import pytest

from tests.worker.engine.scenes import (
    ALWAYS,
    BY_HAND,
    FIRST,
    ON_PODMAN,
    REPLACING,
    UNPROMISED_ON_PODMAN,
    Scene,
    assert_serves_after_reboot,
    assert_settled,
    assert_truthful,
    attempt,
    calls_of,
    last,
    on_podman,
)
from tests.worker.engine.stage import Stage, interrupted
from worker.connections.fake import FakeHost
from worker.engine.errors import HostLost
from worker.engine.events import Event, Verdict
from worker.engine.rollout import deploy

pytestmark = pytest.mark.thorough

When = Literal["before", "after"]
WHENS: tuple[When, ...] = ("before", "after")


def cut(stage: Stage, n: int, when: When) -> bool:
    """An attempt that loses its connection at the nth change; False when it ended by itself before."""
    host = FakeHost(stage.server)
    (host.fail_before if when == "before" else host.fail_after)("changing", n)
    try:
        list(deploy(stage.spec(2), host))
    except HostLost:
        return True
    return False


def points(scene: Scene) -> Iterator[tuple[int, When]]:
    """Every change of an undisturbed attempt, before and after."""
    for n in range(1, calls_of(scene, changing=True) + 1):
        for when in WHENS:
            yield n, when


@pytest.mark.parametrize("scene", [*REPLACING, *ALWAYS, *ON_PODMAN], ids=str)
def test_lost_once_and_rebooted_at_any_change(scene: Scene) -> None:
    for n, when in points(scene):
        stage, where = scene.set(), f"{scene} lost {when} change {n}"
        volumes = set(stage.server.volumes)
        assert cut(stage, n, when), where
        assert_serves_after_reboot(stage, where)
        end = last(attempt(stage))
        assert_settled(stage, scene.expected, where)
        assert_truthful(stage, end, where)
        assert_serves_after_reboot(stage, where)
        assert volumes <= set(stage.server.volumes), where


@pytest.mark.parametrize("scene", [*BY_HAND, *FIRST, *on_podman(FIRST), *UNPROMISED_ON_PODMAN], ids=str)
def test_lost_once_where_a_reboot_promises_nothing(scene: Scene) -> None:
    for n, when in points(scene):
        stage, where = scene.set(), f"{scene} lost {when} change {n}"
        assert cut(stage, n, when), where
        end = last(attempt(stage))
        assert_settled(stage, scene.expected, where)
        assert_truthful(stage, end, where)


@pytest.mark.parametrize("scene", [*REPLACING, *BY_HAND, *ON_PODMAN], ids=str)
def test_lost_twice(scene: Scene) -> None:
    for n, when in points(scene):
        for second in range(1, 40):
            stage, where = scene.set(), f"{scene} lost {when} change {n}, then after change {second}"
            assert cut(stage, n, when), where
            if not cut(stage, second, "after"):
                break
            if scene.policy != "no":
                assert_serves_after_reboot(stage, where)
            end = last(attempt(stage))
            assert_settled(stage, scene.expected, where)
            assert_truthful(stage, end, where)


@pytest.mark.parametrize("scene", [*REPLACING, *ALWAYS, *BY_HAND, *ON_PODMAN, *UNPROMISED_ON_PODMAN], ids=str)
def test_lost_and_never_tried_again_but_deployed_anew(scene: Scene) -> None:
    """The next deploy of another Target finds the ruins."""
    for n, when in points(scene):
        stage, where = scene.set(), f"{scene} lost {when} change {n}, deployed anew"
        assert cut(stage, n, when), where
        end = last(attempt(stage, target=3))
        assert_settled(stage, scene.expected, where)
        assert_truthful(stage, end, where)


@pytest.mark.parametrize("scene", [*REPLACING, *ALWAYS, *ON_PODMAN], ids=str)
def test_lost_with_a_reboot_before_the_next_attempt(scene: Scene) -> None:
    for n, when in points(scene):
        stage, where = scene.set(), f"{scene} lost {when} change {n}, rebooted"
        assert cut(stage, n, when), where
        stage.server.reboot()
        end = last(attempt(stage))
        assert_settled(stage, scene.expected, where)
        assert_truthful(stage, end, where)


@pytest.mark.parametrize("scene", [*REPLACING, *ALWAYS, *FIRST, *ON_PODMAN], ids=str)
def test_one_that_gives_up_puts_back_what_there_is_a_way_back_from(scene: Scene) -> None:
    for n, when in points(scene):
        stage, where = scene.set(), f"{scene} lost {when} change {n}, given up"
        assert cut(stage, n, when), where
        way_back = any(each.body["Labels"]["estiva.release"] == "1" for each in stage.containers())
        end = last(attempt(stage, give_up=True))
        if not stage.serving():
            assert not scene.incumbent, where
            assert end.verdict in (Verdict.FAILED, Verdict.FAILED_UNTOUCHED), where
            assert not stage.containers(), where
            continue
        assert_truthful(stage, end, where)
        if way_back:
            assert (stage.serving(), len(stage.containers())) == ([1], 1), where
            assert_serves_after_reboot(stage, where)
            assert "two workers fell silent" in end.what, where


def test_an_attempt_that_is_cut_off_says_no_end() -> None:
    stage = Scene("stop-first", "success").set()
    host = FakeHost(stage.server)
    host.fail_before("stop", 1)
    said: list[Event] = []
    interrupted(deploy(stage.spec(2), host), said, HostLost)
    assert not [event for event in said if type(event).__name__ == "Ended"]
