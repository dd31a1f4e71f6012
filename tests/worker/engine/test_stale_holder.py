"""A worker that lost its lease without knowing it goes on: what it does has no lasting effect.

The stale attempt is halted at one of its calls, the new holder runs (wholly, or up to one of its own calls), then the
stale one goes on to its end, then the new holder to its.
"""

import threading
from contextlib import suppress

import pytest

from tests.worker.engine.scenes import REPLACING, Scene, assert_settled, assert_truthful, attempt, calls_of, last
from tests.worker.engine.stage import Stage
from worker.connections.fake import FakeHost
from worker.engine.errors import LeaseLost
from worker.engine.events import Ended
from worker.engine.rollout import deploy
from worker.engine.spec import DeploySpec

pytestmark = pytest.mark.thorough

TARGETS = {"its next attempt": 2, "the next deploy": 3}


def run_stale(spec: DeploySpec, host: FakeHost) -> None:
    """The stale attempt, to whatever end."""
    with suppress(LeaseLost):
        list(deploy(spec, host))


def effects(stage: Stage) -> object:
    """Everything on the server that counts."""
    server = stage.server
    containers = {(each.id, each.name, each.status, each.policy, str(each.networks)) for each in stage.containers()}
    return containers, {tag for image in server.images.local.values() for tag in image.tags}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("scene", REPLACING, ids=str)
def test_a_stale_holder_goes_on_after_the_new_one_is_done(scene: Scene, target: int) -> None:
    for n in range(1, calls_of(scene) + 1):
        stage, where = scene.set(), f"{scene} halted at call {n}"
        spec, stale = stage.spec(2), FakeHost(stage.server)
        seen: list[object] = []

        def take_over(stage: Stage = stage, seen: list[object] = seen, where: str = where) -> None:
            end = last(attempt(stage, target=target))
            assert_truthful(stage, end, where)
            seen.append(effects(stage))

        stale.on_call("*", n, "before", take_over)
        run_stale(spec, stale)
        assert seen, where
        assert effects(stage) == seen[0], where
        assert_settled(stage, scene.expected, where)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("scene", REPLACING, ids=str)
def test_a_stale_holder_goes_on_in_the_midst_of_the_new_one(scene: Scene, target: int) -> None:
    for n in range(1, calls_of(scene, changing=True) + 1):
        for m in range(1, 30):
            stage, where = scene.set(), f"{scene}: stale at change {n}, new at change {m}"
            end = interleaved(stage, n, m, target)
            if end is None:
                break
            assert_settled(stage, scene.expected, where)
            assert_truthful(stage, end, where)


def interleaved(stage: Stage, n: int, m: int, target: int) -> Ended | None:
    """Stale up to its nth change, new up to its mth, stale to its end, new to its end. None if new makes fewer."""
    halted, go_on = threading.Event(), threading.Event()
    stale, new = FakeHost(stage.server), FakeHost(stage.server)
    spec = stage.spec(2)
    thread = threading.Thread(target=run_stale, args=(spec, stale))

    def halt() -> None:
        halted.set()
        assert go_on.wait(20)

    def let_go() -> None:
        go_on.set()
        thread.join(20)
        assert not thread.is_alive()

    stale.on_call("changing", n, "before", halt)
    new.on_call("changing", m, "before", let_go)
    thread.start()
    assert halted.wait(20)
    try:
        end = last(attempt(stage, new, target=target))
    finally:
        reached = go_on.is_set()
        let_go()
    return end if reached else None
