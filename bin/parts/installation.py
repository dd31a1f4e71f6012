"""A whole Estiva on this machine: keys, database, broker, web, workers and reconciler, all from one folder."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from parts import valkey
from parts.environment import ROOT
from parts.leftovers import clear_folder
from parts.processes import PartError, free_port, port_answers
from parts.screen import say
from parts.service import Service
from parts.supervisor import Supervisor
from parts.valkey import Valkey

WEB_PORT = 8000
PRIVATE_KEY = "ESTIVA_SEALING_PRIVATE_KEY"
ROOT_IS_FINE_HERE = "ignore:You're running the worker with superuser privileges"
BIN = Path(sys.executable).parent


class Installation:
    """Estiva in `folder`: everything it keeps lies there, and a second start finds it again.

    `throwaway` says that nobody will come back: it takes any port and prefers an engine of its own.
    """

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.throwaway = throwaway
        self.folder = folder.absolute()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ports_file = self.folder / "ports.json"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold this folder for ourselves; what an earlier run left there after being killed is ended first."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PartError(f"Estiva already runs from {self.folder}. End that one first (Ctrl-C).") from error
            clear_folder(self.folder)
            yield

    def port(self, name: str, preferred: int | None = None) -> int:
        """The loopback port of this part: the one it had before, unless somebody else listens there now."""
        known: dict[str, int] = json.loads(self._ports_file.read_text()) if self._ports_file.exists() else {}
        if name not in known or port_answers(known[name]):
            known[name] = free_port(None if self.throwaway else preferred)
            self._ports_file.write_text(json.dumps(known))
        return known[name]

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.port_of_web}"

    @property
    def port_of_web(self) -> int:
        """The port chosen by `start`."""
        return int(json.loads(self._ports_file.read_text())["web"])

    def environment(self, *, worker: bool = False) -> dict[str, str]:
        """The settings; only a worker's hold the private key. Settings of another Estiva in our own environment are left out."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESTIVA_")}
        keys = dict(line.split("=", 1) for line in (self.folder / "keys.env").read_text().splitlines())
        if not worker:
            del keys[PRIVATE_KEY]
        return {
            **inherited,
            **keys,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "ESTIVA_DEMO": "1",
            "ESTIVA_PLAIN_STATIC": "1",
            "ESTIVA_LOG_FORMAT": "console",
            "ESTIVA_VAR": str(self.folder),
            "ESTIVA_BASE_URL": self.url,
            "ESTIVA_DATABASE_URL": f"sqlite://{self.folder}/estiva.sqlite3",
            "ESTIVA_REDIS_URL": valkey.given_url() or Valkey(self.folder / "valkey").url,
        }

    def start(self, supervisor: Supervisor, migrated: Callable[[], None] = lambda: None) -> None:
        """Broker, migrations, `migrated`, then the rest side by side; returns when the dashboard is ready to work."""
        self.port("web", WEB_PORT)
        self._make_keys()
        (self.folder / "static").mkdir(exist_ok=True)  # nothing is collected here, but its absence would be warned of
        if valkey.given_url() is None:
            say("valkey", "starting on a unix socket")
            supervisor.start(Valkey(self.folder / "valkey"))
        self.manage("migrate", "--noinput", "--verbosity", "1")
        migrated()
        supervisor.start_together(
            self._web(),
            self._celery("worker", "deploy"),
            self._celery("looker", "look"),
            self._reconciler(),
        )

    def name(self) -> str:
        """What labels this installation's containers; "" before the first migration."""
        file = self.folder / "estiva.sqlite3"
        if not file.exists():
            return ""
        with contextlib.closing(sqlite3.connect(file)) as database:
            row = database.execute("SELECT name FROM deployments_installation").fetchone()
        return str(row[0]) if row else ""

    def has_people(self) -> bool:
        """Whether somebody was let in already."""
        with contextlib.closing(sqlite3.connect(self.folder / "estiva.sqlite3")) as database:
            return bool(database.execute("SELECT EXISTS (SELECT 1 FROM deployments_user)").fetchone()[0])

    def ready(self) -> bool:
        """Whether database, broker and a worker answer (/readyz)."""
        return self._answers("/readyz")

    def manage(self, *words: str) -> None:
        """Run a management command to its end, its output on the terminal; PartError if it fails."""
        argv = [str(BIN / "python"), "manage.py", *words]
        with subprocess.Popen(
            argv, cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as child:
            for line in child.stdout or ():
                say(words[0], line.rstrip())
        if child.returncode != 0:
            raise PartError(
                f"manage.py {' '.join(words)} ended with code {child.returncode}; its last lines stand above."
            )

    def _make_keys(self) -> None:
        file = self.folder / "keys.env"
        if file.exists():
            return
        argv = [str(BIN / "python"), "manage.py", "keys"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PartError(f"manage.py keys failed:\n{done.stderr.strip()[-2000:]}")
        file.touch(mode=0o600)
        file.write_text(done.stdout)
        say("keys", f"generated in {file}")

    def _web(self) -> Service:
        bind = f"127.0.0.1:{self.port_of_web}"
        flags = ["-k", "asgi", "--no-control-socket", "-b", bind, "--graceful-timeout", "3"]
        argv = [str(BIN / "gunicorn"), *flags, "dashboard.asgi:application"]
        return Service(
            "web", argv, folder=self.folder, cwd=ROOT, env=self.environment(), ready=lambda: self._answers("/healthz")
        )

    def _celery(self, name: str, queue: str) -> Service:
        flags = ["-P", "threads", "-c", "32", "-Q", queue, "-n", f"{queue}@%h", "--without-gossip", "--without-mingle"]
        argv = [str(BIN / "celery"), "--quiet", "-A", "worker.celery", "worker", *flags]
        env = {**self.environment(worker=True), "PYTHONWARNINGS": ROOT_IS_FINE_HERE}
        return Service(name, argv, folder=self.folder, cwd=ROOT, env=env, ready_words="ready.")

    def _reconciler(self) -> Service:
        argv = [str(BIN / "python"), "manage.py", "reconcile"]
        return Service("reconciler", argv, folder=self.folder, cwd=ROOT, env=self.environment())

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port_of_web, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
