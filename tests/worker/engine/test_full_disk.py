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
        remedy="Free space on the server.",
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


ROOM, NO_ROOM = (3_000_000_000, 4_000_000_000), (40_000, 4_000_000_000)
FILES, NO_FILES = (2_000, 3_008), (2, 3_008)


@pytest.mark.parametrize(
    ("space", "files", "why", "remedy"),
    [
        (ROOM, NO_FILES, "2 of 3008 inodes are left under /var/lib/docker, though 3.0 of 4.0 GB are free", "df -i"),
        (NO_ROOM, FILES, "is full: 0.0 of 4.0 GB are free under /var/lib/docker.", "df -h"),
        (NO_ROOM, NO_FILES, "or holds as many files as it can", "Free space on the server."),
        (ROOM, FILES, "or holds as many files as it can", "Free space on the server."),
        (NO_ROOM, None, "or holds as many files as it can", "Free space on the server."),
        (None, NO_FILES, "or holds as many files as it can", "Free space on the server."),
    ],
)
def test_of_what_it_is_full_is_told_where_that_is_known(
    space: tuple[int, int] | None, files: tuple[int, int] | None, why: str, remedy: str
) -> None:
    stage, host = played(1)
    host.on_call("create", 1, "after", lambda: setattr(stage.server, "disk", space))
    stage.server.files = files
    end = last(attempt(stage, host))
    assert end.verdict == Verdict.FAILED_RESTORED
    assert why in end.why
    assert remedy in end.remedy


def test_a_server_that_does_not_say_is_brought_back_all_the_same() -> None:
    stage, host = played(1)
    host.refuse("files_free", 1, HostError("no such command", status=500))
    end = last(attempt(stage, host))
    assert (end.verdict, end.why) == (Verdict.FAILED_RESTORED, full().why)


def test_for_another_reason_nobody_counts_files() -> None:
    stage, host = played(1, error=HostError("OCI runtime create failed", status=500))
    attempt(stage, host)
    assert "files_free" not in [call.name for call in host.journal]
