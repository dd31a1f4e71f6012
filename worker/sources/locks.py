"""Locks between the processes of one machine, freed by the kernel when their holder dies."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.sources.errors import GitRefused
from worker.sources.shapes import Interrupt

_PAUSE = 0.05


@contextmanager
def held(path: Path, *, shared: bool, seconds: float, interrupt: Interrupt) -> Iterator[None]:
    """Hold the lock on this file, alone or shared. The file stays: removing it would let two holders in."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, time.monotonic() + seconds, interrupt)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, kind: int, until: float, interrupt: Interrupt) -> None:
    """flock can't be waited for and interrupted at once, so it is asked for again and again."""
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            interrupt()
        else:
            return
        if time.monotonic() > until:
            raise GitRefused(
                "too_slow",
                "Somebody else has been using the worker's copy of this repository for too long.",
                why="Another deployment or check of the same repository is still fetching or sending it.",
                remedy="Wait for it to end, or cancel it, and try again.",
            )
        pause.wait(_PAUSE)
