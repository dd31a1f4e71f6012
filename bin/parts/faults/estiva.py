"""Estiva's own processes, as production starts them, on a database and a broker of this world: each can be killed, frozen and counted."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Protocol

from parts.environment import ROOT, WORTHLESS_KEYS
from parts.part import remember
from parts.postgres import Postgres
from parts.processes import PartError, Process, descendants, free_port, kill_all, wait_until
from parts.valkey import Valkey

BIN = Path(sys.executable).parent
PRIVATE_KEY = "ESTIVA_SEALING_PRIVATE_KEY"
ROOT_IS_FINE_HERE = "ignore:You're running the worker with superuser privileges"


class Running(Protocol):
    """A process of Estiva's."""

    @property
    def pid(self) -> int:
        """Its id."""

    def kill(self) -> None:
        """SIGKILL, awaited."""


class Estiva:
    """One installation in `folder`. What is started stays listed, dead or alive, until `stop`. `durable`: its PostgreSQL writes as in production."""

    def __init__(
        self,
        folder: Path,
        *,
        postgres: bool = False,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.valkey = Valkey(self.folder / "valkey")
        self.postgres = Postgres(self.folder.parent / "postgres", durable=durable) if postgres else None
        self.port = free_port()
        self.processes: dict[str, Process] = {}
        self.starts: list[str] = []
        self._settings = dict(settings or {})
        self._clock: dict[str, str] = {}
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """Which kind it is on."""
        return "postgres" if self.postgres else "sqlite"

    @property
    def database_url(self) -> str:
        """Where the record is."""
        return self.postgres.url() if self.postgres else f"sqlite://{self.folder}/estiva.sqlite3"

    def environment(self, *, secret: bool = False) -> dict[str, str]:
        """The settings; `secret` ones hold the private key, as a worker's do."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESTIVA_")}
        keys = {name: value for name, value in WORTHLESS_KEYS.items() if secret or name != PRIVATE_KEY}
        return {
            **inherited,
            **keys,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "ESTIVA_DEMO": "1",
            "ESTIVA_PLAIN_STATIC": "1",
            "ESTIVA_LOG_FORMAT": "console",
            "ESTIVA_VAR": str(self.folder),
            "ESTIVA_BASE_URL": self.url,
            "ESTIVA_DATABASE_URL": self.database_url,
            "ESTIVA_REDIS_URL": self.valkey.url,
            **self._settings,
        }

    def start(self) -> None:
        """Broker, database and tables: no process of Estiva's runs yet."""
        (self.folder / "static").mkdir(exist_ok=True)
        self.valkey.start()
        if self.postgres:
            self.postgres.start()
        words = ["migrate", "--noinput", "--verbosity", "0"]
        self.manage(*words)

    def manage(self, *words: str, timeout: float = 120) -> str:
        """Run a management command to its end; its output, or PartError."""
        argv = [str(BIN / "python"), "manage.py", *words]
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise PartError(f"manage.py {' '.join(words)} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def web(self, *, workers: int = 1, wait: bool = True) -> Process:
        """gunicorn; `wait` until it answers."""
        flags = ["-k", "asgi", "--no-control-socket", "-b", f"127.0.0.1:{self.port}", "--graceful-timeout", "3"]
        argv = [str(BIN / "gunicorn"), *flags, "-w", str(workers), "dashboard.asgi:application"]
        process = self._run("web", argv, secret=False)
        if wait:
            process.wait_ready(self.web_answers, timeout=60)
        return process

    def worker(self, queue: str = "deploy", *, concurrency: int = 8, wait: bool = True) -> Process:
        """A Celery worker of this queue; `wait` until it takes messages."""
        number = next(self._numbers)
        flags = ["-P", "threads", "-c", str(concurrency), "-Q", queue, "-n", f"{queue}{number}@faults"]
        argv = [str(BIN / "celery"), "--quiet", "-A", "worker.celery", "worker", *flags]
        process = self._run(f"{queue}{number}", [*argv, "--without-gossip", "--without-mingle"], secret=True)
        if wait:
            until_ready(process)
        return process

    def reconciler(self) -> Process:
        """`manage.py reconcile`."""
        return self._run(f"reconciler{next(self._numbers)}", [str(BIN / "python"), "manage.py", "reconcile"])

    def run(self, name: str, argv: list[str]) -> Process:
        """Another process with a worker's settings."""
        return self._run(name, argv, secret=True)

    @contextlib.contextmanager
    def faked(self, library: Path, offset: str) -> Iterator[None]:
        """What is started meanwhile has a clock that is off by so much (`+300s`); its monotonic clock is right."""
        self._clock = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        try:
            yield
        finally:
            self._clock = {}

    def alive(self, kind: str) -> list[Process]:
        """Those of a kind (`web`, `deploy`, `look`, `reconciler`) that run."""
        return [each for name, each in self.processes.items() if name.rstrip("0123456789") == kind and each.alive]

    def end(self, process: Running) -> None:
        """SIGKILL it and what it started, and wait until they are gone."""
        below = descendants(process.pid)
        process.kill()
        kill_all(below)

    def stop(self) -> None:
        """End everything; frozen ones too."""
        for process in self.processes.values():
            if process.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
                self.end(process)
        self.valkey.stop()
        if self.postgres:
            self.postgres.stop()

    def logs(self, *, tail: int = 4000) -> str:
        """The end of what each of them wrote."""
        texts = {
            name: each.log.read_text(errors="replace")[-tail:]
            for name, each in self.processes.items()
            if each.log.exists()
        }
        return "\n".join(f"== {name}\n{text}" for name, text in texts.items())

    def _run(self, name: str, argv: list[str], *, secret: bool = True) -> Process:
        env = {**self.environment(secret=secret), "PYTHONWARNINGS": ROOT_IS_FINE_HERE, **self._clock}
        process = Process(argv, log=self.folder / f"{name}.log", env=env, cwd=ROOT)
        process.start()
        remember(self.folder, process.pid)
        self.processes[name] = process
        self.starts.append(name)
        return process

    def web_answers(self) -> bool:
        """Whether the web serves (it asks neither database nor broker for this)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def until_ready(process: Process) -> None:
    """Wait until a worker takes messages."""
    process.wait_ready(lambda: " ready." in process.log.read_text(errors="replace"), timeout=60)


def freeze(process: Running) -> None:
    """SIGSTOP, awaited."""
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: stands_still(process.pid), "the process stops")


def thaw(process: Running) -> None:
    """SIGCONT."""
    os.kill(process.pid, signal.SIGCONT)


def stands_still(pid: int) -> bool:
    """Whether it was stopped by a signal and not let go on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
