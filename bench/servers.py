"""What many servers are measured on: each with a network, an sshd as Debian configures it and an engine of its own, and Estiva as in
production, on PostgreSQL.

Forty ports of sshd in front of one engine would be no forty servers: names and ports of containers would meet there. So each has its own.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import durable
from parts.faults.estiva import Estiva
from parts.faults.images import Images
from parts.faults.record import ENDS, Record
from parts.faults.stage import Stage
from parts.faults.visitor import Visitor
from parts.fleet import Fleet
from parts.leftovers import clear_leftovers
from parts.machine import Machine
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError, wait_until
from parts.supervisor import Supervisor

CONCURRENCY = 32  # as docker-compose.yml starts a worker
_PLAN = (
    "SELECT o.requested_at, o.ended_at FROM deployments_deployment d JOIN deployments_plan p ON p.id = d.plan_id"
    " JOIN deployments_operation o ON o.id = p.operation_id WHERE d.id = {:d}"
)
LOOKS_EVERY = 0.05  # seconds between looks at the record


@dataclass(frozen=True, slots=True)
class Done:
    """A deploy that went well, in seconds: from the click until it was seen to be over, and by the record the plan before it."""

    seconds: float
    plan_seconds: float


@dataclass(frozen=True)
class Servers:
    """Machines that are registered and trusted, and the Estiva that knows them."""

    folder: Path
    machines: list[Machine]
    estiva: Estiva
    images: Images
    record: Record
    backstage: Stage
    person: Visitor

    def place(self, name: str, image: str, count: int, settings: dict[str, Any]) -> None:
        """An application on the first `count` servers, or its next image."""
        names = [each.name for each in self.machines[:count]]
        self.backstage("place", name=name, image=image, servers=names, settings=settings)

    def deploy(self, name: str, timeout: float = 300) -> Done:
        """Plan, look, click, and wait for the end on record, which must be a good one.

        The clock is the wall's: from just before the form is sent until a connection that isn't the worker's reads the end.
        """
        plan = self.person.ask_plan(name, "live")
        fingerprint = self.person.until_planned(plan)
        begun = time.monotonic()
        number = self.person.click(plan, fingerprint)
        with psycopg.connect(
            self.estiva.database_url, autocommit=True
        ) as record:  # one for all looks: each costs little
            wait_until(_seldom(lambda: _status(record, number) in ENDS), f"#{number} did not end", timeout=timeout)
        spent = time.monotonic() - begun
        (done,) = [each for each in self.record.deployments() if each.id == number]
        if done.status != "succeeded":
            said = "\n".join(str(each) for each in self.record.of(number) if each.status != "succeeded")
            raise PartError(f"#{number} of {name} ended as {done.status}:\n{said}")
        return Done(spent, plan_seconds(self.record, number))


def plan_seconds(record: Record, deployment: int) -> float:
    """How long the plan of a Deployment took, from its request to its end."""
    ((requested, ended),) = record.rows(_PLAN.format(deployment))
    return float((ended - requested).total_seconds())


def _status(record: psycopg.Connection[tuple[Any, ...]], number: int) -> str:
    row = record.execute("SELECT status FROM deployments_deployment WHERE id = %s", [number]).fetchone()
    return str(row[0]) if row else ""


def _seldom(condition: Callable[[], bool]) -> Callable[[], bool]:
    asked = 0.0

    def now_and_then() -> bool:
        nonlocal asked
        if time.monotonic() - asked < LOOKS_EVERY:
            return False
        asked = time.monotonic()
        return condition()

    return now_and_then


@contextmanager
def servers(count: int, settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """`count` of them, a worker, a looker, the web and the reconciler; gone with everything they started afterwards."""
    if os.geteuid() != 0:
        raise PartError("it needs root: engines and network namespaces.")
    clear_leftovers()
    folder = temporary_folder("bench")
    try:
        with Supervisor() as supervisor, supervisor.signals(), ExitStack() as stack:
            fleet = stack.enter_context(Fleet(folder / "fleet", count))
            estiva = Estiva(folder / "estiva", postgres=True, durable=True, settings=settings)
            stack.callback(estiva.stop)
            estiva.start()
            durable.assure(estiva.postgres)
            backstage = Stage(folder, estiva.environment(secret=True))
            stack.callback(backstage.close)
            token = backstage("begin")
            for machine in fleet.machines:
                machine.sshd.authorize(_registered(backstage, machine))
            estiva.web()
            for queue in ("deploy", "look"):
                estiva.worker(queue, concurrency=CONCURRENCY)
            estiva.reconciler()
            person = Visitor(estiva.url)
            person.sign_in(token)
            record = Record(estiva.database_url)
            try:
                yield Servers(folder, fleet.machines, estiva, Images(fleet.registry), record, backstage, person)
            except (PartError, OSError):
                print(estiva.logs(), flush=True)
                raise
    finally:
        remove_folder(folder)


def _registered(backstage: Stage, machine: Machine) -> str:
    return str(
        backstage(
            "host",
            name=machine.name,
            address=machine.address,
            user=machine.sshd.user,
            socket=str(machine.engine.socket),
            key=machine.sshd.host_key_line(),
        )
    )
