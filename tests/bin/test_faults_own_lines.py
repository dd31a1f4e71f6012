"""A container's own line numbers in Estiva's log: none is missing, none comes twice unless an attempt said so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from parts.faults.own_lines import tellings, told_again, wrong_lines

SAID = re.compile(r"step (\d+) of")


def log(*parts: str | range) -> list[list[Any]]:
    """Estiva's lines as texts, a container's by their numbers."""
    found: list[list[Any]] = []
    for part in parts:
        ours = isinstance(part, str)
        for each in [part] if isinstance(part, str) else part:
            text = str(each) if ours else f"page: step {each} of the start-up"
            found.append([len(found) + 1, 0, "health", "estiva" if ours else "stdout", text, "info"])
    return found


STARTED = "Started shop-live-r2.f3."
AGAIN = "Going on with shop-live-r2.f4, which an earlier attempt made; what it has written since its start follows once more."
ON = "Going on with shop-live-r2.f4, which an earlier attempt made; its first 4 lines are in the log already."
LATER = "Started shop-live-r2.f4."


def wrong(*parts: str | range, whole: bool = True) -> list[str]:
    """What is found."""
    return wrong_lines(tellings(log(*parts), SAID), last=9, whole=whole)


@pytest.mark.parametrize(
    "parts",
    [
        (STARTED, range(1, 10)),
        ("Created shop.", STARTED, range(1, 5), "shop is healthy.", range(5, 10)),
        (STARTED, range(1, 5), "Attempt 2, by worker.", AGAIN, range(1, 10)),
        (STARTED, range(1, 5), "Removing shop-live-r2.f4.", LATER, range(1, 10)),
        (STARTED, range(1, 5), AGAIN, LATER, range(1, 10)),
        (STARTED, range(1, 5), ON, LATER, range(5, 10)),
    ],
    ids=["at once", "in pieces", "told again", "another one", "adopted before it was started", "gone on with"],
)
def test_every_line_once(parts: tuple[str | range, ...]) -> None:
    assert wrong(*parts) == []


@pytest.mark.parametrize(
    "parts",
    [
        (STARTED, range(1, 5), range(6, 10)),
        (STARTED, range(1, 5), range(4, 10)),
        (STARTED, range(2, 10)),
        (STARTED, range(1, 5), "Attempt 2, by worker.", range(1, 10)),
        (STARTED, range(1, 5), STARTED, range(1, 10)),
        (STARTED, range(1, 5), AGAIN, range(5, 10)),
        (STARTED, range(1, 5), ON, LATER, range(1, 10)),
        (STARTED, range(1, 5), ON, LATER, range(6, 10)),
        (range(1, 5), STARTED, range(1, 10)),
        (STARTED, range(1, 9)),
        (STARTED, range(1, 10), AGAIN),
        (),
    ],
    ids=[
        "a gap",
        "a repeat",
        "the first is missing",
        "a repeat that nobody announced",
        "started once more",
        "announced and not told again",
        "gone on with and told again",
        "gone on with after a gap",
        "before it was started",
        "the last is missing",
        "nothing of the last one",
        "nothing at all",
    ],
)
def test_lines_that_are_missing_or_come_twice(parts: tuple[str | range, ...]) -> None:
    assert len(wrong(*parts)) == 1


def test_a_version_that_failed_need_not_have_come_to_its_end() -> None:
    assert wrong(STARTED, range(1, 5), whole=False) == []


def test_what_came_again_is_counted() -> None:
    told = tellings(log(STARTED, range(1, 5), AGAIN, range(1, 7), AGAIN.replace("f4", "f5"), range(1, 10)), SAID)
    assert told_again(told) == 4 + 6


def test_another_containers_lines_are_not_told_again() -> None:
    assert told_again(tellings(log(STARTED, range(1, 5), LATER, range(1, 10)), SAID)) == 0
