"""A program of Estiva's own under the supervisor: its output goes to the terminal line by line, after its name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from parts.part import remember
from parts.processes import PartError, descendants, kill_all, wait_until
from parts.screen import say


class Service:
    """One supervised program in a process group of its own.

    It can be counted on when `ready` says so and, where `ready_words` is given, it has printed a line with them.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        cwd: Path | None = None,
        ready: Callable[[], bool] = lambda: True,
        ready_words: str = "",
        ready_seconds: float = 60,
        stop_seconds: float = 10,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._folder = folder
        self._env = dict(env)
        self._cwd = cwd
        self._ready = ready
        self._ready_words = ready_words
        self._printed = threading.Event()
        self._ready_seconds = ready_seconds
        self._stop_seconds = stop_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """The running program's process id."""
        if self._child is None:
            raise PartError(f"{self.name} has not been started.")
        return self._child.pid

    def start(self) -> None:
        """Start the program and wait until it is ready; PartError if it ends or takes too long."""
        self._printed.clear()
        child = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._env,
            cwd=self._cwd,
            start_new_session=True,
        )
        self._child = child
        remember(self._folder, child.pid)
        if child.stdout is not None:
            self._reader = threading.Thread(target=self._relay, args=(child.stdout,), name=self.name, daemon=True)
            self._reader.start()

        def settled() -> bool:
            return child.poll() is not None or ((self._printed.is_set() or not self._ready_words) and self._ready())

        wait_until(settled, f"{self.name} was not ready", timeout=self._ready_seconds)
        if child.poll() is not None:
            raise PartError(
                f"{self.name} ended with code {child.returncode} while starting; its last lines stand above."
            )

    def wait(self) -> int:
        """Block until the program ends; its exit code."""
        if self._child is None:
            raise PartError(f"{self.name} has not been started.")
        return self._child.wait()

    def stop(self) -> None:
        """SIGTERM to the program, then SIGKILL to whatever of its group is still there."""
        child = self._child
        if child is None:
            return
        below = descendants(child.pid)
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(self._stop_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        kill_all(below)
        child.wait()
        if self._reader is not None:
            self._reader.join(timeout=2)

    def _relay(self, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\r\n")
                say(self.name, line)
                if self._ready_words in line:
                    self._printed.set()
