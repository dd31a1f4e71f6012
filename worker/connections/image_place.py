"""Where the reader of an image and one of its receivers meet: a few megabytes of it, between two threads."""

import threading
import time
from collections import deque

_ROOM = 8 << 20  # bytes a place holds
_SLICE = 0.05  # seconds: how late either side looks up


class LeftBehind(Exception):
    """The shared read goes on without this receiver."""


class Place:
    """One receiver's. `take`, `declare` and `leave` are for its thread, the rest for the reader's."""

    def __init__(self) -> None:
        self.lacks: frozenset[str] | None = None
        self.gone = False
        self.blocked = 0.0  # seconds for which others waited for this one
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._problem: Exception | None = None
        self._changed = threading.Condition()

    def declare(self, lacks: frozenset[str]) -> None:
        """Say which layers are wanted."""
        with self._changed:
            self.lacks = lacks
            self._changed.notify_all()

    def take(self) -> list[bytes]:
        """The next pieces; none when nothing came within a moment. Raises what went wrong."""
        with self._changed:
            if not self._pieces and not self._ended:
                self._changed.wait(_SLICE)
            if not self._pieces and self._problem is not None:
                raise self._problem
            taken = list(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._changed.notify_all()
            return taken

    @property
    def over(self) -> bool:
        """Everything was taken, and all went well."""
        return self._ended and not self._pieces and self._problem is None

    def leave(self) -> None:
        """Want nothing more."""
        with self._changed:
            self.gone = True
            self._pieces.clear()
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """It has nothing to do."""
        return not self._pieces

    def await_declaration(self, until: float) -> bool:
        """False when it never came."""
        with self._changed:
            while self.lacks is None and not self.gone and time.monotonic() < until:
                self._changed.wait(_SLICE)
            return self.lacks is not None or self.gone

    def offer(self, piece: bytes) -> bool:
        """Put a piece, or wait for a moment and say False."""
        with self._changed:
            if self._size >= _ROOM and not self.gone:
                self._changed.wait(_SLICE)
            if self._size >= _ROOM and not self.gone:
                return False
            if not self.gone:
                self._pieces.append(piece)
                self._size += len(piece)
                self._changed.notify_all()
            return True

    def end(self, problem: Exception | None = None) -> None:
        """No more pieces. What was said first counts."""
        with self._changed:
            if not self._ended:
                self._ended, self._problem = True, problem
            self._changed.notify_all()
