"""Where pages are measured: a PostgreSQL of its own with the data set, kept for the next time, and the web process as in production."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import durable, pages_kept
from parts import answers
from parts.environment import ROOT, throwaway
from parts.leftovers import clear_leftovers
from parts.part import ProcessPart, remove_folder, temporary_folder
from parts.postgres import Postgres
from parts.processes import PartError, Process, free_port
from parts.valkey import Valkey

DATABASE: Final = "pages"
SETTINGS: Final = "bench.pages_settings"


@dataclass(frozen=True)
class Stage:
    """The web process, and the environment that its settings were read from. `counts` are the rows of the data set."""

    url: str
    port: int
    environment: Mapping[str, str]
    counts: Mapping[str, float]

    def sent(self, module: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module's `answer` with these settings; what it found."""
        return _sent(self.environment, module, told)


class Web(ProcessPart):
    """gunicorn with one process, as docker-compose.yml starts it."""

    name = "web"

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._port = port
        flags = ["-k", "asgi", "--no-control-socket", "-b", f"127.0.0.1:{port}", "--graceful-timeout", "3"]
        argv = [sys.executable, "-m", "gunicorn", *flags, "dashboard.asgi:application"]
        self.process = Process(argv, log=self.folder / "web.log", env=dict(environment), cwd=ROOT)

    def start(self) -> None:
        """Start, and return when it answers."""
        self.launch(self._answers)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.stop()

    def _answers(self) -> bool:
        web = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            web.request("GET", "/healthz")
            return web.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            web.close()


@contextmanager
def staged(deployments: int, *, anew: bool = False) -> Iterator[Stage]:
    """Everything up, with the data set of that many Deployments; made where it isn't there, or `anew`."""
    clear_leftovers()
    folder = temporary_folder("bench")
    try:
        with ExitStack() as stack:
            kept = pages_kept.folder_of(str(deployments))
            stack.enter_context(pages_kept.alone(kept))
            if anew:
                pages_kept.begin(kept)
            postgres = stack.enter_context(_postgres(kept))
            durable.assure(postgres)
            broker = stack.enter_context(Valkey(folder / "valkey"))
            port = free_port()
            environment = _environment(folder, postgres, broker, port)
            counts = _filled(kept, environment, deployments)
            _manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
            stack.enter_context(Web(folder / "web", port, environment))
            yield Stage(f"http://127.0.0.1:{port}", port, environment, counts)
    finally:
        remove_folder(folder)


def _postgres(folder: Path) -> Postgres:
    for each in (folder, *folder.parents):
        if ROOT in each.parents and os.geteuid() == 0:
            each.chmod(each.stat().st_mode | 0o011)  # PostgreSQL's own user must be able to pass through
    return Postgres(folder, durable=True)


def _environment(folder: Path, postgres: Postgres, broker: Valkey, port: int) -> dict[str, str]:
    """Production's settings; our own add a header that tells what a page cost."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESTIVA_")}
    given = {
        **throwaway(folder),
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "ESTIVA_DATABASE_URL": postgres.url(DATABASE),
        "ESTIVA_REDIS_URL": broker.url,
        "ESTIVA_BASE_URL": f"http://127.0.0.1:{port}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}",
    }
    del given["ESTIVA_PLAIN_STATIC"]
    return {**inherited, **given}


def _filled(kept: Path, environment: Mapping[str, str], deployments: int) -> dict[str, float]:
    """What lies in the database; made first, where an earlier run didn't come to the end of it or made another one."""
    maker = pages_kept.made_by()
    counts = pages_kept.counts(kept, maker)
    if counts is None:
        pages_kept.begin(kept)
        _create(environment)
    _manage(environment, "migrate", "--noinput", "--verbosity", "0")
    if counts is None:
        counts = _sent(environment, "bench.pages_load", {"deployments": deployments})
        pages_kept.keep(kept, maker, counts)
    return counts


def _create(environment: Mapping[str, str]) -> None:
    """The empty database; what an interrupted run left goes first."""
    import psycopg

    place = environment["ESTIVA_DATABASE_URL"].rpartition("/")[0].replace("postgres://", "postgresql://")
    with psycopg.connect(f"{place}/postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        server.execute(f"CREATE DATABASE {DATABASE}")
        server.execute("ALTER SYSTEM SET max_wal_size = '8GB'")  # else loading is mostly checkpoints
        server.execute("SELECT pg_reload_conf()")


def _manage(environment: Mapping[str, str], *words: str) -> None:
    argv = [sys.executable, "manage.py", *words]
    done = subprocess.run(argv, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PartError(f"manage.py {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _sent(environment: Mapping[str, str], module: str, told: Mapping[str, Any]) -> dict[str, Any]:
    code, result = answers.ask(["-m", module], environment, json.dumps(told), partial(print, flush=True))
    if code != 0 or result is None:
        raise PartError(f"{module} ended with code {code}; its last lines stand above.")
    return result
