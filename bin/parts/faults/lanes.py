"""Rows side by side: each lane has a world of its own, so that what one breaks no other meets."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from parts.faults.row import Result, Row, Wanted
from parts.faults.world import World
from parts.screen import say

LANES = 2
TO_END_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """A row on a database, and which part of what is wanted of it."""

    row: Row
    database: str
    parts: int = 1


@dataclass
class Lanes:
    """What is still to be done, and who does it. `done` is told each result as it comes."""

    folder: Path
    wanted: Wanted
    seed: int
    done: Callable[[Result], None]
    until: float | None = None  # on the monotonic clock: no row begins later
    ending: threading.Event = field(default_factory=threading.Event)
    _left: deque[Job] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def run(self, jobs: Iterable[Job], lanes: int = LANES) -> None:
        """All of them, the first ones first. Interrupted, the lanes come to their end, and the reason goes on."""
        self._left = deque(jobs)
        several = [threading.Thread(target=self._lane, name=f"lane {each + 1}", daemon=True) for each in range(lanes)]
        try:
            for each in several:
                each.start()
            for each in several:
                while each.is_alive():
                    each.join(0.5)  # signals come in between
        finally:
            self.ending.set()
            for each in several:
                each.join(TO_END_SECONDS)

    def _lane(self) -> None:
        """A world, and in it as many rows as can share one; then the next."""
        while job := self._next():
            name = f"w{next(self._numbers)}"
            under_way = [job]
            try:
                self._in_a_world(name, under_way)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is this world's, and the other rows go on
                if self.ending.is_set():
                    return
                said = f"{type(error).__name__}: {error}"[:2000]
                say("faults", f"ERROR {traceback.format_exc()}")
                for each in under_way:
                    self._tell(each, Result(each.row.name, error=f"no world: {said}"))
                if not under_way:  # its rows are told already
                    self._tell(job, Result(f"the end of world {name}", error=said))

    def _in_a_world(self, name: str, under_way: list[Job]) -> None:
        """In one that is made for it; where that goes wrong, what Estiva's processes said stands beside the error."""
        world = World(self.folder / name, postgres=under_way[0].database == "postgres")
        world.ending = self.ending
        try:
            with world:
                self._in(world, under_way)
        except Exception:
            print(world.estiva.logs(), flush=True)
            raise

    def _in(self, world: World, under_way: list[Job]) -> None:
        """Row after row, until one breaks off: it gets no other after it in its world."""
        world.estiva.worker("look")
        world.estiva.reconciler()
        job: Job | None = under_way[0]
        while job is not None:
            under_way[:] = [job]
            result = job.row.run(world, replace(self.wanted, parts=job.parts), self.seed)
            if self.ending.is_set():
                return
            under_way.clear()
            self._tell(job, result)
            if result.error:
                print(world.estiva.logs(), flush=True)
                return
            job = self._next(job)

    def _next(self, after: Job | None = None) -> Job | None:
        """The next one; `after` another, only what may share its world."""
        with self._lock:
            if self.until is not None and time.monotonic() > self.until:
                self._give_up()
            if self.ending.is_set() or (after is not None and after.row.own_world):
                return None
            for each in self._left:
                if after is None or (each.database == after.database and not each.row.own_world):
                    self._left.remove(each)
                    return each
        return None

    def _give_up(self) -> None:
        for each in self._left:
            self.done(Result(each.row.name, error="no time was left for it", database=each.database, skipped=True))
        self._left.clear()

    def _tell(self, job: Job, result: Result) -> None:
        result.database = job.database
        with self._lock:
            self.done(result)
