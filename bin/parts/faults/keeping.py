"""What systemd does: whatever of Estiva's dies is started again a second later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from parts.faults.estiva import Estiva
from parts.processes import Process


@dataclass
class Kept:
    """Something that is started again when it has ended."""

    kind: str
    start: Callable[[], Process]
    process: Process


class Keeper:
    """Use as a context manager; who leaves it ends everything that it keeps."""

    def __init__(self, estiva: Estiva) -> None:
        self._estiva, self._ending = estiva, threading.Event()
        self._kept: list[Kept] = []
        self._thread = threading.Thread(target=self._loop, name="keeper", daemon=True)

    def keep(self, kind: str, start: Callable[[], Process], process: Process | None = None) -> None:
        """See that it runs: start it, unless it is this `process` already. A start doesn't wait until it is ready."""
        self._kept.append(Kept(kind, start, process or start()))

    def running(self, kind: str) -> list[Process]:
        """Those of a kind that run now."""
        return [each.process for each in list(self._kept) if each.kind == kind and each.process.alive]

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for each in self._kept:
            self._estiva.end(each.process)

    def _loop(self) -> None:
        while not self._ending.wait(1):
            for each in list(self._kept):
                if not each.process.alive:
                    each.process.kill()  # of its group: a master's own processes go with it, as with a service's
                    each.process = each.start()
