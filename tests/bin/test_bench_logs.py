"""What `bin/bench logs` and `viewers` say follows from what was met and stored; the feed and the look at memory that they stand on."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from bench import logs, memory, processes, standing, viewers
from bench.feed import SAID, Feed
from bench.logs_runs import Faults
from bench.logs_stage import first_and_last
from bench.servers import Servers
from bench.viewers import Samples
from parts.processes import PartError, wait_until

LATE = [10.0, 20.0] * 3500


def flow(**more: Any) -> dict[str, Any]:
    bursts = {"raw": [1.0, 2.0, 1.0, 1.0], "estiva": [2.0, 3.0, 2.0, 2.0]}
    first_to_last = {"raw": [0.5, 1.0, 0.5, 0.5], "estiva": [0.5, 1.0, 0.5, 1.0]}
    steady = {"lines": len(LATE), "latencies_ms": LATE, "raw_latencies_ms": [each / 2 for each in LATE]}
    return {
        "bursts": bursts,
        "first_to_last": first_to_last,
        "steady": steady,
        "grew": {"worker": 3.0, "web": 25.0},
        "lost": 0,
        "doubled": 1,
        **more,
    }


def test_the_rate_is_compared_round_by_round() -> None:
    rows, figures, rounds = logs.table(flow())

    assert rounds["rate_over_raw"] == pytest.approx([0.5, 2 / 3, 0.5, 0.5])
    assert figures["rate_over_raw"] == pytest.approx(0.5)
    assert figures["rate_over_raw_first_to_last"] == pytest.approx(1.0), "what was before the first line is not in it"
    assert figures["latency_p99_ms"] == pytest.approx(20)
    assert figures["raw_latency_p99_ms"] == pytest.approx(10)
    assert (figures["doubled"], figures["web_grew_mb"]) == (1, 25)
    assert {*logs.AIMS, *logs.AT_LEAST} <= figures.keys()
    assert [row.seconds for row in rows] == pytest.approx([1.0, 2.0, 0.5, 0.75, 0.010, 0.020])


def test_a_burst_is_timed_to_its_last_line_and_to_no_other() -> None:
    lines = [b"starting\n", *(b"loaded record %d of the index\n" % number for number in (1, 2, 11)), b"ready\n"]
    before = time.time()

    first, last = first_and_last(iter(lines), 11)

    assert before <= first <= last <= time.time()
    with pytest.raises(PartError, match="3 of 111 lines"):
        first_and_last(iter(lines), 111)


def test_a_flow_that_was_late_in_one_part_only_is_not_late_in_all() -> None:
    one_bad_part = [10.0] * 6000 + [900.0] * 1000
    steady = {"lines": 7000, "latencies_ms": one_bad_part, "raw_latencies_ms": LATE}

    _, figures, rounds = logs.table(flow(steady=steady))

    assert figures["latency_p99_ms"] == pytest.approx(10), "in the middle"
    assert figures["latency_most_ms"] == 900
    assert sorted(each > 250 for each in rounds["latency_p99_ms"]) == [False] * 6 + [True]


@pytest.mark.parametrize(
    ("numbers", "texts", "last", "expected"),
    [
        ([1, 2, 3, 4], ["pulled", "say 1", "say 2", "say 3"], 4, (0, 0)),
        ([1, 2, 4], ["pulled", "say 1", "say 3"], 4, (1, 0)),
        ([1, 2, 3], ["pulled", "say 1", "say 2"], 3, (1, 0)),
        ([1, 2, 3, 4, 4], ["pulled", "say 1", "say 2", "say 3", "say 3"], 4, (0, 1)),
        ([1, 2, 3, 4, 5], ["pulled", "say 1", "say 2", "say 3", "say 3"], 5, (0, 1)),
        ([1, 2, 3, 4], ["pulled", "say 1", "say 2", "say 3"], 6, (2, 0)),
    ],
    ids=["all", "a hole", "the last", "a number twice", "a line twice", "fewer than were numbered"],
)
def test_lines_are_counted_by_their_numbers_and_by_what_they_say(
    numbers: list[int], texts: list[str], last: int, expected: tuple[int, int]
) -> None:
    faults = Faults()

    faults.judge(numbers, texts, last, 3, lambda text: text.startswith("say"))

    assert (faults.lost, faults.doubled) == expected


def test_a_feed_says_all_its_lines_and_stays_open(tmp_path: Path) -> None:
    with Feed(tmp_path / "feed", 50, 1000) as feed:
        pipe = os.open(tmp_path / "feed" / "pipe", os.O_RDONLY)
        said, over = bytearray(), threading.Event()

        def read() -> None:
            while piece := os.read(pipe, 4096):
                said.extend(piece)
            over.set()

        threading.Thread(target=read, daemon=True).start()
        assert not said, "nothing before it is told to"
        feed.go.set()
        wait_until(lambda: feed.last.encode() in said and said.endswith(b"\n"), "the last line did not come")
        assert not over.is_set()
    assert over.wait(5)
    os.close(pipe)

    numbers = [int(match[1]) for line in said.decode().splitlines() if (match := SAID.fullmatch(line))]
    assert numbers == list(range(1, 51))


@contextmanager
def child() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        try:
            yield running.pid
        finally:
            running.kill()


def test_memory_is_the_most_of_a_time_not_what_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    held = iter([100.0, 100.0, 130.0])
    met = threading.Event()

    def resident(pids: list[int]) -> float:
        value = next(held, None)
        if value is None:
            met.set()
        return value or 110.0

    monkeypatch.setattr(processes, "pids", lambda folder, role: [1])
    monkeypatch.setattr(processes, "resident", resident)
    monkeypatch.setattr(memory, "LOOKS_EVERY", 0.001)
    with memory.Memory(tmp_path, ["worker"]) as looked:
        assert met.wait(5)
        assert looked.grew() == {"worker": 30.0}


def test_the_memory_of_a_process_that_runs(tmp_path: Path) -> None:
    with child() as pid:
        wait_until(lambda: processes.resident([pid]) > 1, "it holds nothing")
    assert processes.resident([pid]) == 0


def test_the_processor_time_of_a_process_that_runs() -> None:
    begun = processes.cpu_seconds(os.getpid())
    wait_until(lambda: sum(range(100_000)) > 0 and processes.cpu_seconds(os.getpid()) > begun, "no time goes by")
    assert processes.cpu_seconds(os.getpid()) <= sum(os.times()[:2]) + 0.05
    with child() as pid:
        pass
    assert processes.cpu_seconds(pid) == 0


def test_no_process_is_no_flat_memory(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="no worker"):
        memory.Memory(tmp_path, ["worker"])


def watched(p50_after: float = 12.0) -> dict[str, Any]:
    def seen(p50: float) -> dict[str, Any]:
        return {
            "lost": 0,
            "doubled": 0,
            "lines": 150,
            "problems": [],
            "latency_ms": {"p50": p50, "p99": 30, "most": 40},
            "p99_parts_ms": [70.0, 71.0, 72.0, 73.0, 74.0, 75.0, 500.0],
        }

    crowd = {**seen(40.0), "lines": 1000, "latency_ms": {"p50": 40.0, "p99": 80.0, "most": 90.0}}
    return {
        "idle": Samples([100.0, 100.0], [1.0, 1.0], [10, 10], [2, 2]),
        "left": Samples([105.0, 105.0], [1.0, 1.0], [10, 10], [3, 3]),
        "watched": Samples([110.0, 140.0, 120.0], [1.0, 2.0, 3.0], [12, 14, 12], [3, 8, 3]),
        "reopened": [0, 0, 2, 0, 0],
        "heard": crowd,
        "alone": [seen(10.0), seen(p50_after)],
        "lines": 750,
    }


def test_what_the_pool_keeps_is_not_held_and_what_was_there_for_a_moment_shows() -> None:
    rows, figures, said = viewers.table(watched())

    assert (figures["memory_mb"], figures["threads"]) == (40, 4)
    assert (figures["connections"], figures["connections_most"]) == (0, 8)
    notes = " ".join(row.note for row in rows)
    assert (
        "2 idle, 3 kept when a few had left, 3 while all watched, 8 at most; closed at each look, 0 came back, 2"
        in notes
    )
    assert (figures["latency_p99_ms"], figures["one_viewer_p99_ms"]) == (73, 30), "the part in the middle"
    assert viewers.AIMS.keys() <= figures.keys()
    assert "2000 µs for a line" in rows[-1].note
    assert said == ""


class Web:
    """PostgreSQL's view of the web: a backend that was used once stays until it is closed, one that is held comes back at once."""

    def __init__(self, kept: set[int], held: int) -> None:
        self.backends, self.record = set(kept), self
        self._held, self._next = held, 1000

    def look(self, _made: object) -> list[int]:
        while len([each for each in self.backends if each >= 1000]) < self._held:
            self.backends.add(self._next)
            self._next += 1
        return sorted(self.backends)

    def rows(self, query: str) -> list[tuple[bool]]:
        closed = re.fullmatch(r"SELECT pg_terminate_backend\((\d+)\)", query)
        assert closed is not None
        self.backends.remove(int(closed[1]))
        return [(True,)]


@pytest.mark.parametrize(("kept", "held"), [(set[int](), 0), ({1, 2, 3}, 0), ({1, 2, 3}, 1), (set[int](), 2)])
def test_connections_that_are_closed_come_back_where_they_are_held(
    kept: set[int], held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Web(kept, held)
    monkeypatch.setattr(standing, "LOOKS_EVERY", 0.001)
    monkeypatch.setattr(standing, "connections", web.look)

    found = standing.reopened(cast(Servers, web), 0.05)

    assert found
    assert set(found) == {held}


def test_a_machine_that_changed_meanwhile_is_named() -> None:
    _, _, said = viewers.table(watched(p50_after=25.0))

    assert "too noisy to tell: one viewer's lines took 10 ms before and 25 ms after" in said


@pytest.mark.parametrize("reader", ["latencies_ms", "raw_latencies_ms"])
def test_a_flow_that_nobody_saw_has_no_latency(reader: str) -> None:
    steady = {"lines": 0, "latencies_ms": LATE, "raw_latencies_ms": LATE, reader: [3.0]}
    with pytest.raises(PartError, match="1 lines of the steady flow"):
        logs.table(flow(steady=steady))
