"""Any mixture of troubles over several attempts: at every halt something would serve, and a quiet attempt sets it right."""

from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
    described,
    last,
    on_podman,
)
from tests.worker.engine.stage import Stage
from worker.connections.fake import FakeHost
from worker.engine.errors import HostLost
from worker.engine.events import Event, Mutated, Verdict
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
                if host.server.podman:  # it has no daemon that could restart alone: the machine did
                    host.fail_after(self.call, self.n)
            case _:
                raise ValueError(self.kind)


TROUBLES = st.builds(
    Trouble,
    st.sampled_from(["lost before", "lost after", "refused", "cancelled", "rebooted"]),
    st.sampled_from(["changing", "*"]),
    st.integers(1, 16),
)

pytestmark = pytest.mark.thorough
ATTEMPTS = st.lists(st.lists(TROUBLES, min_size=1, max_size=2), min_size=1, max_size=4)
COMES_BACK = ("always", "unless-stopped")  # after a reboot
EVERY = [*REPLACING, *ALWAYS, *BY_HAND, *FIRST, *on_podman(FIRST), *ON_PODMAN, *UNPROMISED_ON_PODMAN]
SCENES = st.sampled_from(EVERY)


@settings(max_examples=600)
@given(SCENES, ATTEMPTS, st.booleans())
@example(
    Scene("stop-first", "success"), [[Trouble("lost after", "changing", 11)], [Trouble("cancelled", "*", 1)]], False
)
@example(
    Scene("stop-first", "unhealthy"), [[Trouble("lost after", "changing", 7)], [Trouble("refused", "*", 3)]], False
)
def test_any_mixture_of_troubles(scene: Scene, attempts: list[list[Trouble]], reversed_boot: bool) -> None:
    stage, where = scene.set(), f"{scene} {attempts} {reversed_boot}"
    stage.server.reversed_boot = reversed_boot
    for troubles in attempts:
        host = FakeHost(stage.server)
        for trouble in troubles:
            trouble.befall(host)
        if not finished(stage, host, where):
            continue
        break
    else:
        end = last(attempt(stage))
        rebooted_unpromised = scene.policy not in COMES_BACK and stage.server.reboots
        if not rebooted_unpromised:
            assert_settled(stage, scene.expected, where)
            assert_truthful(stage, end, where)


def finished(stage: Stage, host: FakeHost, where: str) -> bool:
    """Run an attempt among its troubles; True when it came to an end, and then its word is checked."""
    promised = stage.container.restart in COMES_BACK and stage.incumbent_target is not None
    with suppress(HostLost):
        end = last(listed(stage, host))
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


def listed(stage: Stage, host: FakeHost) -> list[Event]:
    """One attempt; the stage remembers, as the caller's row does, that it touched the server."""
    events: list[Event] = []
    for event in deploy(stage.spec(2), host):
        events.append(event)
        stage.touched = stage.touched or isinstance(event, Mutated)
    return events


def assert_truthful_enough(stage: Stage, verdict: Verdict, where: str) -> None:
    """Where Release 1 is said to serve it does, and where Release 2 is, that does; alone."""
    seen = f"{where}: {verdict} {described(stage.server)}"
    if verdict == Verdict.SUCCEEDED:
        assert stage.serving() == [2], seen
    elif stage.incumbent_target is not None:
        assert stage.serving() == [1], seen
    else:
        assert stage.serving() == [], seen


def test_a_server_that_answers_nothing_but_errors_after_a_change_is_not_said_to_be_as_before() -> None:
    stage = Scene("stop-first", "success").set()
    cut_off = FakeHost(stage.server)
    cut_off.fail_after("stop", 1)
    assert not finished(stage, cut_off, "")
    stage.touched = True
    deaf = FakeHost(stage.server)
    for n in range(1, 30):
        deaf.refuse("*", n)
    end = last(list(deploy(stage.spec(2), deaf)))
    assert end.verdict == Verdict.NEEDS_ATTENTION
    assert "docker ps" in end.remedy


def test_a_server_that_answered_nothing_but_errors_from_the_beginning_was_not_touched() -> None:
    stage = Scene("stop-first", "success").set()
    deaf = FakeHost(stage.server)
    for n in range(1, 30):
        deaf.refuse("*", n)
    assert last(list(deploy(stage.spec(2), deaf))).verdict == Verdict.FAILED_UNTOUCHED
