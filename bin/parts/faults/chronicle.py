"""Whether a Target's record tells things in the order in which they happened: its steps, its lines, and what its engine did."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from parts.faults.record import Share, Stepped

TOLERANCE: Final = 1.0  # seconds: all goes by one database's clock, but an answer of its takes a moment
Chunk = tuple[int, int, int, list[Any]]


@dataclass(frozen=True)
class Chronicle:
    """What is on record of one Target, and when its engine really created something for it."""

    share: Share
    requested: float
    steps: Sequence[Stepped]
    chunks: Sequence[Chunk]
    created: Sequence[float] = ()

    @property
    def off(self) -> float:
        """Seconds by which the line that is furthest outside the Target's own time is outside."""
        times = [line[1] / 1000 for _, _, _, lines in self.chunks for line in lines]
        return max((max(0.0, self.share.started - at, at - self.share.ended) for at in times), default=0.0)

    def wrong(self) -> Iterator[str]:
        """What isn't in order."""
        share = self.share
        if not self.requested - TOLERANCE <= share.started <= share.ended:
            yield f"{share} was asked for at {self.requested}, began at {share.started} and ended at {share.ended}"
        yield from self._steps()
        yield from self._lines()
        for at in self.created:
            if not self._within(at):
                yield f"{share} is on record from {share.started} to {share.ended}, and created a container at {at}"

    def _within(self, at: float) -> bool:
        return self.share.started - TOLERANCE <= at <= self.share.ended + TOLERANCE

    def _steps(self) -> Iterator[str]:
        if not self.steps:
            yield f"{self.share} has no steps"
        for one in self.steps:
            if not one.started <= one.ended or not (self._within(one.started) and self._within(one.ended)):
                yield f"step {one.key} of {self.share} is on record from {one.started} to {one.ended}"
        for one, other in itertools.pairwise(self.steps):
            same = one.fence == other.fence  # an earlier attempt's last step is closed by the next one
            if other.started < (one.ended if same else one.started) or other.first_line < one.first_line:
                yield f"step {other.key} of {self.share} began at {other.started}, before {one.key} ended at {one.ended}"

    def _lines(self) -> Iterator[str]:
        rows = [(line, fence) for _, _, fence, lines in self.chunks for line in lines]
        if not rows:
            yield f"{self.share} has no line"
        for (one, fence), (other, next_fence) in itertools.pairwise(rows):
            back = (one[1] - other[1]) / 1000
            if back > (0.0 if fence == next_fence else TOLERANCE):
                yield f"line {other[0]} of {self.share} is {back:.3f} s older than the one before it"
        if self.off > TOLERANCE:
            yield f"a line of {self.share} is {self.off:.1f} s outside its time"
        begins = {(step.fence, step.first_line): step.key for step in self.steps}  # of those without a line the last
        for line, fence in rows:
            key = begins.get((fence, line[0]), line[2])
            if line[2] != key:
                yield f"line {line[0]} of {self.share} is of step {line[2]}, where {key} begins"
