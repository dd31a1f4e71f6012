"""The processes of one installation: workers and a reconciler as production starts them, on the test's own database."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from django.db import connection

from parts.environment import ROOT
from parts.processes import Process, wait_until

BIN = Path(sys.executable).parent
_numbers = count(1)


def database_url() -> str:
    """The address of the test's own database, for processes beside this one."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite://{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def environment() -> dict[str, str]:
    """What the processes run with: this test run's settings, its database named."""
    return {
        **os.environ,
        "ESTIVA_DATABASE_URL": database_url(),
        "ESTIVA_LOG_FORMAT": "console",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass
class Estiva:
    """The processes of one installation; ended by the fixture."""

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def worker(self, queue: str = "deploy", *, concurrency: int = 8) -> Process:
        """A worker as production starts it; returns once it is known to be starting (see `ready`)."""
        number = next(_numbers)
        flags = ["-P", "threads", "-c", str(concurrency), "-Q", queue, "-n", f"{queue}{number}@test"]
        argv = [str(BIN / "celery"), "-A", "worker.celery", "worker", *flags, "--without-gossip", "--without-mingle"]
        return self._start(f"{queue}{number}", argv)

    def reconciler(self) -> Process:
        """`manage.py reconcile`."""
        return self._start(f"reconciler{next(_numbers)}", [str(BIN / "python"), "manage.py", "reconcile"])

    def _start(self, name: str, argv: list[str]) -> Process:
        process = Process(argv, log=self.folder / f"{name}.log", env={**environment(), **self.extra}, cwd=ROOT)
        process.start()
        self.processes.append(process)
        return process

    def logs(self) -> str:
        """What all of them wrote."""
        return "\n".join(each.log.read_text(errors="replace") for each in self.processes if each.log.exists())

    def stop(self) -> None:
        """End them all."""
        for process in self.processes:
            process.stop(timeout=8)


def ready(process: Process) -> None:
    """Wait until a worker takes messages."""
    wait_until(lambda: " ready." in process.log.read_text(errors="replace"), f"{process.argv[-1]} ready", timeout=30)


def pause(pid: int) -> None:
    """SIGSTOP, awaited."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "T", "the process stops")


def resume(pid: int) -> None:
    """SIGCONT."""
    os.kill(pid, signal.SIGCONT)
