"""Rows for tests: people with names and roles, servers, applications and what was deployed of them.

Each function writes rows as they stand after something happened, with sound values for whatever isn't given.
"""

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from django.utils import timezone

from deployments import container_settings
from deployments.models import (
    Application,
    Attention,
    Deployment,
    Environment,
    Grant,
    Host,
    Operation,
    Placement,
    PlacementHost,
    Plan,
    Release,
    Role,
    SecretVersion,
    Step,
    Target,
    User,
    Variable,
    WorkerProcess,
)
from deployments.sealing import seal
from deployments.states import DeploymentStatus, HostState, OperationStatus, TargetStatus

PASSWORD = "a long enough password"
FINGERPRINT = "7c1e" * 16
_numbers = count(1)


def digest(of: object) -> str:
    """A digest that looks like one; the same for the same thing."""
    return "sha256:" + sha256(str(of).encode()).hexdigest()


def person(name: str, role: Role, *granted: Placement, **fields: Any) -> User:
    """Somebody, at FIRSTNAME@example.com, granted these Placements."""
    email = f"{name.split()[0].lower()}@example.com"
    user = User.objects.create_user(email, PASSWORD, name=name, role=role, **fields)
    for placement in granted:
        Grant.objects.create(user=user, application=placement.application, environment=placement.environment)
    return user


def ana() -> User:
    """Ana Prado, admin."""
    return person("Ana Prado", Role.ADMIN)


def bruno(*granted: Placement) -> User:
    """Bruno Lima, deployer."""
    return person("Bruno Lima", Role.DEPLOYER, *granted)


def dora() -> User:
    """Dora Reis, deployer, granted nothing."""
    return person("Dora Reis", Role.DEPLOYER)


def carla() -> User:
    """Carla Nunes, auditor."""
    return person("Carla Nunes", Role.AUDITOR)


def environment(name: str = "staging", **fields: Any) -> Environment:
    """The Environment of that name, made where it isn't there."""
    row, _created = Environment.objects.get_or_create(name=name, defaults={"position": next(_numbers), **fields})
    return row


def application(name: str = "", **fields: Any) -> Application:
    """An Application; app-1, app-2, … unless named."""
    return Application.objects.create(name=name or f"app-{next(_numbers)}", **fields)


def host(name: str = "", **fields: Any) -> Host:
    """A server that was met, trusted and checked a moment ago."""
    name, now = name or f"server-{next(_numbers)}", timezone.now()
    values: dict[str, Any] = {
        "address": f"{name}.example.com",
        "user": "deploy",
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxNVUS0Gyb2tEQlXQhJfWh0IuUq3DK2nhOa4Gl8J8dp",
        "host_key_type": "ssh-ed25519",
        "host_key": "AAAAC3NzaC1lZDI1NTE5AAAAIJm1sp2Y3Qf3Dk8tR7oYX6J5t9cW0eVb2nUu4Lh7q1Zy",
        "state": HostState.READY,
        "engine_version": "26.1.4",
        "api_version": "1.45",
        "os_type": "linux",
        "architecture": "amd64",
        "disk_free": 31_000_000_000,
        "disk_total": 80_000_000_000,
        "clock_skew": 0.02,
        "trusted_at": now,
        "state_since": now,
        "checked_at": now,
    }
    return Host.objects.create(name=name, **{**values, **fields})


def placement(
    of: Application | None = None, at: Environment | None = None, hosts: Collection[Host] = (), **fields: Any
) -> Placement:
    """An Application in an Environment, on these servers."""
    of = of or application()
    values: dict[str, Any] = {
        "image": f"registry.example.com/{of.name}:1.0.0",
        "settings": container_settings.normalise({"ports": [{"container_port": 5000, "host_port": 8080}]}),
    }
    row = Placement.objects.create(application=of, environment=at or environment(), **{**values, **fields})
    PlacementHost.objects.bulk_create(PlacementHost(placement=row, host=each) for each in hosts)
    return row


def variable(of: Placement, name: str, value: str, *, secret: bool = False) -> Variable:
    """A variable; a secret's value is sealed."""
    version = SecretVersion.objects.create(placement=of, name=name, number=1, sealed=seal(value)) if secret else None
    return Variable.objects.create(
        placement=of,
        name=name,
        value="" if secret else value,
        is_secret=secret,
        secret_version=version,
        position=next(_numbers),
    )


def release(of: Placement, tag: str = "1.0.0", **fields: Any) -> Release:
    """The next Release of a Placement, with its settings of now."""
    number = of.releases.count() + 1
    values: dict[str, Any] = {
        "image": f"{of.image.rpartition(':')[0]}:{tag}",
        "digest": digest((of.pk, number)),
        "settings": of.settings,
        "created_by_name": "Ana Prado",
    }
    row = Release.objects.create(placement=of, number=number, tag=tag, **{**values, **fields})
    Placement.objects.filter(pk=of.pk).update(next_release=number + 1)
    return row


