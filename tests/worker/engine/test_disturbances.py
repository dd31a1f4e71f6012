"""While the connection holds: cancelled, refused or rebooted at every call. The verdict is true."""

from collections.abc import Callable

import pytest

from tests.worker.engine.scenes import (
    ALWAYS,
    BY_HAND,
    FIRST,
    ON_PODMAN,
    REPLACING,
    SETTLED,
    Scene,
    assert_settled,
    assert_truthful,
    attempt,
    calls_of,
    described,
    last,
    on_podman,
)
from worker.connections.fake import FakeHost
from worker.engine.events import Verdict

Arm = Callable[[FakeHost, int], None]
CANCELS: dict[str, Arm] = {
    "before": lambda host, n: host.cancel_at("*", n),
    "during": lambda host, n: host.cancel_after("*", n),
}


@pytest.mark.parametrize("moment", CANCELS)
@pytest.mark.parametrize("scene", [*REPLACING, *BY_HAND, *ON_PODMAN], ids=str)
def test_cancelled_at_any_call(scene: Scene, moment: str) -> None:
    for n in range(1, calls_of(scene) + 1):
        stage, where = scene.set(), f"{scene} cancelled {moment} call {n}"
        fence = stage.fence
        host = FakeHost(stage.server)
        CANCELS[moment](host, n)
        end = last(attempt(stage, host))
        untouched = end.verdict in (Verdict.CANCELLED_UNTOUCHED, Verdict.FAILED_UNTOUCHED)
        stage.fence = fence if untouched else stage.fence
        assert_settled(stage, stage.serving(), where)
        assert_truthful(stage, end, where)
        assert end.verdict in (*SPOKEN, *([Verdict.FAILED_RESTORED] if scene.story != "success" else [])), where


SPOKEN = (Verdict.CANCELLED_UNTOUCHED, Verdict.CANCELLED_RESTORED, Verdict.SUCCEEDED)


@pytest.mark.parametrize("scene", [*FIRST, *on_podman(FIRST)], ids=str)
def test_the_first_deploy_cancelled_at_any_call_leaves_nothing(scene: Scene) -> None:
    for n in range(1, calls_of(scene) + 1):
        stage, where = scene.set(), f"{scene} cancelled at call {n}"
        host = FakeHost(stage.server)
        host.cancel_at("*", n)
        end = last(attempt(stage, host))
        if end.verdict != Verdict.SUCCEEDED:
            assert end.verdict in (Verdict.CANCELLED_UNTOUCHED, Verdict.CANCELLED_RESTORED, Verdict.FAILED), where
            assert stage.containers() == [], f"{where}: {described(stage.server)}"
            assert end.serving_release is None, where


@pytest.mark.parametrize("scene", [*REPLACING, *BY_HAND, *ON_PODMAN], ids=str)
def test_refused_at_any_call(scene: Scene) -> None:
    """One refusal of the server, wherever: something serves, and what is said of it is true."""
    for n in range(1, calls_of(scene) + 1):
        stage, where = scene.set(), f"{scene} refused at call {n}"
        host = FakeHost(stage.server)
        host.refuse("*", n)
        end = last(attempt(stage, host))
        assert stage.serving() in ([1], [2]), f"{where}: {described(stage.server)} {end}"
        assert_truthful(stage, end, where)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("scene", [*REPLACING, *ALWAYS], ids=str)
def test_rebooted_at_any_call_while_the_connection_holds(scene: Scene, moment: str) -> None:
    """The harshest reading: the engine restarts, and the worker notices nothing of it. (Podman has no engine that could: what
    starts its containers is the machine's own start, which ends the connection.)
    """
    for n in range(1, calls_of(scene) + 1):
        stage, where = scene.set(), f"{scene} rebooted {moment} call {n}"
        host = FakeHost(stage.server)
        host.on_call("*", n, "before" if moment == "before" else "after", stage.server.reboot)
        end = last(attempt(stage, host))
        stage.server.advance(SETTLED)
        assert stage.serving() in ([1], [2]), f"{where}: {described(stage.server)} {end}"
        if end.verdict != Verdict.NEEDS_ATTENTION:
            assert_truthful(stage, end, where)
            if end.verdict not in (Verdict.FAILED_UNTOUCHED, Verdict.CANCELLED_UNTOUCHED):
                assert_settled(stage, stage.serving(), where)
