"""Calls that block without looking up, made on a thread of their own so that the caller can be interrupted meanwhile."""

import threading
from collections.abc import Callable
from typing import TypeVar

from worker.sources.shapes import Interrupt

T = TypeVar("T")
_SLICE_SECONDS = 0.1


class Abandoned(Exception):
    """Nobody waits any more; raised on the abandoned thread by `stop`."""


def interruptibly(work: Callable[[threading.Event], T], interrupt: Interrupt) -> T:
    """What `work` returns or raises. When `interrupt` raises, the event given to `work` is set and it is left to itself."""
    done, stop = threading.Event(), threading.Event()
    results: list[T] = []
    failures: list[BaseException] = []

    def go() -> None:
        try:
            results.append(work(stop))
        except BaseException as error:  # noqa: BLE001 - handed on to the caller's thread
            failures.append(error)
        done.set()

    threading.Thread(target=go, name="estiva-git-http", daemon=True).start()
    try:
        while not done.wait(_SLICE_SECONDS):
            interrupt()
    except BaseException:
        stop.set()
        raise
    if failures:
        raise failures[0]
    return results[0]


def go_on(stop: threading.Event) -> None:
    """Raise Abandoned if nobody waits any more."""
    if stop.is_set():
        raise Abandoned
