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

from parts.faults.killing import TRIES, Killing, Strategy
from parts.faults.nursery_points import Point, whose
from parts.faults.row import FULL, QUICK, Round, Row, Wanted
from parts.faults.sight import STOP_FIRST, Application

APPS = (1, 2)
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
                yield {"whose": of, "call": call, "nth": counts[call], "about": "x", "items": 0}


class NoWorld:
    """Where the first deploys end well, and the others as they are told to."""

    def __init__(self, folder: Path, end: str = "succeeded") -> None:
        self.folder, self.numbers, self.end = folder, iter(range(1, 10**6)), end
        self.cancelled: list[int] = []
        self.ada = SimpleNamespace(
            ask_plan=lambda *_: "/plan/",
            until_planned=lambda _: "f",
            click=lambda *_: next(self.numbers),
            cancel=self.cancelled.append,
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

    def has_begun(self, *_: Any) -> bool:
        """At once."""
        return True

    def ended(self, number: int, **_: Any) -> str:
        """Well, where nobody has begun to spoil them."""
        return "succeeded" if number <= len(APPS) else self.end


def run(
    tmp_path: Path,
    wanted: Wanted,
    absent: Sequence[str] = (),
    due: Sequence[str] = ("pull", "create"),
    world: NoWorld | None = None,
    **strategy: Any,
) -> tuple[Round, NoNursery]:
    """All of it, for one strategy with two applications."""
    apps = [Application(f"a{each}", [], STOP_FIRST, 80, {}, each, 0.0) for each in APPS]
    nursery = NoNursery([each.placement for each in apps], absent)
    turn = Round(world or NoWorld(tmp_path), ROW, wanted, random.Random(3))  # type: ignore[arg-type]
    several = [Strategy("stop-first", apps, lambda *_: None, **strategy)]
    killing = Killing(turn, nursery, several)  # type: ignore[arg-type]
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


def test_what_comes_before_the_first_call_of_a_name_is_left_to_other_strategies(tmp_path: Path) -> None:
    turn, nursery = run(tmp_path, Wanted(FULL, times=1), after="container")
    assert {each[0] for each in by_moment(nursery)} == {"container", "remove"}
    assert turn.result.measured["stop-first_points"] == 3 * 2


def test_a_deploy_that_is_to_end_badly_and_succeeds_is_told(tmp_path: Path) -> None:
    turn, _ = run(tmp_path, Wanted(QUICK), ends=("failed",), world=NoWorld(tmp_path, end="failed"))
    assert turn.result.ok
    turn, _ = run(tmp_path, Wanted(QUICK), ends=("failed",))
    assert "undisturbed" in turn.result.findings[0].text
    assert any("cut off" in each.text for each in turn.result.findings)


def test_each_deploy_but_the_first_is_cancelled_once(tmp_path: Path) -> None:
    world = NoWorld(tmp_path, end="cancelled")
    turn, _ = run(tmp_path, Wanted(FULL, times=1), ends=("cancelled",), cancelled=True, world=world)
    assert turn.result.ok
    assert world.cancelled
    assert not set(world.cancelled) & {1, 2}
    assert len(world.cancelled) == len(set(world.cancelled))
