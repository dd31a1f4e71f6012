"""When the pages did not come, as seen by somebody who keeps asking for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from parts.processes import wait_until

Interval = tuple[float, float]
"""From when to when, in seconds since the epoch."""
STEP: Final = 0.05
BACK_SECONDS: Final = 60.0


class Absence:
    """Asks `there` in steps of 50 ms whether a page comes. `intervals` is filled while it looks."""

    def __init__(self, there: Callable[[], bool]) -> None:
        self._there = there
        self._is_there = True
        self.intervals: list[Interval] = []

    @property
    def seconds(self) -> float:
        """How long in all."""
        return sum(end - begin for begin, end in self.intervals)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look on a thread of its own until the block has ended and pages come again; PartError where they don't."""
        over = threading.Event()
        looking = threading.Thread(target=self._look, args=(over,), name="asks for a page", daemon=True)
        looking.start()
        try:
            yield
            wait_until(lambda: self._is_there, "pages come again", timeout=BACK_SECONDS)
        finally:
            over.set()
            looking.join()

    def _look(self, over: threading.Event) -> None:
        before = time.time()
        while not over.wait(STEP):
            was_there, self._is_there, now = self._is_there, self._there(), time.time()
            if not self._is_there:
                begin = before if was_there else self.intervals.pop()[0]
                self.intervals.append((begin, now))
            before = now