def deployment(of: Release, **fields: Any) -> Deployment:
    """A Deployment that is queued, without Targets."""
    values: dict[str, Any] = {
        "placement": of.placement,
        "application_name": of.placement.application.name,
        "environment_name": of.placement.environment.name,
        "requested_by_name": "Ana Prado",
        "requested_at": timezone.now(),
    }
    return Deployment.objects.create(release=of, **{**values, **fields})


def target(of: Deployment, on: Host, status: TargetStatus = TargetStatus.QUEUED, **fields: Any) -> Target:
    """A server's share of a Deployment."""
    made = Target.objects.create(
        deployment=of, placement=of.placement, host=on, host_name=on.name, status=status, **fields
    )
    if status == TargetStatus.NEEDS_ATTENTION:
        Attention.objects.create(target=made, placement=of.placement, host=on, opened_at=timezone.now())
    return made


def step(of: Target, key: str = "pull", **fields: Any) -> Step:
    """A step that runs."""
    return Step.objects.create(target=of, key=key, fence=of.fence, **{"started_at": timezone.now(), **fields})


def worker(**fields: Any) -> WorkerProcess:
    """A worker that reported just now."""
    now = timezone.now()
    values: dict[str, Any] = {"role": "deploy", "started_at": now, "beat_at": now, "capacity": 32}
    return WorkerProcess.objects.create(**{"name": f"worker-{next(_numbers)}", **values, **fields})


def ran(
    of: Release,
    *,
    status: DeploymentStatus = DeploymentStatus.SUCCEEDED,
    targets: TargetStatus = TargetStatus.SUCCEEDED,
    ago: timedelta = timedelta(0),
    seconds: float = 19,
    **fields: Any,
) -> Deployment:
    """A Deployment of this Release that is over, on all its servers; where it succeeded they run the Release now."""
    ended = timezone.now() - ago
    began = ended - timedelta(seconds=seconds)
    row = deployment(of, status=status, requested_at=began, started_at=began, ended_at=ended, **fields)
    for seat in of.placement.seats.filter(is_active=True).select_related("host", "running_release"):
        serving = of if status == DeploymentStatus.SUCCEEDED else seat.running_release
        number = serving.number if serving else None
        share = target(row, seat.host, targets, started_at=began, ended_at=ended, serving_release=number)
        if status == DeploymentStatus.SUCCEEDED:
            seat.running_release, seat.running_target, seat.running_since = of, share, ended
            seat.save()
    return row


def failed(of: Release, **fields: Any) -> Deployment:
    """A Deployment that failed on every server; what served before serves again."""
    return ran(of, status=DeploymentStatus.FAILED, targets=TargetStatus.FAILED_RESTORED, **fields)


def operation(of: Placement, **fields: Any) -> Operation:
    """A Plan's Operation, queued."""
    now = timezone.now()
    values: dict[str, Any] = {
        "kind": Operation.Kind.PLAN,
        "requested_at": now,
        "deadline_at": now + timedelta(minutes=2),
    }
    return Operation.objects.create(placement=of, **{**values, **fields})


def plan(of: Placement, looking: Operation | None = None, **fields: Any) -> Plan:
    """A Plan of what is set now, whose Operation hasn't looked yet."""
    values: dict[str, Any] = {"image": of.image, "settings": of.settings, "placement_version": of.version}
    return Plan.objects.create(placement=of, operation=looking or operation(of), **{**values, **fields})


def planned(of: Placement, rows: list[dict[str, Any]], **fields: Any) -> Plan:
    """A Plan as it stands once its Operation has looked; `rows` as `deployments.plan` documents them."""
    looked = operation(of, status=OperationStatus.SUCCEEDED, ended_at=timezone.now())
    values: dict[str, Any] = {"is_ready": True, "fingerprint": FINGERPRINT, "digest": digest("new"), "tag": "1.0.0"}
    return plan(of, looked, hosts=rows, **{**values, **fields})


def engine_worker(
    name: str = "deploy@build-1", engine: str = "AAAA:BBBB@build-1:/var/lib/docker", **fields: Any
) -> WorkerProcess:
    """A worker that beat just now and has an engine beside it."""
    facts = {"name": "build-1", "version": "20.10.24", "socket": "/var/run/docker.sock", "whole": True}
    now = timezone.now()
    values = {"role": "deploy", "started_at": now, "beat_at": now, "engine_id": engine, "engine": facts}
    return WorkerProcess.objects.create(name=name, **{**values, **fields})


def host_beside(name: str = "local", engine: str = "AAAA:BBBB@build-1:/var/lib/docker", **fields: Any) -> Host:
    """The engine beside a worker as a server that was checked a moment ago."""
    bare = {
        "address": "",
        "port": 0,
        "user": "",
        "public_key": "",
        "host_key": "",
        "host_key_type": "",
        "trusted_at": None,
    }
    return host(name, way=Host.Way.BESIDE, engine_id=engine, **{**bare, **fields})
