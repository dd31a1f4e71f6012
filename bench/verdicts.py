"""Whether a figure is what it should be: met, missed, or that the machine was too noisy to tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.pairs import FEW, NOISY, spread

BUSY = 0.25  # of the cores, before a benchmark begins: beyond that its times are another's, too
PAST = 1.5  # of an aim: a bar that would be longer ends there
UNTOLD = "too noisy to tell"


@dataclass(frozen=True, slots=True)
class Aimed:
    """A figure that has an aim, the largest value that it should have or the smallest. `doubt` is why its verdict can't be told."""

    figure: str
    value: float
    aim: float
    at_least: bool = False
    doubt: str = ""

    @property
    def met(self) -> bool:
        """Whether the number says so, whatever it is worth."""
        return self.value >= self.aim if self.at_least else self.value <= self.aim

    @property
    def verdict(self) -> str:
        """In a word or a few."""
        return UNTOLD if self.doubt else "met" if self.met else "missed"

    @property
    def wanted(self) -> str:
        """The aim with its sign."""
        return f"{'≥' if self.at_least else '≤'} {self.aim:g}"

    @property
    def words(self) -> str:
        """Figure, aim and verdict."""
        return f"{self.figure} {self.value:.4g}, aim {self.wanted}, {self.verdict}"

    @property
    def share(self) -> float:
        """Of the aim: 1 is just met."""
        if self.aim:
            return min(self.value / self.aim, PAST)
        return PAST if self.value else 0.0


def aimed(found: Mapping[str, Any]) -> Iterator[Aimed]:
    """The figures of a result that have an aim, as they stand. On a machine that was busy before, no time tells anything."""
    busy = "the machine was busy with other work" if was_busy(found) else ""
    for figure, value in found["figures"].items():
        for kind in ("aims", "at_least"):
            if figure in found[kind] and not isinstance(value, str):
                doubt = found.get("doubts", {}).get(figure, "") or (busy if is_time(figure) else "")
                yield Aimed(figure, float(value), float(found[kind][figure]), kind == "at_least", doubt)


def was_busy(found: Mapping[str, Any]) -> bool:
    """Whether something else ran before the benchmark began."""
    return bool(found.get("load_before", 0.0) > found.get("cores", 1) * BUSY)


def is_time(figure: str) -> bool:
    """Whether noise changes it: times and ratios of times do, by their names; what is counted or weighed doesn't."""
    return "_over_" in figure or figure.endswith(("_ms", "_s"))


def doubts(
    aims: Mapping[str, float],
    at_least: Mapping[str, float],
    noise: str,
    rounds: Mapping[str, Sequence[float]],
    noises: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Figure → why it can't be told whether its aim is met.

    `rounds` are the values that single rounds gave. Where all of them lie on the same side of the aim, noise changes nothing about it.
    `noises` is what to say in the place of `noise` of figures that have another reference.
    """
    said, others = {}, noises or {}
    for figure, aim in {**aims, **at_least}.items():
        values = rounds.get(figure, ())
        if not is_time(figure) or (len(values) >= FEW and _agree(values, aim, figure in at_least)):
            continue
        if values and len(values) < FEW:
            said[figure] = f"{len(values)} rounds are too few to tell"
        elif restless := others.get(figure, noise):
            said[figure] = restless
        elif values and spread(values) > NOISY:
            said[figure] = f"the rounds' quartiles are {spread(values):.0%} apart"
    return said


def _agree(values: Sequence[float], aim: float, at_least: bool) -> bool:
    return len({Aimed("", value, aim, at_least).met for value in values}) == 1
