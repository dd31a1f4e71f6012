"""A whole Estiva but for its web: real workers and a reconciler as processes, on the test's database, a real broker and a real server."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from django.db import connection

from deployments import container_settings, operations, requests
from deployments.actors import Actor
from deployments.claims import claim_operation
from deployments.inventory import applications, hosts, placements
from deployments.live import decode_lines
from deployments.models import Deployment, Environment, Host, Operation, Placement, Plan, Release, Target, User
from deployments.states import DEPLOYMENT_ENDS, OPERATION_ENDS, OperationStatus
from parts.dockerd import DockerEngine
from parts.environment import ROOT
from parts.processes import Process, free_port, wait_until
from parts.sshd import SshServer
from tests.real_parts import Pushed

BIN = Path(sys.executable).parent
PATIENCE = 60.0
_numbers = count(1)

QUICK_HEALTH = {"kind": "http", "path": "/healthz", "port": 5000, "interval": 0.1, "passes": 2, "deadline": 20}


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


def admin() -> Actor:
    """The person who does everything in these tests."""
    user = User.objects.filter(email="ada@example.com").first()
    return Actor.of(user or User.objects.create_user("ada@example.com", name="Ada", role="admin"), "127.0.0.1")


def register(sshd: SshServer, engine: DockerEngine, name: str = "web-1") -> tuple[Host, Operation]:
    """Register the real server through the domain; the Operation that meets it."""
    host, operation = hosts.register_host(
        actor=admin(),
        name=name,
        address=sshd.address,
        port=sshd.port,
        user=sshd.user,
        docker_socket=str(engine.socket),
    )
    sshd.authorize(host.public_key)
    return host, operation


def trusted_host(sshd: SshServer, engine: DockerEngine, name: str = "web-1") -> Host:
    """A server that was met, trusted and found good, without a worker: for tests that are about something else."""
    host, _ = register(sshd, engine, name)
    Operation.objects.all().delete()
    key_type, key = sshd.host_key_line().split()
    Host.objects.filter(pk=host.pk).update(host_key_type=key_type, host_key=key, state="ready")
    host.refresh_from_db()
    return host


def placement(
    host: Host | list[Host],
    image: Pushed | str,
    *,
    application: str = "shop",
    environment_name: str = "production",
    **settings: Any,
) -> Placement:
    """An application placed on the host, with quick health checks."""
    app = applications.create_application(actor=admin(), name=application)
    existing = Environment.objects.filter(name=environment_name).first()
    place = existing or applications.create_environment(actor=admin(), name=environment_name)
    raw = {**container_settings.defaults(), **settings}
    raw["health"] = {**raw["health"], **QUICK_HEALTH, **settings.get("health", {})}
    return placements.save_placement(
        actor=admin(),
        placement=None,
        application=app,
        environment=place,
        image=image if isinstance(image, str) else image.reference,
        settings=raw,
        host_ids=[each.pk for each in (host if isinstance(host, list) else [host])],
    )


def published() -> dict[str, Any]:
    """The sample application's port on a free port of this machine."""
    return {"container_port": 5000, "host_port": free_port(), "host_address": "127.0.0.1", "protocol": "tcp"}


def change_image(place: Placement, image: Pushed | str, **settings: Any) -> Placement:
    """Another image, and settings where given."""
    place.refresh_from_db()
    return placements.save_placement(
        actor=admin(),
        placement=place,
        application=place.application,
        environment=place.environment,
        image=image if isinstance(image, str) else image.reference,
        settings={**place.settings, **settings},
        host_ids=list(place.seats.filter(is_active=True).values_list("host_id", flat=True)),
    )


def record_plan(place: Placement, image: Pushed, *, of_release: Release | None = None) -> Plan:
    """A Plan. Where no looker runs its look is made up: the tests that need no Plan have no looker."""
    place.refresh_from_db()
    plan = requests.request_plan(actor=admin(), placement=place, of_release=of_release)
    claim = claim_operation(plan.operation_id, holder="test")
    if claim is None:
        finished(plan.operation)
        return Plan.objects.get(pk=plan.pk)
    rows = [
        {"host": each.host_id, "name": each.host.name, "findings": [], "strategy": "start-first", "reasons": []}
        for each in place.seats.filter(is_active=True).select_related("host")
    ]
    digest = of_release.digest if of_release else image.digest
    operations.end_operation(claim, OperationStatus.SUCCEEDED, {"digest": digest, "tag": image.tag, "hosts": rows})
    plan.refresh_from_db()
    return plan


def deploy(place: Placement, image: Pushed, **more: Any) -> Deployment:
    """Click Deploy."""
    plan = record_plan(place, image, **more)
    return requests.request_deployment(actor=admin(), plan=plan, fingerprint=plan.fingerprint)


def ended(deployment: Deployment, *, timeout: float = PATIENCE) -> Deployment:
    """Wait for the end of a Deployment."""

    def over() -> bool:
        deployment.refresh_from_db()
        return deployment.status in DEPLOYMENT_ENDS

    wait_until(over, f"deployment {deployment.pk} ends", timeout=timeout)
    return deployment


def finished(operation: Operation, *, timeout: float = PATIENCE) -> Operation:
    """Wait for the end of an Operation."""

    def over() -> bool:
        operation.refresh_from_db()
        return operation.status in OPERATION_ENDS

    wait_until(over, f"operation {operation.pk} ends", timeout=timeout)
    return operation


def until_target(
    deployment: Deployment, condition: Callable[[Target], bool], what: str, *, timeout: float = 30
) -> Target:
    """Wait until the (only) Target is as wanted."""
    found: list[Target] = []

    def reached() -> bool:
        found[:] = list(deployment.targets.all())
        return condition(found[0])

    wait_until(reached, what, timeout=timeout)
    return found[0]


def lines_of(target: Target) -> list[str]:
    """The whole log, its numbering checked: none missing, none twice."""
    lines = [line for chunk in target.chunks.order_by("first_line") for line in decode_lines(chunk.lines)]
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    return [line.text for line in lines]


def serving(engine: DockerEngine) -> list[str]:
    """The names of Estiva's running containers."""
    found = engine.api.json("GET", "/containers/json?filters=%7B%22label%22%3A%5B%22estiva.installation%22%5D%7D")
    return sorted(each["Names"][0].lstrip("/") for each in found)


def all_ours(engine: DockerEngine) -> list[str]:
    """The names of all of Estiva's containers, running or not."""
    found = engine.api.json("GET", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22estiva.installation%22%5D%7D")
    return sorted(each["Names"][0].lstrip("/") for each in found)


def containers_as_they_are(engine: DockerEngine) -> list[tuple[str, str, str]]:
    """Every container on the server: ID, name, and whether and since when it runs."""
    found = engine.api.json("GET", "/containers/json?all=1")
    inspected = [engine.api.json("GET", f"/containers/{each['Id']}/json") for each in found]
    return sorted(
        (each["Id"], each["Name"], f"{each['State']['Status']} {each['State']['StartedAt']}") for each in inspected
    )


def pause(pid: int) -> None:
    """SIGSTOP, awaited."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "T", "the process stops")


def resume(pid: int) -> None:
    """SIGCONT, and out of the stage's pause."""
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGUSR1)


def checked(host: Host) -> Operation:
    """Ask for a check and wait for its good end."""
    operation = finished(hosts.check(actor=admin(), host=host))
    assert operation.status == "succeeded", operation.steps
    return operation
