"""Workers from `parts.faults.nursery`, one after another: those that are to die at a point, and those that come after them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from parts.environment import ROOT
from parts.faults.estiva import BIN, ROOT_IS_FINE_HERE, Estiva, stands_still
from parts.faults.nursery_points import Point
from parts.part import remember
from parts.processes import PartError, kill_all, start_time, wait_until


class Bred:
    """One such worker."""

    def __init__(self, pid: int, name: str, log: Path) -> None:
        self._pid, self.name, self.log = pid, name, log
        self._started = start_time(pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._started is not None and start_time(self.pid) == self._started

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self.alive and stands_still(self.pid)

    def ready(self) -> None:
        """Wait until it takes messages."""
        wait_until(lambda: not self.alive or self._is_ready(), f"{self.name} ready", timeout=30)
        if not self.alive:
            raise PartError(f"{self.name} ended while starting: {self.log.read_text(errors='replace')[-2000:]}")

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, awaited."""
        if self.alive:
            kill_all([self.pid])

    def _is_ready(self) -> bool:
        return self.log.exists() and " ready." in self.log.read_text(errors="replace")


class Nursery:
    """Use as a context manager."""

    def __init__(self, estiva: Estiva, mark: str = "n") -> None:
        self._estiva, self._mark = estiva, mark  # of its workers' names, where there are several nurseries
        self._numbers = count(1)
        self._bred: list[Bred] = []
        with (estiva.folder / "nursery.log").open("ab") as log:
            self._child = subprocess.Popen(
                [str(BIN / "python"), "-m", "parts.faults.nursery"],
                cwd=ROOT,
                env={**estiva.environment(secret=True), "PYTHONWARNINGS": ROOT_IS_FINE_HERE},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        remember(estiva.folder, self._child.pid)

    def worker(self, point: dict[str, Any] | None = None, **more: Any) -> Bred:
        """A worker that takes messages; with a `point`, one that dies there."""
        one = self.begin([Point(**point)] if point else (), **more)
        one.ready()
        return one

    def workers(self, count: int, points: Sequence[Point] = (), **more: Any) -> list[Bred]:
        """Several that take messages, begun at the same moment; each of them dies at the first of the `points` that it comes to."""
        several = [self.begin(points, **more) for _ in range(count)]
        for one in several:
            one.ready()
        return several

    def begin(self, points: Sequence[Point] = (), *, queue: str = "deploy", concurrency: int = 8, **more: Any) -> Bred:
        """A worker that is not yet awaited; `more` is as `parts.faults.nursery` says."""
        number = next(self._numbers)
        name = f"{queue}-{self._mark}{number}@faults"
        log = self._estiva.folder / f"{queue}-{self._mark}{number}.log"
        about = {"queue": queue, "name": name, "concurrency": concurrency, "log": str(log)}
        order = {**about, "points": [asdict(each) for each in points], **more}
        if self._child.stdin is None or self._child.stdout is None:
            raise PartError("The nursery is closed.")
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        told = self._child.stdout.readline()
        if not told.strip().isdecimal():
            raise PartError(f"The nursery ended; see {self._estiva.folder}/nursery.log.")
        one = Bred(int(told), name, log)
        remember(self._estiva.folder, one.pid)
        self._bred.append(one)
        return one

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End them all."""
        for one in self._bred:
            if one.alive:
                one.send(signal.SIGCONT)
                one.kill()
        self._child.kill()
        self._child.communicate()
