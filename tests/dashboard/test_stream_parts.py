"""The live stream's pieces by themselves: reading what is asked, keeping consecutive lines, and deciding who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import InterfaceError
from hypothesis import given
from hypothesis import strategies as st

from dashboard.stream import endpoint, reads
from dashboard.stream import ring as rings
from dashboard.stream.hub import LISTS, Hub
from dashboard.stream.ring import Entry, Ring
from dashboard.stream.viewer import Viewer
from dashboard.stream.watching import BadWatch, Rights, parse, read_vector, write_vector
from deployments import live


def entry(first: int, last: int) -> Entry:
    lines = [live.LogLine(number, 0, "pull", "stdout", f"line {number}") for number in range(first, last + 1)]
    return Entry(first, last, live.encode_lines(lines))


def numbers(found: Entry | None) -> list[int]:
    return [line.number for line in live.decode_lines(found.lines)] if found else []


# what is asked


def test_watches_may_be_repeated_or_joined() -> None:
    asked = parse(b"watch=deployment:41&watch=overview+host:3", "")
    assert asked.keys == {"deployment:41", "host:3"}
    assert asked.lists == {"overview"}
    assert asked.positions is None
    empty: set[int] = set()
    nothing_else = dict.fromkeys(("follow", "operation", "placement", "repository"), empty)
    assert asked.ids == {"deployment": {41}, "host": {3}, **nothing_else}


def test_the_last_event_id_is_younger_than_the_address() -> None:
    assert parse(b"watch=overview&from=t1:5", "t1:9").positions == {1: 9}
    assert parse(b"watch=overview&from=t1:5", "").positions == {1: 5}
    assert parse(b"watch=overview", "nonsense").positions == {}


@pytest.mark.parametrize(
    "query",
    [b"", b"watch=", b"watch=user:1", b"watch=host:-1", b"watch=host:1e3", b"watch=host:" + b"9" * 30, b"watch=%00"],
)
def test_what_cannot_be_watched(query: bytes) -> None:
    with pytest.raises(BadWatch):
        parse(query, "")


def test_not_everything_at_once() -> None:
    with pytest.raises(ValueError):
        parse("&".join(f"watch=host:{number}" for number in range(51)).encode(), "")


@given(st.dictionaries(st.integers(0, 10**15), st.integers(0, 10**15)))
def test_vectors_come_back(positions: dict[int, int]) -> None:
    assert read_vector(write_vector(positions)) == positions


# rings


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=30), st.integers(0, 70))
def test_a_ring_holds_consecutive_lines_and_nothing_else(pieces: list[tuple[int, int]], asked: int) -> None:
    ring = Ring()
    for first, more in pieces:
        ring.add(entry(first, first + more))
    found = ring.after(asked)
    if ring.first <= asked + 1 <= ring.last:
        assert found is not None
        assert numbers(found) == list(range(asked + 1, found.last + 1))
    else:
        assert found is None
    if ring.last:
        line, seen = ring.first - 1, []
        while (piece := ring.after(line)) is not None:
            seen += numbers(piece)
            line = piece.last
        assert seen == list(range(ring.first, ring.last + 1))


def test_a_ring_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "MOST_CHARACTERS", 2000)
    ring = Ring()
    for number in range(1, 500):
        ring.add(entry(number, number))
    assert ring.last == 499
    assert sum(len(kept.lines) for kept in ring._entries) <= 2000
    assert ring.first > 400


# who is told


class Browser:
    """What was written to a viewer."""

    def __init__(self, hub: Hub, watch: str, rights: Rights) -> None:
        self.written = b""
        self.until = 0  # after so many writes the rights must be looked at again
        self.viewer = Viewer(hub, parse(f"watch={watch}".encode(), ""), rights, self._rights(rights), self._write)
        hub.add(self.viewer)

    def _rights(self, rights: Rights) -> Callable[[], Awaitable[Rights]]:
        async def look_up() -> Rights:
            return rights

        return look_up

    async def _write(self, data: bytes) -> None:
        self.written += data
        self.until -= 1
        if self.until == 0:
            self.viewer.check_rights_now()

    async def told(self) -> list[str]:
        """The kinds and ids it was told of since last time."""
        self.written = b""
        await self.viewer._write_news()
        found = [line for line in self.written.decode().splitlines() if line.startswith('data: {"kind"')]
        return [line.removeprefix('data: {"kind":"').replace('","id":', ":").rstrip("}") for line in found]


ALL = Rights(1, sees_all=True)
SOME = Rights(2, sees_all=False, placements=frozenset({2}), hosts=frozenset({7}))


@pytest.mark.parametrize(
    ("watch", "rights", "change", "told"),
    [
        ("deployment:41", SOME, ("deployment", 41, 2), ["deployment:41"]),
        ("deployment:41", SOME, ("deployment", 42, 2), []),
        ("placement:2", SOME, ("deployment", 42, 2), ["placement:2", "deployment:42"]),
        ("overview", SOME, ("deployment", 42, 2), ["deployment:42", "placement:2", "overview:0"]),
        ("overview", SOME, ("deployment", 43, 3), []),
        ("overview", SOME, ("host", 7, None), ["host:7", "overview:0"]),
        ("overview", SOME, ("host", 8, None), []),
        ("overview", SOME, ("operation", 8, None), []),
        ("overview", ALL, ("host", 8, None), ["host:8", "overview:0"]),
        ("overview", SOME, (LISTS, 0, None), ["overview:0"]),
        ("deployments", SOME, (LISTS, 0, None), ["deployments:0"]),
        ("host:7", SOME, (LISTS, 0, None), []),
    ],
)
def test_who_is_told_of_what(watch: str, rights: Rights, change: Any, told: list[str]) -> None:
    async def play() -> list[str]:
        hub = Hub()
        browser = Browser(hub, watch, rights)
        hub.changed(*change)
        return await browser.told()

    assert asyncio.run(play()) == told


def test_many_changes_of_one_row_are_told_once() -> None:
    async def play() -> list[list[str]]:
        hub = Hub()
        browser = Browser(hub, "deployment:41", ALL)
        for _ in range(50):
            hub.changed("deployment", 41, 2)
        return [await browser.told(), await browser.told()]

    assert asyncio.run(play()) == [["deployment:41"], []]


def test_who_missed_too_much_starts_over() -> None:
    async def play() -> list[str]:
        hub = Hub()
        browser = Browser(hub, "deployment:41", ALL)
        hub.changed("deployment", 41, 2)
        for number in range(3000):
            hub.changed("host", number)
        return await browser.told()

    assert asyncio.run(play()) == ["deployment:41"]


def test_rights_are_looked_at_in_the_middle_of_a_long_log() -> None:
    async def play() -> Browser:
        hub = Hub()
        rights = Rights(1, sees_all=True, targets={41: frozenset({7})})
        browser = Browser(hub, "deployment:41", rights)

        async def look_up() -> Rights:
            raise reads.NotVisible

        browser.viewer._look_up_rights = look_up
        browser.viewer.positions[7] = 0
        for number in range(1, 9):
            hub.take(live.wake_log(7, 41, number, number, entry(number, number).lines))
        browser.until = 3
        with pytest.raises(reads.NotVisible):
            await browser.viewer._write_news()
        return browser

    assert asyncio.run(play()).viewer.positions[7] == 3


def test_nothing_is_kept_of_what_nobody_watches() -> None:
    hub = Hub()
    hub.take(live.wake_log(7, 41, 1, 1, entry(1, 1).lines))
    hub.take(live.wake_progress(7, 41, "pull", 1, 2, ""))
    assert hub.held(7, 0) is None
    assert hub.progress == {}


def test_long_lines_are_not_carried_but_read_from_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    long = live.encode_lines([live.LogLine(2, 0, "pull", "stdout", "x" * live.CARRIED_CHARACTERS)])
    asked: list[tuple[int, int]] = []

    def record(target_id: int, line: int) -> list[Entry]:
        asked.append((target_id, line))
        return [entry(1, 1), Entry(2, 2, long)]

    async def play() -> bytes:
        hub = Hub()
        browser = Browser(hub, "deployment:41", Rights(1, sees_all=True, targets={41: frozenset({7})}))
        browser.viewer.positions[7] = 0
        carried = live.wake_log(7, 41, 2, 2, long)
        assert carried["lines"] == ""
        for wake in (live.wake_log(7, 41, 1, 1, entry(1, 1).lines), carried):
            hub.take(wake)
        hub.take(live.wake_log(7, 41, 3, 3, entry(3, 3).lines))
        await browser.viewer._write_news()
        assert browser.viewer.positions[7] == 3
        return browser.written

    monkeypatch.setattr(reads, "lines_after", record)
    written = asyncio.run(play())
    assert asked == [(7, 0)]
    assert b"x" * live.CARRIED_CHARACTERS in written


def test_what_was_kept_goes_with_its_last_viewer() -> None:
    async def play() -> list[Entry | None]:
        hub = Hub()
        one, two = (
            Browser(hub, "deployment:41", Rights(1, sees_all=True, targets={41: frozenset({7})})) for _ in range(2)
        )
        hub.take(live.wake_log(7, 41, 1, 3, entry(1, 3).lines))
        found = [hub.held(7, 0)]
        for browser in (one, two):
            hub.remove(browser.viewer)
            found.append(hub.held(7, 0))
        return found

    first, second, third = asyncio.run(play())
    assert numbers(first) == numbers(second) == [1, 2, 3]
    assert third is None


def test_who_begins_tells_the_others_what_they_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "last_lines", lambda targets: dict.fromkeys(targets, 5))

    async def play() -> bool:
        hub = Hub()
        rights = Rights(1, sees_all=True, targets={41: frozenset({7})})
        waiting, coming = (Browser(hub, "deployment:41", rights) for _ in range(2))
        waiting.viewer.positions[7] = 0
        await coming.viewer._begin()
        return waiting.viewer.woken.is_set()

    assert asyncio.run(play())


@pytest.mark.parametrize("error", [InterfaceError("connection already closed"), RuntimeError("nobody foresaw this")])
def test_no_error_of_ours_reaches_a_browser(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_arguments: Any) -> Rights:
        raise error

    monkeypatch.setattr(reads, "rights", fails)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"method": "GET", "headers": [(b"host", b"127.0.0.1")], "query_string": b"watch=overview"}
    asyncio.run(endpoint.serve(scope, receive, send))
    assert sent[0]["status"] == 503
    assert str(error).encode() not in sent[1]["body"]
