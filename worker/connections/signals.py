"""What may interrupt a call to a server: somebody's wish to stop, or the loss of the lease. Standard library only."""

import threading

from worker.engine.errors import Cancelled, LeaseLost


class _Flag(threading.Event):
    """An event that also sets a second one, so that a thread can wait for either of two."""

    def __init__(self, either: threading.Event) -> None:
        super().__init__()
        self._either = either

    def set(self) -> None:
        """Set it, and wake whoever waits for any of the signals."""
        super().set()
        self._either.set()


class Signals:
    """The signals of one Target or Operation.

    Any thread may set `cancelled` or `lost`; the engine's own thread meets them.

    `check()` raises `Cancelled` once: after that, or after `shield()`, only `LeaseLost` is raised.
    """

    def __init__(self) -> None:
        self._either = threading.Event()
        self.cancelled: threading.Event = _Flag(self._either)
        self.lost: threading.Event = _Flag(self._either)
        self._shielded = False
        self.handing_back = False  # the lease holds, and whoever takes it up goes on from here

    def shield(self) -> None:
        """Stop raising `Cancelled`: what follows restores the server."""
        self._shielded = True

    @property
    def pending(self) -> bool:
        """`check()` would raise."""
        return self.lost.is_set() or (self.cancelled.is_set() and not self._shielded)

    def check(self) -> None:
        """Raise what was asked for, if anything was."""
        if self.lost.is_set():
            raise LeaseLost("Another worker may hold this work now.")
        if self.cancelled.is_set() and not self._shielded:
            self._shielded = True
            raise Cancelled("Somebody asked to stop.")

    def wait(self, seconds: float) -> None:
        """Wait that long (wall clock), less when a signal comes; then `check()`."""
        (self.lost if self._shielded else self._either).wait(max(0.0, seconds))
        self.check()
