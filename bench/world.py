"""What a click is measured on: a whole Estiva as production runs it, on PostgreSQL, with servers in network namespaces of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench import durable
from parts.faults.world import World
from parts.leftovers import clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError
from parts.supervisor import Supervisor

WEB_PROCESSES = 2  # as the Dockerfile starts gunicorn
CONCURRENCY = 32  # of a worker, as docker-compose.yml starts it


@contextmanager
def world(machines: int) -> Iterator[World]:
    """Web, looker and reconciler run; workers are for the benchmark to start. Gone with everything it started afterwards."""
    if os.geteuid() != 0:
        raise PartError("it needs root: engines and network namespaces.")
    clear_leftovers()
    folder = temporary_folder("bench")
    try:
        lasting = World(folder, machines=machines, postgres=True, durable=True)
        with Supervisor() as supervisor, supervisor.signals(), lasting as made:
            durable.assure(made.estiva.postgres)
            (web,) = made.estiva.alive("web")
            made.estiva.end(web)
            made.estiva.web(workers=WEB_PROCESSES)
            made.estiva.worker("look", concurrency=CONCURRENCY)
            made.estiva.reconciler()
            try:
                yield made
            except (PartError, OSError):
                print(made.estiva.logs(), flush=True)
                raise
    finally:
        remove_folder(folder)
