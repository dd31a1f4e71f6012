"""Somebody's `docker pause`: the engine says that such a container runs, and it answers nobody."""

from dataclasses import replace

import pytest

from tests.worker.engine.scenes import Scene, assert_settled, attempt, last
from tests.worker.engine.stage import FIXED, Stage, health, lines
from worker.connections.fake import FakeHost
from worker.engine.events import Gap, Verdict
from worker.engine.look import look
from worker.engine.spec import HealthSpec

BOTH = ("stop-first", "start-first")
KINDS = {
    "http": health(deadline=2.0, timeout=0.2),
    "tcp": health(kind="tcp", deadline=2.0),
    "image": health(kind="image", deadline=2.0),
    "running": HealthSpec(kind="running", run_seconds=1.0, deadline=2.0),
}


def paused_now(stage: Stage, release: int = 1) -> None:
    for each in stage.containers():
        if each.body["Labels"]["estiva.release"] == str(release):
            stage.server.pause(each.name)


@pytest.mark.parametrize("podman", [False, True])
@pytest.mark.parametrize("strategy", BOTH)
def test_a_deploy_replaces_a_paused_version(strategy: str, podman: bool) -> None:
    stage = Scene(strategy, "success", podman=podman).set()
    paused_now(stage)
    events = attempt(stage)
    assert last(events).verdict == Verdict.SUCCEEDED, last(events)
    assert "is paused by hand: nothing serves at the moment" in str(lines(events))
    if not podman:  # there the proven one gives way to its twin, and that is measured
        assert [event for event in events if isinstance(event, Gap)] == [], "it began before anybody could measure it"
    assert_settled(stage, [2], strategy)


@pytest.mark.parametrize("podman", [False, True])
@pytest.mark.parametrize("story", ["unhealthy", "exits"])
@pytest.mark.parametrize("strategy", BOTH)
def test_where_the_new_one_fails_the_paused_one_goes_on(strategy: str, story: str, podman: bool) -> None:
    stage = Scene(strategy, story, podman=podman).set()
    paused_now(stage)
    end = last(attempt(stage))
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    assert_settled(stage, [1], strategy)


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("call", ["start", "create", "follow"])
def test_the_old_one_that_is_paused_on_the_way_goes_on_where_it_has_to(strategy: str, call: str) -> None:
    stage = Scene(strategy, "unhealthy").set()
    host = FakeHost(stage.server)
    host.on_call(call, 1, "before", lambda: paused_now(stage))
    end = last(attempt(stage, host))
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    assert_settled(stage, [1], strategy)


def test_what_was_not_touched_is_not_said_to_run() -> None:
    stage = Scene("stop-first", "success").set()
    paused_now(stage)
    stage.server.disk = (1000, 100_000_000_000)
    end = last(attempt(stage))
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_UNTOUCHED, None), end
    assert "release 1 is there as before, paused" in end.what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", BOTH)
def test_a_new_version_that_is_paused_is_not_healthy(strategy: str, kind: str) -> None:
    stage = Stage(container=replace(FIXED[strategy], health=KINDS[kind]))
    stage.serving_first(1, has_healthcheck=True)
    stage.publish(2, has_healthcheck=True)
    host = FakeHost(stage.server)
    host.on_call("start", 1, "after", lambda: stage.server.at(0.05, lambda: paused_now(stage, 2)))
    events = attempt(stage, host)
    end = last(events)
    assert (end.verdict, end.serving_release) == (Verdict.FAILED_RESTORED, 1), end
    assert "paused" in end.what
    assert_settled(stage, [1], kind)


def test_one_that_is_continued_in_time_is_proven_from_the_start() -> None:
    stage = Scene("stop-first", "success").set()
    host = FakeHost(stage.server)

    def pause() -> None:
        paused_now(stage, 2)
        (new,) = (each for each in stage.containers() if each.status == "paused")
        stage.server.at(0.4, lambda: stage.server.start(new.name))

    host.on_call("probe_http", 1, "after", pause)
    events = attempt(stage, host)
    assert last(events).verdict == Verdict.SUCCEEDED, last(events)
    assert sum("was paused by hand; docker unpause" in each for each in lines(events)) == 1


def test_an_attempt_that_died_before_the_names_were_given_up_goes_for_what_is_awake() -> None:
    """Old and new are both proven; the old one is paused meanwhile, and the record still names it."""
    stage = Scene("start-first", "success").set()
    host = FakeHost(stage.server)
    host.on_call("stop", 1, "before", lambda: paused_now(stage))
    assert last(attempt(stage, host)).verdict == Verdict.SUCCEEDED
    assert_settled(stage, [2], "paused before the stop")


def test_a_look_says_that_it_does_not_run() -> None:
    stage = Stage().serving_first(1)
    assert look(stage.spec(1).identity, FakeHost(stage.server)).running
    paused_now(stage)
    sight = look(stage.spec(1).identity, FakeHost(stage.server))
    assert (sight.running, sight.status) == (False, "paused")


def test_the_log_says_that_it_goes_on() -> None:
    stage = Scene("start-first", "exits").set()
    paused_now(stage)
    assert f"{stage.names()[0].split('.f')[0]}.f{stage.fence + 1} was paused by hand: it goes on." in lines(
        attempt(stage)
    )
