"""The order of what is on record of a Target: what is right is taken, and each kind of disorder is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parts.faults.chronicle import Chronicle
from parts.faults.record import Share, Stepped
from tests.bin.seen import T0, share


def line(number: int, at: float, step: str) -> list[Any]:
    """As the record has it."""
    return [number, round((T0 + at) * 1000), step, "estiva", "text", "info"]


def step(key: str, first_line: int, began: float, ended: float, *, fence: int = 1) -> Stepped:
    """A step."""
    return Stepped(key, fence, "good", first_line, T0 + began, T0 + ended if ended else 0.0)


@pytest.fixture
def good() -> Chronicle:
    """Two attempts, the first of which broke off in its second step."""
    steps = [
        step("preflight", 1, 10.1, 11),
        step("pull", 3, 11, 40),
        step("preflight", 4, 40, 41, fence=2),
        step("cleanup", 5, 41, 42, fence=2),
        step("after", 5, 42, 43, fence=2),
    ]
    first = [line(1, 10.2, "preflight"), line(2, 10.9, "preflight"), line(3, 11, "pull")]
    second = [line(4, 40.5, "preflight"), line(5, 42.5, "after")]
    of: Share = share(1, "succeeded", 10, 43.1)
    return Chronicle(of, T0 + 9, steps, [(1, 3, 1, first), (4, 5, 2, second)], [T0 + 12])


def test_what_is_in_order_is_right(good: Chronicle) -> None:
    assert list(good.wrong()) == []
    assert good.off == 0.0


def found(chronicle: Chronicle) -> str:
    """The one thing that is wrong."""
    (wrong,) = chronicle.wrong()
    return wrong


def test_a_line_from_before_its_time(good: Chronicle) -> None:
    good.chunks[0][3][0][1] = round((T0 + 7) * 1000)
    assert good.off == pytest.approx(3.0)
    assert "3.0 s outside its time" in found(good)


def test_a_line_that_is_older_than_the_one_before(good: Chronicle) -> None:
    good.chunks[0][3][1][1] = round((T0 + 10.1) * 1000)
    assert "line 2" in found(good)


def test_a_line_of_another_step(good: Chronicle) -> None:
    good.chunks[1][3][1][2] = "cleanup"
    assert "is of step cleanup, where after begins" in found(good)


def test_steps_that_overlap(good: Chronicle) -> None:
    steps = [good.steps[0], replace(good.steps[1], started=T0 + 10.5), *good.steps[2:]]
    assert "step pull" in found(replace(good, steps=steps))


def test_a_step_without_an_end(good: Chronicle) -> None:
    assert "step after" in found(replace(good, steps=[*good.steps[:-1], replace(good.steps[-1], ended=0.0)]))


def test_a_container_that_was_created_at_another_time(good: Chronicle) -> None:
    assert "created a container" in found(replace(good, created=[T0 + 50]))


def test_a_deploy_that_began_before_it_was_asked_for(good: Chronicle) -> None:
    assert "was asked for" in found(replace(good, requested=T0 + 20))


def test_nothing_on_record_is_nothing_in_order(good: Chronicle) -> None:
    assert len(list(replace(good, steps=[], chunks=[]).wrong())) == 2
