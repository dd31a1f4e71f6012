"""Whoever watches a burst for a benchmark leaves content only where the last line came; everything else has a name."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from bench.viewer import Heard, Viewer
from parts.story_browser import Browser

Event = tuple[str, str]


def log(*numbers: int) -> Event:
    return "log", json.dumps({"target": 7, "lines": [[number, 0, "out", "", f"line {number}"] for number in numbers]})


class Stream:
    """A browser whose stream brings these events, and then fails or ends."""

    def __init__(self, *events: Event, fails: Exception | None = None) -> None:
        self._events, self._fails = events, fails

    @contextmanager
    def stream(self, watch: str, begin: str = "") -> Iterator[Iterator[Event]]:
        yield self._told()

    def _told(self) -> Iterator[Event]:
        yield from self._events
        if self._fails is not None:
            raise self._fails


def seen(stream: Stream, deadline: float = 60) -> Viewer:
    enough: Callable[[Heard], bool] = lambda heard: "line 3" in heard.texts  # noqa: E731 - the type is what it is here for
    viewer = Viewer(cast(Browser, stream), 5, 7, enough, deadline)
    viewer.start()
    viewer.stop(10)
    return viewer


def test_the_last_line_is_all_that_is_wanted() -> None:
    viewer = seen(Stream(log(1, 2), ("changed", "{}"), log(3), log(4), fails=OSError("nobody reads as far as this")))

    assert viewer.problem == ""
    assert viewer.heard.numbers == [1, 2, 3]


@pytest.mark.parametrize(
    ("stream", "deadline", "problem"),
    [
        (Stream(log(1, 2)), 60, "the stream ended before the last line came"),
        (Stream(), 60, "the stream ended before the last line came"),
        (Stream(log(1), log(2), log(3)), -1, "the last line did not come within"),
        (Stream(log(1), fails=http.client.IncompleteRead(b"")), 60, "IncompleteRead"),
        (Stream(log(1), fails=http.client.RemoteDisconnected("closed")), 60, "RemoteDisconnected: closed"),
        (Stream(log(1), fails=TimeoutError("timed out")), 60, "TimeoutError: timed out"),
        (Stream(log(1), ("log", '{"target": 7, "lin')), 60, "JSONDecodeError"),
        (Stream(log(1), ("log", '{"target": 7}')), 60, "KeyError"),
    ],
    ids=[
        "ended early",
        "ended at once",
        "too late",
        "broken off",
        "closed",
        "silent",
        "half an event",
        "another event",
    ],
)
def test_a_stream_that_did_not_bring_the_last_line_has_a_name(stream: Stream, deadline: float, problem: str) -> None:
    assert problem in seen(stream, deadline).problem
