"""Any mixture of troubles over several attempts: at every halt something would serve, and a quiet attempt sets it right."""

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.worker.engine.scenes import (
    ALWAYS,
    BY_HAND,
    FIRST,
    REPLACING,
    Scene,
    assert_serves_after_reboot,
    assert_settled,
    assert_truthful,
    attempt,
    described,
    last,
)
from tests.worker.engine.stage import Stage
from worker.connections.fake import FakeHost
from worker.engine.errors import HostLost
from worker.engine.events import Verdict
from worker.engine.rollout import deploy


@dataclass(frozen=True)
class Trouble:
    """What befalls one attempt."""

    kind: str
    call: str
    n: int

    def befall(self, host: FakeHost) -> None:
        """Arrange it."""
        match self.kind:
            case "lost before":
                host.fail_before(self.call, self.n)
            case "lost after":
                host.fail_after(self.call, self.n)
            case "refused":
                host.refuse(self.call, self.n)
            case "cancelled":
                host.cancel_at(self.call, self.n)
            case "rebooted":
                host.on_call(self.call, self.n, "after", host.server.reboot)
            case _:
                raise ValueError(self.kind)


TROUBLES = st.builds(
    Trouble,
    st.sampled_from(["lost before", "lost after", "refused", "cancelled", "rebooted"]),
    st.sampled_from(["changing", "*"]),
    st.integers(1, 16),
)
ATTEMPTS = st.lists(st.lists(TROUBLES, min_size=1, max_size=2), min_size=1, max_size=4)
SCENES = st.sampled_from([*REPLACING, *ALWAYS, *BY_HAND, *FIRST])


@settings(max_examples=400)
@given(SCENES, ATTEMPTS)
@example(Scene("stop-first", "success"), [[Trouble("lost after", "changing", 11)], [Trouble("cancelled", "*", 1)]])
@example(Scene("stop-first", "unhealthy"), [[Trouble("lost after", "changing", 7)], [Trouble("refused", "*", 3)]])
def test_any_mixture_of_troubles(scene: Scene, attempts: list[list[Trouble]]) -> None:
    stage, where = scene.set(), f"{scene} {attempts}"
    for troubles in attempts:
        host = FakeHost(stage.server)
        for trouble in troubles:
            trouble.befall(host)
        if not finished(stage, host, where):
            continue
        break
    else:
        end = last(attempt(stage))
        rebooted_unpromised = scene.policy == "no" and stage.server.reboots
        if not rebooted_unpromised:
            assert_settled(stage, scene.expected, where)
            assert_truthful(stage, end, where)


def finished(stage: Stage, host: FakeHost, where: str) -> bool:
    """Run an attempt among its troubles; True when it came to an end, and then its word is checked."""
    promised = stage.container.restart != "no" and stage.incumbent_target is not None
    with suppress(HostLost):
        end = last(list(deploy(stage.spec(2), host)))
        if stage.server.reboots:
            stage.server.advance(3)
            if not promised:
                return True
        if end.verdict == Verdict.NEEDS_ATTENTION:
            return True
        assert_truthful_enough(stage, end.verdict, where)
        if promised:
            assert_serves_after_reboot(stage, where)
        return True
    if promised:
        assert_serves_after_reboot(stage, where)
    return False


def assert_truthful_enough(stage: Stage, verdict: Verdict, where: str) -> None:
    """Where Release 1 is said to serve it does, and where Release 2 is, that does; alone."""
    seen = f"{where}: {verdict} {described(stage.server)}"
    if verdict == Verdict.SUCCEEDED:
        assert stage.serving() == [2], seen
    elif stage.incumbent_target is not None:
        assert stage.serving() == [1], seen
    else:
        assert stage.serving() == [], seen
