"""For how long nothing served: what a deploy says of it covers what was so, wherever a worker died on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from tests.worker.engine.compose.stage import Stage as ComposeStage
from tests.worker.engine.compose.stage import three
from tests.worker.engine.scenes import Scene
from tests.worker.engine.stage import interrupted
from worker.connections.fake import FakeHost, FakeServer
from worker.connections.fake_compose import FakeComposeHost
from worker.engine.compose.rollout import deploy_compose
from worker.engine.errors import HostLost
from worker.engine.events import Event, Gap, Mutated
from worker.engine.rollout import deploy

AWAY = 30.0  # seconds until another worker goes on
SLACK = 0.6


class Witness:
    """Looks at the server whenever time passes, and adds up for how long nothing served."""

    def __init__(self, patching: pytest.MonkeyPatch, server: FakeServer, serves: Callable[[], object]) -> None:
        self.seconds = 0.0
        self._advance, self._server, self._serves = server.advance, server, serves
        patching.setattr(server, "advance", self.pass_time)

    def pass_time(self, seconds: float) -> None:
        """In small steps."""
        until = self._server.now + seconds
        while (left := until - self._server.now) > 1e-9:
            before, served = self._server.now, bool(self._serves())
            self._advance(min(left, 0.05))
            if not served:
                self.seconds += self._server.now - before


def told(attempts: Iterable[list[Event]]) -> float:
    """As the record adds it up."""
    total = 0.0
    for events in attempts:
        for each in events:
            if isinstance(each, Gap):
                total = max(total, each.seconds) if each.whole else total + each.seconds
    return total


def compose_gap(patching: pytest.MonkeyPatch, n: int) -> tuple[float, float] | None:
    """What was said and what was, where the worker dies at the nth change; None when there is no such change."""
    stage = ComposeStage()
    stage.deploy(1, three())
    stage.publish("web", "2")
    witness = Witness(patching, stage.server, lambda: "web" in stage.serving())
    host, first = FakeComposeHost(stage.server), list[Event]()
    host.fail_after("changing", n)
    began = stage.server.now
    try:
        interrupted(deploy_compose(stage.spec(2, three("2")), host), first, HostLost)
    except AssertionError:
        return None
    stage.server.advance(AWAY)
    touched, ago = any(isinstance(each, Mutated) for each in first), stage.server.now - began
    second = stage.deploy(2, three("2"), touched=touched, begun_ago=ago)
    return told([first, second]), witness.seconds


def test_what_compose_took_away_before_its_worker_died_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    n = 1
    while (found := compose_gap(monkeypatch, n)) is not None:
        said, was = found
        assert said >= was - SLACK, (n, said, was)
        assert said <= was + 3 * SLACK, (n, said, was)
        measured.append(was)
        n += 1
    assert n > 8
    assert max(measured) > AWAY, "somewhere nothing serves until the next one comes"
    assert min(measured) < 5.0


@pytest.mark.parametrize("policy", ["unless-stopped", "always"])
def test_what_a_dead_worker_stopped_counts(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("stop-first", "success", policy=policy)
    n, measured = 1, []
    while True:
        stage = scene.set()
        witness = Witness(monkeypatch, stage.server, stage.serving)
        host, first = FakeHost(stage.server), list[Event]()
        host.fail_after("changing", n)
        try:
            interrupted(deploy(stage.spec(2), host), first, HostLost)
        except AssertionError:
            break
        stage.server.advance(AWAY)
        touched = any(isinstance(each, Mutated) for each in first)
        second = list(deploy(replace(stage.spec(2), touched=touched), FakeHost(stage.server)))
        said, was = told([first, second]), witness.seconds
        assert said >= was - SLACK, (n, said, was)
        measured.append((said, was))
        n += 1
    assert n > 8
    assert max(was for _, was in measured) > AWAY
    assert min(was for _, was in measured) < 5.0


@pytest.mark.parametrize("policy", ["unless-stopped", "always", "no"])
def test_what_two_dead_workers_took_away_counts_where_the_third_only_goes_back(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first died as it had stopped the old version, the second at any change: also right after it had started that again."""
    n = 1
    while True:
        stage = Scene("stop-first", "success", policy=policy).set()
        witness = Witness(monkeypatch, stage.server, stage.serving)
        attempts, host = [list[Event]() for _ in range(3)], FakeHost(stage.server)
        host.fail_after("stop")
        interrupted(deploy(stage.spec(2), host), attempts[0], HostLost)
        stage.server.advance(AWAY)
        host = FakeHost(stage.server)
        host.fail_after("changing", n)
        try:
            interrupted(deploy(replace(stage.spec(2), touched=True), host), attempts[1], HostLost)
        except AssertionError:
            break
        stage.server.advance(AWAY)
        attempts[2] = list(deploy(replace(stage.spec(2), touched=True, give_up=True), FakeHost(stage.server)))
        said, was = told(attempts), witness.seconds
        stopped_again = sum(each.name == "stop" for each in host.journal) > 0
        assert said >= (was / 2 if stopped_again else was) - SLACK, (n, said, was, str(host.journal[-1]))
        assert stage.serving()
        n += 1
    assert n > 8


def test_what_was_measured_is_not_measured_again_by_who_finishes_it() -> None:
    """The new version was proven and had its place, then its worker died: it served all the time until the next one came."""
    stage = Scene("stop-first", "success").set()
    host, first = FakeHost(stage.server), list[Event]()
    host.on_call("set_restart_policy", 2, "after", host._lose)
    interrupted(deploy(stage.spec(2), host), first, HostLost)
    assert told([first]) > 0
    stage.server.advance(AWAY)
    second = list(deploy(replace(stage.spec(2), touched=True), FakeHost(stage.server)))
    assert told([first, second]) == told([first]) < 5.0
