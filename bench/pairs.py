"""Ways that take turns: every round times each of them once, in an order that is shuffled anew, and ratios are taken round by round."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles

ROUNDS = 7  # unless somebody asks for another number
FEW = 4  # rounds: with less nothing is told of how steady the machine was
NOISY = 0.25  # of the median, between the quartiles: beyond that ratios tell little


def take_turns(ways: Mapping[str, Callable[[int], float | None]], rounds: int, seed: int = 1) -> dict[str, list[float]]:
    """Seconds of each way, round by round, after a round that isn't counted.

    A way is given the round's number; where it returns a number, that is its time and not the clock's.
    """
    order, seconds = list(ways), {name: [0.0] * rounds for name in ways}
    shuffled = random.Random(seed)  # noqa: S311 - an order, no secret
    for number in range(-1, rounds):
        shuffled.shuffle(order)
        for name in order:
            begun = time.monotonic()
            told = ways[name](number)
            spent = time.monotonic() - begun if told is None else told
            if number >= 0:
                seconds[name][number] = spent
        said = ", ".join(f"{name} {seconds[name][number]:.2f}" for name in ways) if number >= 0 else "warm-up"
        print(f"round {number + 1} of {rounds}: {said}", flush=True)
    return seconds


def ratios(of: Sequence[float], over: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(of, over, strict=True)]


def medians(rounds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Figures from what each round gave."""
    return {figure: median(values) for figure, values in rounds.items()}


def by_part(values: Sequence[float], of: Callable[[Sequence[float]], float], parts: int = ROUNDS) -> list[float]:
    """The same figure for each part of what was measured in one go: what rounds are where there are none."""
    size = max(2, len(values) // parts)
    return [of(values[begin : begin + size]) for begin in range(0, len(values) - size + 1, size)]


def spread(values: Sequence[float]) -> float:
    """How far the quartiles are apart, as a share of the median; of at least two values."""
    low, _, high = quantiles(values, n=4)
    return (high - low) / median(values)


def noise(reference: Sequence[float]) -> str:
    """Words on how steady the machine was, by the reference; "" where it was."""
    if len(reference) < FEW:
        return "too few rounds to tell how steady the machine was"
    apart = spread(reference)
    return (
        f"the machine was too noisy to tell: the reference's quartiles are {apart:.0%} apart" if apart > NOISY else ""
    )


def each(values: Sequence[float]) -> str:
    """The single times, for the table; in milliseconds where all are shorter than a tenth of a second."""
    if max(values) < 0.1:
        return "each " + " ".join(f"{value * 1000:.1f}" for value in values) + " ms"
    return "each " + " ".join(f"{value:.2f}" for value in values)
