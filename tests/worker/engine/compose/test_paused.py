"""Services that somebody paused: Compose starts no such container, and leaves one that doesn't change as it is."""

from __future__ import annotations

import pytest

from tests.worker.engine.compose.stage import PROJECT, Stage, three
from tests.worker.engine.stage import ended, lines
from worker.connections.fake import Behaviour
from worker.connections.fake_compose import FakeComposeHost
from worker.engine.compose.matching import runs_whole
from worker.engine.compose.preflight import preflight
from worker.engine.events import Verdict

SERVICES = ("cache", "db", "web")


def paused(*services: str) -> Stage:
    """Release 1, of which somebody paused these; Release 2 is at hand."""
    stage = Stage()
    stage.deploy(1, three())
    stage.publish("web", "2")
    for name in services:
        stage.server.pause(stage.server.of_service(PROJECT, name)[0].name)
    return stage


def states(stage: Stage) -> dict[str, str]:
    return {name: each.status for name in SERVICES for each in stage.server.of_service(PROJECT, name)}


@pytest.mark.parametrize("services", [("db",), ("web",), SERVICES])
def test_a_deploy_continues_them(services: tuple[str, ...]) -> None:
    stage = paused(*services)
    events = stage.deploy(2, three("2"))
    assert ended(events).verdict == Verdict.SUCCEEDED, ended(events)
    assert states(stage) == dict.fromkeys(SERVICES, "running")
    for name in services:
        assert f"{PROJECT}-{name}-1 was paused by hand: it goes on." in lines(events)


def test_they_serve_where_the_new_release_fails() -> None:
    stage = paused("db")
    stage.publish("web", "3", Behaviour(healthy_after=None))
    end = ended(stage.deploy(3, three("3")))
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    assert states(stage) == dict.fromkeys(SERVICES, "running")


def test_one_that_is_paused_while_it_is_judged_is_brought_back() -> None:
    stage = paused()
    host = FakeComposeHost(stage.server)
    host.on_call("compose_up", 1, "after", lambda: stage.server.at(1.0, lambda: pause(stage, "cache")))
    end = ended(stage.deploy(2, three("2"), host))
    assert end.verdict == Verdict.FAILED_RESTORED, end
    assert "cache" in end.what
    assert "paused" in end.what
    assert states(stage) == dict.fromkeys(SERVICES, "running")


def pause(stage: Stage, service: str) -> None:
    stage.server.pause(stage.server.of_service(PROJECT, service)[0].name)


def test_what_is_paused_does_not_run_whole() -> None:
    stage = paused()
    spec = stage.spec(1, three(), target=2)
    assert runs_whole(FakeComposeHost(stage.server), spec)
    pause(stage, "db")
    assert not runs_whole(FakeComposeHost(stage.server), spec)


def test_the_plan_says_that_it_does_not_stay_as_it_is() -> None:
    stage = paused("db")
    looking = preflight(stage.spec(1, three(), target=2), FakeComposeHost(stage.server))
    while True:
        try:
            next(looking)
        except StopIteration as end:
            changes = {each.service: each.reasons for each in end.value.changes}
            break
    assert changes == {"cache": (), "db": ("it is started again",), "web": ()}
