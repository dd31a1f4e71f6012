"""What a person does, through the domain, and what can be seen of it: for tests with real workers and a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployments import container_settings, operations, requests
from deployments.actors import Actor
from deployments.claims import claim_operation
from deployments.inventory import applications, hosts, placements
from deployments.live import decode_lines
from deployments.models import Deployment, Environment, Host, Operation, Placement, Plan, Release, Target, User
from deployments.states import DEPLOYMENT_ENDS, OPERATION_ENDS, OperationStatus
from parts.dockerd import DockerEngine
from parts.processes import free_port, wait_until
from parts.sshd import SshServer
from tests.real_parts import Pushed
from worker import runs
from worker.keeper import Keeper

PATIENCE = 60.0

QUICK_HEALTH = {"kind": "http", "path": "/healthz", "port": 5000, "interval": 0.1, "passes": 2, "deadline": 20}


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


def run_here(deployment: Deployment) -> Target:
    """Run it to its end in this process, as a second worker would."""
    keeper = Keeper("second@test", "deploy", 1)
    keeper.start()
    try:
        runs.run(deployment.targets.get().pk, keeper)
    finally:
        keeper.begin_stop()
        keeper.join()
    return deployment.targets.get()


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


def checked(host: Host) -> Operation:
    """Ask for a check and wait for its good end."""
    operation = finished(hosts.check(actor=admin(), host=host))
    assert operation.status == "succeeded", operation.steps
    return operation
