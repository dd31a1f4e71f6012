"""Rows beside each other: which come first, who shares a world, and that one which breaks off leaves the others alone."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from parts.faults import campaign, lanes
from parts.faults.lanes import Job, Lanes
from parts.faults.row import FULL, QUICK, Result, Round, Row, Wanted
from parts.processes import PartError


class NoEstiva:
    """Starts nothing."""

    def worker(self, queue: str) -> None:
        """None."""

    def reconciler(self) -> None:
        """None."""

    def logs(self) -> str:
        """Nothing."""
        return ""


class NoWorld:
    """Holds no servers. `broken` ones can't be made."""

    made: list[NoWorld]
    broken: int
    refused: list[Exception]  # of those that are not even thought of

    def __init__(self, folder: Path, *, postgres: bool) -> None:
        if NoWorld.refused:
            raise NoWorld.refused.pop()
        self.folder, self.postgres, self.estiva = folder, postgres, NoEstiva()
        self.ending = threading.Event()
        self.rows: list[str] = []

    def __enter__(self) -> NoWorld:
        NoWorld.made.append(self)
        if len(NoWorld.made) <= NoWorld.broken:
            raise PartError("no engine")
        return self

    def __exit__(self, *_: object) -> None:
        if "spoils" in self.rows:
            raise ValueError("it doesn't end")

    def leave(self) -> None:
        """Nobody asks."""


@pytest.fixture(autouse=True)
def worlds(monkeypatch: pytest.MonkeyPatch) -> list[NoWorld]:
    """Those that were made."""
    NoWorld.made, NoWorld.broken, NoWorld.refused = [], 0, []
    monkeypatch.setattr(lanes, "World", NoWorld)
    monkeypatch.setattr(Round, "judge", lambda _: None)
    return NoWorld.made


def row(name: str, **more: Any) -> Row:
    """One that notes where it ran; `bad` breaks off."""

    def work(turn: Round) -> None:
        turn.world.rows.append(name)  # type: ignore[attr-defined]
        if name.startswith("bad"):
            raise PartError("it broke off")

    return Row(1, name, name, work, **more)


def run(tmp_path: Path, jobs: list[Job], *, count: int = 1, until: float | None = None) -> list[Result]:
    """All that was told."""
    told: list[Result] = []
    Lanes(tmp_path, Wanted(), 1, told.append, until).run(jobs, count)
    return told


def test_rows_share_a_world_but_for_those_with_their_own(tmp_path: Path, worlds: list[NoWorld]) -> None:
    run(tmp_path, [Job(row("a"), "postgres"), Job(row("own", own_world=True), "postgres"), Job(row("b"), "postgres")])
    assert [each.rows for each in worlds] == [["a", "b"], ["own"]]


def test_another_database_is_another_world(tmp_path: Path, worlds: list[NoWorld]) -> None:
    told = run(tmp_path, [Job(row("a"), "postgres"), Job(row("a"), "sqlite")])
    assert [each.postgres for each in worlds] == [True, False]
    assert [each.database for each in told] == ["postgres", "sqlite"]


def test_one_that_breaks_off_gets_no_other_after_it(tmp_path: Path, worlds: list[NoWorld]) -> None:
    told = run(tmp_path, [Job(row("bad"), "sqlite"), Job(row("b"), "sqlite")])
    assert [each.rows for each in worlds] == [["bad"], ["b"]]
    assert [(each.row, each.error) for each in told] == [("bad", "it broke off"), ("b", "")]


def test_a_world_that_cannot_be_made_costs_one_row(tmp_path: Path) -> None:
    NoWorld.broken = 1
    told = run(tmp_path, [Job(row("a"), "sqlite"), Job(row("b"), "sqlite")])
    assert [(each.row, bool(each.error)) for each in told] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    "error", [PartError("no port"), subprocess.TimeoutExpired("migrate", 120), psycopg.OperationalError(), ValueError()]
)
def test_whatever_goes_wrong_with_a_world_its_row_is_told_of(tmp_path: Path, error: Exception) -> None:
    NoWorld.refused = [error]
    told = run(tmp_path, [Job(row("a"), "sqlite"), Job(row("b"), "sqlite")])
    assert [(each.row, bool(each.error)) for each in told] == [("a", True), ("b", False)]


def test_a_world_that_does_not_end_well_is_an_error_beside_its_rows(tmp_path: Path) -> None:
    told = run(tmp_path, [Job(row("spoils"), "sqlite")])
    assert [(each.row, each.error) for each in told] == [
        ("spoils", ""),
        ("the end of world w1", "ValueError: it doesn't end"),
    ]


def test_a_row_that_nobody_told_of_is_an_error() -> None:
    wanted = [Job(row("a"), "postgres"), Job(row("a"), "sqlite"), Job(row("b"), "sqlite")]
    results = [Result("a", database="postgres"), Result("b", database="sqlite")]
    (lost,) = campaign.missing(wanted, results)
    assert (lost.row, lost.database, lost.ok) == ("a", "sqlite", False)


def test_two_lanes_do_every_row_once(tmp_path: Path) -> None:
    told = run(tmp_path, [Job(row(f"r{number}"), "sqlite") for number in range(12)], count=2)
    assert sorted(each.row for each in told) == sorted(f"r{number}" for number in range(12))


def test_what_no_time_is_left_for_is_named_and_not_begun(tmp_path: Path, worlds: list[NoWorld]) -> None:
    told = run(tmp_path, [Job(row("a"), "sqlite"), Job(row("b"), "sqlite")], until=time.monotonic() - 1)
    assert [(each.row, each.skipped, each.ok) for each in told] == [("a", True, False), ("b", True, False)]
    assert worlds == []


def test_the_long_ones_begin_first_and_sqlite_comes_after() -> None:
    rows = [row("own", own_world=True, seconds=90), row("short", seconds=5, both=True), row("long", seconds=50, long=1)]
    assert [job.row.name for job in campaign.jobs(rows, QUICK, "sqlite")] == ["long", "short", "own"]
    told = [(job.row.name, job.database) for job in campaign.jobs(rows, FULL, "both")]
    assert told == [("short", "postgres"), ("long", "postgres"), ("own", "postgres"), ("short", "sqlite")]
