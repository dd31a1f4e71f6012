"""What several benchmarks stand on: a whole Estiva on PostgreSQL with its sample server, and runs in a process with Estiva's settings."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import durable
from parts import sample_server, story
from parts.installation import Installation
from parts.part import remove_folder, temporary_folder
from parts.postgres import Postgres
from parts.processes import PartError
from parts.sample_server import SampleServer
from parts.supervisor import Supervisor


class Measured(Installation):
    """One that nobody comes back to, on the database that production has."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, throwaway=True)
        self.postgres = Postgres(self.folder / "postgres", durable=True)

    def environment(self, *, worker: bool = False) -> dict[str, str]:
        """As any installation's, but for the database."""
        return {**super().environment(worker=worker), "ESTIVA_DATABASE_URL": self.postgres.url()}


@contextmanager
def estiva() -> Iterator[tuple[Installation, SampleServer, Supervisor]]:
    """An Estiva that has deployed the sample application once; gone with everything it started afterwards."""
    folder = temporary_folder("bench")
    try:
        installation = Measured(folder)
        with installation.alone(), Supervisor() as supervisor, supervisor.signals():
            supervisor.start(installation.postgres)
            durable.assure(installation.postgres)
            installation.start(supervisor, lambda: story.first_admin(installation))
            server = sample_server.start(installation, supervisor)
            story.first_deploy(installation, server)
            yield installation, server, supervisor
    finally:
        remove_folder(folder)


def sent(installation: Installation, runs: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Run a module's `answer` in a process with Estiva's settings; what it found."""
    return story.run(installation, [runs], json.dumps(told))


def between(begun: datetime | None, ended: datetime | None) -> float:
    """Seconds between two moments of the record; 0 where one of them is missing."""
    return (ended - begun).total_seconds() if begun and ended else 0.0


def answer(measure: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """The other end of `sent`; the exit code."""
    try:
        result = measure(json.load(sys.stdin))
    except PartError as error:
        print(f"{error}", flush=True)
        return 1
    print(f"RESULT {json.dumps(result)}", flush=True)
    return 0
