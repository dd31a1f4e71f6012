"""What a container wrote, as it numbered its lines itself, against what Estiva's log has of it: nothing is missing, nothing comes twice.

An attempt that goes on with a container tells what follows on what is in the log already, and says so. Where its engine may have dropped the
first lines it lets all that is left follow once more, and says that: it alone is no repeat; how many lines came again like that is counted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OURS: Final = "estiva"
_STARTED: Final = re.compile(r"Started (?P<name>\S+)\.")
_AGAIN: Final = re.compile(r"Going on with (?P<name>\S+), which an earlier attempt made; .* follows once more\.")
_ON: Final = re.compile(
    r"Going on with (?P<name>\S+), which an earlier attempt made; its first .* in the log already\."
)


@dataclass
class Told:
    """One telling of a container's output: from its start, or from where an attempt said that it follows again."""

    container: str
    again: bool
    numbers: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{'again ' if self.again else ''}of {self.container}"


def tellings(lines: Iterable[Sequence[Any]], said: re.Pattern[str]) -> list[Told]:
    """By what Estiva says in between; `said` finds a container's own number of a line, as its first group."""
    found = [Told("", again=False)]
    for _, _, _, stream, text, *_ in lines:
        if stream != OURS:
            number = said.search(text)
            if number:
                found[-1].numbers.append(int(number[1]))
        elif begun := _STARTED.fullmatch(text):
            if begun["name"] != found[-1].container:
                found.append(Told(begun["name"], again=False))
        elif on := _ON.fullmatch(text):
            found[-1].container = on["name"]  # it has another name now; what it is told to have written goes on
        elif again := _AGAIN.fullmatch(text):
            found.append(Told(again["name"], again=True))
    return found


def wrong_lines(told: Sequence[Told], *, last: int, whole: bool) -> list[str]:
    """What is wrong with them. Each begins with the first line and leaves none out; the last, if `whole`, ends with line `last`."""
    found = []
    for each in told:
        if not each.container and each.numbers:
            found.append(f"{len(each.numbers)} lines of a container before any was started")
        elif each.numbers != list(range(1, len(each.numbers) + 1)):
            found.append(f"what was told {each} is not one line after the other: {_breaks(each.numbers)}")
    if whole and (not told or not told[-1].numbers or max(told[-1].numbers) != last):
        ended = max(told[-1].numbers, default=0) if told else 0
        found.append(f"what was told last ends with line {ended} of {last}")
    return found


def told_again(told: Sequence[Told]) -> int:
    """How many lines came again, announced. An attempt gives the container another name before it goes on with it."""
    pairs = itertools.pairwise(told)
    return sum(min(len(one.numbers), len(other.numbers)) for one, other in pairs if other.again)


def _breaks(numbers: Sequence[int]) -> str:
    """Where one doesn't follow on the one before."""
    found = [f"{one} then {other}" for one, other in zip([0, *numbers], numbers, strict=False) if other != one + 1]
    return ", ".join(found[:5])
