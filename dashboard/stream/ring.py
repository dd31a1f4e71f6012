"""The newest lines of one Target, kept while somebody watches: consecutive, and bounded."""

from collections import deque
from typing import NamedTuple

from deployments import live

MOST_ENTRIES = 200
MOST_CHARACTERS = 400_000


class Entry(NamedTuple):
    """Lines `first…last`, as JSON."""

    first: int
    last: int
    lines: str

    def after(self, line: int) -> "Entry":
        """Without the lines up to and including `line`."""
        if line < self.first:
            return self
        kept = [row for row in live.decode_lines(self.lines) if row.number > line]
        return Entry(line + 1, self.last, live.encode_lines(kept))


class Ring:
    """Consecutive entries; a jump in the numbers empties what was before it, since a hole must be filled from the record."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._characters = 0

    @property
    def first(self) -> int:
        """The oldest line held; 0 when empty."""
        return self._entries[0].first if self._entries else 0

    @property
    def last(self) -> int:
        """The newest line held; 0 when empty."""
        return self._entries[-1].last if self._entries else 0

    def add(self, entry: Entry) -> None:
        """Take in an entry; what is known already is dropped."""
        if entry.last <= self.last:
            return
        if self._entries and entry.first > self.last + 1:
            self._entries.clear()
            self._characters = 0
        fresh = entry.after(self.last)
        self._entries.append(fresh)
        self._characters += len(fresh.lines)
        while len(self._entries) > 1 and (len(self._entries) > MOST_ENTRIES or self._characters > MOST_CHARACTERS):
            self._characters -= len(self._entries.popleft().lines)

    def after(self, line: int) -> Entry | None:
        """The entry that holds line + 1, cut to begin there; None when the ring doesn't hold it."""
        if not self.first <= line + 1 <= self.last:
            return None
        return next(entry for entry in self._entries if entry.last > line).after(line)
