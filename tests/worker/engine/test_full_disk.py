"""The disk fills up with the old version stopped: what the new one brought goes, so that the old one starts."""

from __future__ import annotations

import pytest

from tests.worker.engine.scenes import Scene, attempt, last
from tests.worker.engine.stage import Stage
from worker.connections.fake import FakeHost
from worker.engine.errors import HostError
from worker.engine.events import Verdict

SCENE = Scene("stop-first", "success")


def full() -> HostError:
    """As the adapter says it."""
    return HostError(
        "write /var/lib/docker/containers/1/resolv.conf: no space left on device",
        status=500,
        why="The server's disk is full, or holds as many files as it can (inodes).",
    )


def played(*full_at: int, error: HostError | None = None) -> tuple[Stage, FakeHost]:
    """An attempt where these starts find no room."""
    stage = SCENE.set()
    host = FakeHost(stage.server)
    for number in full_at:
        host.refuse("start", number, error or full())
    return stage, host


def test_the_new_one_makes_room_for_the_old_one() -> None:
    stage, host = played(1, 2)
    end = last(attempt(stage, host))
    assert end.verdict == Verdict.FAILED_RESTORED
    assert stage.serving() == [1]
    calls = [call.name for call in host.journal if call.name in ("start", "remove", "remove_image")]
    assert calls[:3] == ["start", "start", "remove"]
    assert calls.index("start", 2) > calls.index("remove_image")


def test_an_image_that_the_old_one_runs_stays() -> None:
    stage = SCENE.set()
    host = FakeHost(stage.server)
    assert last(attempt(stage, host, target=2)).verdict == Verdict.SUCCEEDED
    stage.incumbent_target = 2
    again = FakeHost(stage.server)
    for number in (1, 2):
        again.refuse("start", number, full())
    assert last(attempt(stage, again, target=3)).verdict == Verdict.FAILED_RESTORED
    assert "remove_image" not in [call.name for call in again.journal]
    assert stage.serving() == [2]


@pytest.mark.parametrize("words", ["port is already allocated", "OCI runtime create failed"])
def test_for_another_reason_nothing_is_given_up_before_its_time(words: str) -> None:
    stage, host = played(1, 2, error=HostError(words, status=500))
    end = last(attempt(stage, host))
    assert end.verdict == Verdict.FAILED_RESTORED
    calls = [call.name for call in host.journal if call.name in ("start", "remove")]
    assert calls[:3] == ["start", "start", "start"]


def test_where_there_is_still_no_room_it_says_so() -> None:
    stage, host = played(*range(1, 12))
    end = last(attempt(stage, host))
    assert end.verdict == Verdict.NEEDS_ATTENTION
    assert stage.serving() == []
    assert "no space left" in f"{end.what} {end.why}"
