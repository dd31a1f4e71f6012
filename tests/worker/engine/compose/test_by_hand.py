"""What somebody changed by hand on a service is made anew by a deploy, wherever an attempt at it is cut off."""

from __future__ import annotations

from typing import Any

from tests.worker.engine.compose.stage import ALL_ONE, PROJECT, Stage, three
from tests.worker.engine.stage import ended, interrupted, lines
from worker.connections.fake_compose import FakeComposeHost
from worker.engine.compose.by_hand import changed_by_hand
from worker.engine.compose.rollout import deploy_compose
from worker.engine.compose.sight import look
from worker.engine.errors import HostLost
from worker.engine.events import Event, Mutated, Observed, Verdict


def left(events: list[Event]) -> dict[str, list[Any]]:
    found = [each for each in events if isinstance(each, Observed)]
    return {each.service: [one.left for one in found if one.service == each.service] for each in found}


def updated() -> tuple[Stage, dict[str, list[Any]]]:
    """Release 1 serves, and somebody took the restart policy of db away."""
    stage = Stage()
    known = left(stage.deploy(1, three()))
    (db,) = stage.server.of_service(PROJECT, "db")
    db.policy = "no"
    return stage, known


def test_the_service_is_made_anew_and_the_others_stay() -> None:
    stage, known = updated()
    before = stage.ids()
    events = stage.deploy(1, three(), target=2, left=known)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert "Changed by hand since it was left, and made anew: db." in lines(events)
    assert {name for name, each in stage.ids().items() if each != before[name]} == {"db"}
    (db,) = stage.server.of_service(PROJECT, "db")
    assert db.policy == "always"
    again = stage.spec(1, three(), target=3, left=left(events))
    host = FakeComposeHost(stage.server)
    assert changed_by_hand(again, host, look(host, again)) == frozenset()


def test_cut_off_at_any_call_the_next_attempt_ends_it() -> None:
    cut = 0
    for n in range(1, 40):
        stage, known = updated()
        host = FakeComposeHost(stage.server)
        host.fail_after("changing", n)
        said: list[Event] = []
        try:
            interrupted(deploy_compose(stage.spec(1, three(), target=2, left=known), host), said, HostLost)
        except AssertionError:
            break
        cut = n
        touched = any(isinstance(each, Mutated) for each in said)
        end = ended(stage.deploy(1, three(), target=2, left=known, touched=touched))
        assert end.verdict == Verdict.SUCCEEDED, (n, end)
        assert stage.serving() == ALL_ONE, n
        assert [each.policy for each in stage.server.of_service(PROJECT, "db")] == ["always"], n
    assert cut > 5, "fewer changes than expected"
