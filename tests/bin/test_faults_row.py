"""What is looked at after every row, whatever it was about: that it did something, and what it left."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from parts.faults import row
from parts.faults.row import FULL, QUICK, Round, Row, Wanted


def turn(wanted: Wanted, problems: list[str] | None = None) -> Round:
    """Of a row without applications, in a world whose audit chain has these problems."""
    world: Any = SimpleNamespace(backstage=lambda _: problems or [], wait=lambda *_: None)
    return Round(world, Row(8, "r", "r", lambda _: None), wanted, random.Random(1))


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written by half."""
    half: list[str] = []
    monkeypatch.setattr(row, "half_written", lambda _: half)
    monkeypatch.setattr(row, "left_over", lambda *_: [])
    monkeypatch.setattr(row, "SETTLED_SECONDS", 0)
    return half


def found(one: Round) -> list[str]:
    """What is found at its end."""
    one.judge()
    return [str(each) for each in one.result.findings]


def test_a_row_that_did_what_was_wanted_is_well() -> None:
    one = turn(Wanted())
    one.want(2)
    one.did(2)
    assert found(one) == []


def test_a_row_that_did_nothing_is_found() -> None:
    assert found(turn(Wanted())) == ["row: only 0 faults were done, of 1"]


def test_a_row_that_did_less_than_was_wanted_is_found() -> None:
    one = turn(Wanted())
    one.want(2)
    one.did()
    assert found(one) == ["row: only 1 faults were done, of 2"]


def test_what_is_written_by_half_is_found_after_every_row(left: list[str]) -> None:
    one = turn(Wanted())
    one.did()
    left.append("a step goes on")
    assert found(one) == ["row: a step goes on"]


def test_a_broken_audit_chain_is_found_after_every_row() -> None:
    one = turn(Wanted(), ["entry 7 is gone"])
    one.did()
    assert found(one) == ["audit: the audit chain: ['entry 7 is gone']"]


@pytest.mark.parametrize(("load", "times"), [(0.2, 1.0), (3.0, 1.5), (30.0, 2.0)])
def test_a_busy_machine_stretches_a_promise_to_twice_its_time_at_most(
    monkeypatch: pytest.MonkeyPatch, load: float, times: float
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    one = turn(Wanted())
    assert one.patience(10) == 10 * times
    assert one.result.measured == {"stretched_at_most": times}


def test_a_quarter_of_the_whole_is_not_what_is_quickly_done() -> None:
    assert [turn(Wanted(scale, parts=4)).whole for scale in (QUICK, FULL)] == [False, True]
