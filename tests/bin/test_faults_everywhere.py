"""Row 1's bookkeeping: each moment comes as often as was asked for, one that doesn't come is tried again and then told."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parts.faults.everywhere import TRIES, Killing, Strategy
from parts.faults.nursery_points import Point, whose
from parts.faults.row import FULL, QUICK, Round, Row, Wanted
from parts.faults.sight import STOP_FIRST, Application

CALLS = ("pull", "create", "create", "container", "container", "remove")
ROW = Row(1, "kill", "workers die", lambda _: None)


class NoWorker:
    """Needs no end."""

    def kill(self) -> None:
        """It is none."""


class NoNursery:
    """Hears the same calls of every application; whoever is to die does so at once, but for the moments that never come."""

    def __init__(self, placements: Sequence[int], absent: Sequence[str] = ()) -> None:
        self.absent, self.met = absent, Counter[Point]()
        self._placements = placements

    def workers(self, count: int, points: Sequence[Point] = (), *, told: str = "", **how: Any) -> list[NoWorker]:
        """Several."""
        there = [each for each in points if each.call not in self.absent]
        self.met.update(there)
        self._tell(told, self._heard() if how.get("all_calls") else map(asdict, there))
        return [NoWorker() for _ in range(count)]

    def _tell(self, told: str, lines: Iterable[dict[str, Any]]) -> None:
        if told:
            Path(told).write_text("".join(json.dumps(each) + "\n" for each in lines))

    def _heard(self) -> Iterator[dict[str, Any]]:
        for placement in self._placements:
            counts: Counter[str] = Counter()
            for call in CALLS:
                counts[call] += 1
                of = whose(placement, 3, "web-1", "deploy")
                yield {"whose": of, "call": call, "nth": counts[call], "items": 0}


class NoWorld:
    """Where every deploy ends well."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, iter(range(1, 10**6))
        self.ada = SimpleNamespace(
            ask_plan=lambda *_: "/plan/", until_planned=lambda _: "f", click=lambda *_: next(self.numbers)
        )
        self.record = SimpleNamespace(rows=self._rows, let_leases_run_out=lambda: 1, of=lambda _: [])

    def _rows(self, query: str) -> list[tuple[int]]:
        """The next Release's number, or all that was asked about: it is over."""
        if "next_release" in query:
            return [(next(self.numbers),)]
        return [(int(each),) for each in query.partition("(")[2].partition(")")[0].split(", ")]

    def wait(self, condition: Any, what: str, _: float) -> None:
        """Nothing takes its time."""
        assert condition(), what

    def ended(self, *_: Any, **__: Any) -> str:
        """Well."""
        return "succeeded"


def run(
    tmp_path: Path, wanted: Wanted, absent: Sequence[str] = (), due: Sequence[str] = ("pull", "create")
) -> tuple[Round, NoNursery]:
    """All of it, for one strategy with two applications."""
    apps = [Application(f"a{each}", [], STOP_FIRST, 80, {}, each, 0.0) for each in (1, 2)]
    nursery = NoNursery([each.placement for each in apps], absent)
    turn = Round(NoWorld(tmp_path), ROW, wanted, random.Random(3))  # type: ignore[arg-type]
    killing = Killing(turn, nursery, [Strategy("stop-first", apps, lambda *_: None)])  # type: ignore[arg-type]
    killing.learn(due)
    killing.kill()
    assert all(times == 1 for times in nursery.met.values())  # each deploy is of another Release
    return turn, nursery


def by_moment(nursery: NoNursery) -> Counter[tuple[str, int, str]]:
    """How often each moment came, whichever application's it was."""
    found: Counter[tuple[str, int, str]] = Counter()
    for point, times in nursery.met.items():
        found[(point.call, point.nth, point.when)] += times
    return found


@pytest.mark.parametrize("times", [1, 3])
def test_each_moment_comes_as_often_as_was_asked(tmp_path: Path, times: int) -> None:
    turn, nursery = run(tmp_path, Wanted(FULL, times=times))
    assert set(by_moment(nursery).values()) == {times}
    assert len(by_moment(nursery)) == 3 * 5  # four changes, and one kind of look
    assert turn.result.measured["stop-first_points"] == 15
    assert turn.result.measured["stop-first_kills"] == turn.result.times == 15 * times
    assert turn.result.measured["stop-first_not_reached"] == 0
    assert turn.result.ok


def test_a_moment_that_never_comes_is_tried_again_and_told(tmp_path: Path) -> None:
    turn, _ = run(tmp_path, Wanted(FULL, times=1), absent=["remove"])
    assert turn.result.measured["stop-first_kills"] == 12
    assert turn.result.measured["stop-first_not_reached"] == 3 * TRIES
    assert [each.text.partition(":")[0] for each in turn.result.findings] == ["stop-first"] * 3


def test_a_call_that_no_deploy_makes_is_told(tmp_path: Path) -> None:
    turn, _ = run(tmp_path, Wanted(FULL, times=1), due=["pull", "push"])
    assert ["push" in each.text for each in turn.result.findings] == [True]


def test_a_quarter_is_a_quarter(tmp_path: Path) -> None:
    turn, nursery = run(tmp_path, Wanted(FULL, times=2, parts=4))
    assert turn.result.times == 15 // 4
    assert max(by_moment(nursery).values()) == 1


def test_in_a_hurry_each_application_s_worker_dies_once(tmp_path: Path) -> None:
    turn, _ = run(tmp_path, Wanted(QUICK))
    assert turn.result.times == 2
