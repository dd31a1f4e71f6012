"""A small team with two servers and a shop, made through the domain's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments import claims, endings, operations, requests
from deployments.actors import Actor
from deployments.inventory import applications, hosts
from deployments.models import (
    Application,
    Deployment,
    Environment,
    Host,
    Placement,
    Plan,
    Release,
    Role,
    Target,
    User,
)
from deployments.states import HostState, OperationStatus

KEY_TYPE = "ssh-ed25519"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIIoVuLZJt0RuoPKcWzBBlTmCZ0qT7ZHSE1mTyAJj8PBl"
OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
DIGEST = "sha256:" + "ab" * 32
OTHER_DIGEST = "sha256:" + "cd" * 32
WORKER = "deploy@one"


@dataclass
class World:
    """Who and what there is."""

    ana: User
    bruno: User
    carla: User
    hosts: list[Host]
    application: Application
    staging: Environment
    production: Environment
    placement: Placement

    @property
    def actor(self) -> Actor:
        """Ana, the admin."""
        return Actor.of(self.ana, "203.0.113.7")


def make_world(servers: int = 1) -> World:
    """Ana (admin), Bruno (deployer, no grants), Carla (auditor), and a shop in production on trusted servers."""
    ana = person("Ana Prado", Role.ADMIN)
    actor = Actor.of(ana)
    machines = [ready_host(actor, f"web-{number}") for number in range(1, servers + 1)]
    application = applications.create_application(actor=actor, name="storefront")
    staging = applications.create_environment(actor=actor, name="staging")
    production = applications.create_environment(actor=actor, name="production", is_production=True)
    placement = place(actor, application, production, machines)
    return World(
        ana,
        person("Bruno Lima", Role.DEPLOYER),
        person("Carla Nunes", Role.AUDITOR),
        machines,
        application,
        staging,
        production,
        placement,
    )


def person(name: str, role: Role) -> User:
    """Somebody, without a password: hashing one takes longer than most tests."""
    return User.objects.create_user(f"{name.split()[0].lower()}@example.com", None, name=name, role=role)


def ready_host(actor: Actor, name: str) -> Host:
    """A registered server whose key was trusted and that was found fit."""
    host, _operation = hosts.register_host(actor=actor, name=name, address=f"{name}.example.com")
    Host.objects.filter(pk=host.pk).update(offered_key_type=KEY_TYPE, offered_key=KEY, state=HostState.UNTRUSTED)
    hosts.trust_host(actor=actor, host=host, key=KEY)
    Host.objects.filter(pk=host.pk).update(state=HostState.READY)
    host.refresh_from_db()
    return host


def place(
    actor: Actor, application: Application, environment: Environment, machines: Sequence[Host], **changes: Any
) -> Placement:
    """The application in the environment on these servers."""
    given: dict[str, Any] = {"image": "registry.example.com/storefront:2.4.1", "settings": {}, "url": "", **changes}
    return applications.save_placement(
        actor=actor,
        placement=None,
        application=application,
        environment=environment,
        host_ids=[host.pk for host in machines],
        **given,
    )


def look_of(host: Host, **changes: Any) -> dict[str, Any]:
    """How a server was found, as a Plan's Operation tells it."""
    return {
        "host": host.pk,
        "name": host.name,
        "findings": [{"check": "engine", "result": "good", "message": "Docker 20.10.24", "remedy": ""}],
        "engine": "20.10.24",
        "platform": "linux/amd64",
        "disk_free": 12_000_000_000,
        "strategy": "stop-first",
        "reasons": ["host port 8080/tcp can be held by one container at a time"],
        "first": False,
        **changes,
    }


def planned(
    world: World,
    *,
    digest: str = DIGEST,
    looks: Sequence[dict[str, Any]] | None = None,
    placement: Placement | None = None,
    **asked: Any,
) -> Plan:
    """A Plan whose Operation has looked."""
    placement = placement or world.placement
    plan = requests.request_plan(actor=world.actor, placement=placement, **asked)
    claim = claims.claim_operation(plan.operation_id, holder="look@one")
    assert claim is not None
    machines = Host.objects.filter(pk__in=plan.operation.request["hosts"]).order_by("name")
    found = [look_of(host) for host in machines] if looks is None else list(looks)
    result = {"digest": digest, "tag": "2.4.1", "hosts": found}
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
    plan.refresh_from_db()
    return plan


def deployed(world: World, **asked: Any) -> Deployment:
    """A Deployment that was asked for and waits."""
    plan = planned(world, **asked)
    return requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)


def claimed(target: Target, holder: str = WORKER) -> claims.Claim:
    """The claim of a Target whose turn it is."""
    claim = claims.claim_target(target.pk, holder=holder)
    assert claim is not None
    return claim


def only_target(deployment: Deployment) -> Target:
    """The Target of a Deployment to one server."""
    return deployment.targets.get()


def finish(target: Target, verdict: str = "succeeded", **ended: Any) -> Target:
    """Claim a Target and end it so."""
    claim = claimed(target)
    assert endings.end_target(claim, {"verdict": verdict, **ended}, {"container": "c1"}, [], 0.8)
    target.refresh_from_db()
    return target


def succeed(world: World, **asked: Any) -> Release:
    """Deploy to the end; the Release that runs now."""
    deployment = deployed(world, **asked)
    for target in deployment.targets.all():
        finish(target)
    return deployment.release
