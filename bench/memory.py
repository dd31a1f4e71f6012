"""What an installation's processes hold in memory while something goes on: the most, not only what is left at its end."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import processes
from parts.processes import PartError

LOOKS_EVERY = 0.5  # seconds


class Memory:
    """Looks at these roles' processes until it is left."""

    def __init__(self, folder: Path, roles: Sequence[str]) -> None:
        self._pids = {role: processes.pids(folder, role) for role in roles}
        if missing := [role for role, pids in self._pids.items() if not pids]:
            raise PartError(f"There is no {' and no '.join(missing)} whose memory could be looked at.")
        self._over, self._lock = threading.Event(), threading.Lock()
        self._rest: dict[str, float] = {}
        self._most: dict[str, float] = {}
        self._looker = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self.begin()
        self._looker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looker.join()

    def begin(self) -> None:
        """What they hold now is what they are compared with from here on."""
        now = self._now()
        with self._lock:
            self._rest, self._most = now, dict(now)

    def grew(self) -> dict[str, float]:
        """By how many MB each role held more than at the beginning, at most."""
        with self._lock:
            return {role: self._most[role] - self._rest[role] for role in self._pids}

    def _look_on(self) -> None:
        while not self._over.wait(LOOKS_EVERY):
            now = self._now()
            with self._lock:
                self._most = {role: max(self._most[role], now[role]) for role in self._pids}

    def _now(self) -> dict[str, float]:
        return {role: processes.resident(pids) for role, pids in self._pids.items()}
