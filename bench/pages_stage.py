"""Where pages are measured: a PostgreSQL of its own with the data set, kept for the next time, and the web process as in production."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import durable
from parts.environment import ROOT, throwaway
from parts.part import ProcessPart, remove_folder, temporary_folder
from parts.postgres import Postgres
from parts.processes import PartError, Process, free_port
from parts.valkey import Valkey

DATABASE: Final = "pages"
KEPT: Final = ROOT / "var" / "bench-pages"
SETTINGS: Final = "bench.pages_settings"
_RESULT: Final = "RESULT "


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
    folder = temporary_folder("bench")
    try:
        with ExitStack() as stack:
            kept = _kept(deployments)
            if anew and kept.exists():
                remove_folder(kept)
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


def _kept(deployments: int) -> Path:
    """By size. What the tables look like follows the code: newer migrations run on what is kept, as on anybody's data."""
    folder = KEPT / str(deployments)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _postgres(folder: Path) -> Postgres:
    folder.mkdir(exist_ok=True)
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
    """What lies in the database; made first, where an earlier run didn't come to the end of it."""
    done = kept / "counts.json"
    is_new = not done.exists()
    if is_new:
        _create(environment)
    _manage(environment, "migrate", "--noinput", "--verbosity", "0")
    if is_new:
        done.write_text(json.dumps(_sent(environment, "bench.pages_load", {"deployments": deployments})))
    counts: dict[str, float] = json.loads(done.read_text())
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
    argv = [sys.executable, "-m", module]
    result = None
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise PartError(f"{module} has no standard streams.")
        child.stdin.write(json.dumps(told))
        child.stdin.close()
        for line in child.stdout:
            if line.startswith(_RESULT):
                result = json.loads(line.removeprefix(_RESULT))
            else:
                print(line.rstrip(), flush=True)
    if child.returncode != 0 or result is None:
        raise PartError(f"{module} ended with code {child.returncode}; its last lines stand above.")
    return dict(result)
