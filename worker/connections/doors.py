"""How many handshakes this process has under way with each sshd: one that sees too many strangers at once turns them away."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

# MaxStartups begins to drop at ten, at random, and a busy sshd goes on counting those who are in already for a while: eight were too
# many. A worker and a looker together stay below ten.
MOST = 4
_SLICE = 0.05


class Doors:
    """A door for each sshd, through which so many may be at once; however many doors there are."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._inside: Counter[Hashable] = Counter()
        self._left = threading.Condition()

    @contextmanager
    def through(self, where: Hashable, interrupt: Callable[[], None]) -> Iterator[None]:
        """Wait for a place at this sshd's door and hold it while inside; what `interrupt` raises ends the wait."""
        with self._left:
            while self._inside[where] >= self._most:
                self._left.wait(_SLICE)
                interrupt()
            self._inside[where] += 1
        try:
            yield
        finally:
            with self._left:
                self._inside[where] -= 1
                if not self._inside[where]:
                    del self._inside[where]
                self._left.notify_all()
