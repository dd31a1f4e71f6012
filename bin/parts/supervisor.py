"""A small supervisor: starts programs in order, restarts one that dies and says so, and ends all it started and nothing else."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from parts.processes import PartError
from parts.screen import say

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0


class Supervised(Protocol):
    """What the supervisor looks after: a Part or a Service."""

    name: str

    def start(self) -> None:
        """Start and return when ready; PartError if that fails."""

    def wait(self) -> int:
        """Block until it ends."""

    def stop(self) -> None:
        """End it, also if it has ended."""


class Supervisor:
    """Use as a context manager around the whole run: leaving it ends everything, the last started first."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self._running: list[tuple[Supervised, threading.Thread | None]] = []

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, program: Supervised, *, keep: bool = True) -> None:
        """Start a program and wait until it is ready; `keep` restarts it when it ends by itself."""
        if self.ending.is_set():
            raise PartError("stopped before everything had started")
        self._running.append((program, None))
        program.start()
        if keep:
            watcher = threading.Thread(target=self._watch, args=(program,), name=f"watch {program.name}", daemon=True)
            self._running[self._running.index((program, None))] = (program, watcher)
            watcher.start()

    def start_together(self, *programs: Supervised) -> None:
        """Start programs that don't wait for one another, and wait until all are ready; PartError if one fails."""
        with ThreadPoolExecutor(len(programs)) as pool:
            starts = [pool.submit(self.start, program) for program in programs]
        for start in starts:
            start.result()

    def end(self) -> None:
        """End all programs in reverse order. What can't be ended is said, and the others are ended all the same."""
        self.ending.set()
        while self._running:
            program, watcher = self._running.pop()
            self._stop(program)
            if watcher is not None:
                watcher.join(timeout=LONGEST_PAUSE)
                self._stop(program)  # the watcher may have been starting it again just then

    def wait(self) -> None:
        """Block until somebody asks to end (Ctrl-C, SIGTERM, or `ending` set)."""
        self.ending.wait()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """While inside, Ctrl-C and SIGTERM ask to end; a second one is not needed and changes nothing."""

        def asked(number: int, _frame: FrameType | None) -> None:
            first = not self.ending.is_set()
            self.ending.set()
            if first and threading.current_thread() is threading.main_thread():
                raise Interrupted(number)

        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, program: Supervised) -> None:
        try:
            program.stop()
        except PartError as error:
            say(program.name, str(error))

    def _watch(self, program: Supervised) -> None:
        """Wait for one program, again and again; each pause doubles until it has run a while."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = program.wait()
            if self.ending.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else pause
            say(program.name, f"ended by itself ({_outcome(code)}); starting it again in {pause:g} s")
            while True:
                if self.ending.wait(pause):
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
                try:
                    program.start()
                    break
                except PartError as error:
                    say(program.name, f"{error} Trying again in {pause:g} s")
            say(program.name, "runs again")


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C or sent SIGTERM; not an error, and no `except Exception` may hold it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


def _outcome(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
