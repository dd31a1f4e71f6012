"""A list that is too long for one page, in parts of the same size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Part:
    """The part `number`, counted from 1, of a list of `total`; `size` is the most that one bears."""

    number: int
    size: int
    total: int

    @property
    def first(self) -> int:
        """The first that it bears, counted from 1."""
        return (self.number - 1) * self.size + 1

    @property
    def last(self) -> int:
        """The last that it bears."""
        return min(self.number * self.size, self.total)

    @property
    def before(self) -> int | None:
        """The part before, where there is one."""
        return self.number - 1 if self.number > 1 else None

    @property
    def after(self) -> int | None:
        """The part after, where there is one."""
        return self.number + 1 if self.last < self.total else None

    @property
    def is_whole(self) -> bool:
        """It is the whole list."""
        return self.total <= self.size

    def of(self, every: Sequence[_Each]) -> Sequence[_Each]:
        """What it bears."""
        return every[self.first - 1 : self.last]


def part(wanted: int, size: int, total: int) -> Part:
    """The wanted part, or the nearest that there is."""
    return Part(max(1, min(wanted, -(-total // size))), size, total)
