"""One thread a process that writes the waiting lines of every running Target, about twenty times a second.

Less often where that takes much of the processor: else a worker that deploys to forty servers at once does little but write.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.05
LONGEST_SECONDS = 0.5
_SHARE = 3  # one part of the time is for writing, at most


class Ticking(Protocol):
    """What the Flusher drives."""

    def tick(self) -> None:
        """Write what is waiting; must not block for long."""
        ...


class Flusher:
    """Sleeps while nothing runs."""

    def __init__(self) -> None:
        self._watched: list[Ticking] = []
        self._changed = threading.Condition()
        self._stopped = self._hurried = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it ever began; what waits is written by whoever recorded it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def hurry(self) -> None:
        """Write what waits now, not at the next tick: somebody looks at an empty page."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    @contextmanager
    def watching(self, recorder: Ticking) -> Iterator[None]:
        """Drive this one meanwhile."""
        with self._changed:
            self._watched.append(recorder)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._watched.remove(recorder)

    def _run(self) -> None:
        try:
            self._loop()
        finally:
            connection.close()

    def _loop(self) -> None:
        rest = TICK_SECONDS
        while True:
            with self._changed:
                if not self._watched:
                    rest = TICK_SECONDS
                self._changed.wait_for(lambda: self._stopped or bool(self._watched))
                if self._stopped:
                    return
                self._changed.wait_for(lambda: self._stopped or self._hurried, timeout=rest)
                self._hurried = False
                watched = list(self._watched)
            began = time.thread_time()  # a database that is far away costs nothing but patience
            for each in watched:
                self._tick(each)
            rest = rest_after(time.thread_time() - began)

    def _tick(self, each: Ticking) -> None:
        try:
            each.tick()
        except Exception:
            log.exception("a recorder's tick failed; its Target goes on and writes by itself")


def rest_after(seconds: float) -> float:
    """How long to wait after writing took so many seconds of the processor."""
    return min(LONGEST_SECONDS, max(TICK_SECONDS, (_SHARE - 1) * seconds))
