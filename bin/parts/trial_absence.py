"""When the web did not answer, as seen from beside it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

Interval = tuple[float, float]
"""From when to when, in seconds since the epoch."""
STEP: Final = 0.05


class Absence:
    """Asks /healthz of the web behind a port of this machine, in steps of 50 ms. `intervals` is filled while it looks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.intervals: list[Interval] = []

    @property
    def seconds(self) -> float:
        """How long in all."""
        return sum(end - begin for begin, end in self.intervals)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look on a thread of its own until the block ends."""
        over = threading.Event()
        looking = threading.Thread(target=self._look, args=(over,), name=f"looks at port {self._port}", daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()

    def _look(self, over: threading.Event) -> None:
        before, was_there = time.time(), True
        while not over.wait(STEP):
            there, now = answers(self._port), time.time()
            if not there:
                begin = before if was_there else self.intervals.pop()[0]
                self.intervals.append((begin, now))
            before, was_there = now, there


def answers(port: int) -> bool:
    """Whether the web behind this port says that it lives."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
