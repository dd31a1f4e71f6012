"""What is deployed, where and by whom, in the size that `bin/bench pages` promises: everything but its history."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from deployments import container_settings
from deployments.models import (
    Application,
    Environment,
    Grant,
    Host,
    Placement,
    PlacementHost,
    PlacementSet,
    Registry,
    Repository,
    Role,
    SecretVersion,
    SharedVariable,
    User,
    Variable,
    VariableSet,
    Webhook,
    WebhookDelivery,
    WorkerProcess,
)
from deployments.sealing import seal
from deployments.states import HostState, RegistryState, RepositoryState

APPLICATIONS: Final = 200
SERVERS: Final = 300
PEOPLE: Final = 300
FLEET: Final = 100
"""Servers of the one Placement that is everywhere."""
ENVIRONMENTS: Final = ("development", "staging", "production")
SEATS: Final = (1, 1, 3)
"""Servers of a Placement, by Environment."""
VARIABLES: Final = 12
ADMIN, MEMBER, AUDITOR = "ana@example.com", "bruno@example.com", "carla@example.com"
_KEY: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIJm1sp2Y3Qf3Dk8tR7oYX6J5t9cW0eVb2nUu4Lh7q1Zy"


@dataclass
class World:
    """The rows that history is about. `seats` are by Placement."""

    now: datetime
    chance: random.Random
    people: list[User] = field(default_factory=list)
    hosts: list[Host] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)
    seats: dict[int, list[PlacementHost]] = field(default_factory=dict)


def make(seed: int) -> World:
    """All of it, the same for the same seed but for the time."""
    world = World(datetime.now(UTC), random.Random(seed))  # noqa: S311 - sample data
    world.environments = [
        Environment.objects.create(name=name, position=number, is_production=name == "production", allows_terminal=True)
        for number, name in enumerate(ENVIRONMENTS)
    ]
    world.hosts = Host.objects.bulk_create(_host(world, number) for number in range(1, SERVERS + 1))
    _placements(world)
    _people(world)
    _variables(world)
    _hooks(world)
    registries = [
        Registry(kind="plain", host=f"registry-{number}.example.com", username="ci", state=RegistryState.READY)
        for number in range(1, 21)
    ]
    Registry.objects.bulk_create(registries)
    return world


def beat(moment: datetime) -> None:
    """The workers as alive from now on, for as long as pages are measured."""
    WorkerProcess.objects.all().delete()
    rows = [WorkerProcess(name=f"deploy@worker-{number}", role="deploy", capacity=32) for number in range(1, 9)]
    rows[0].engine_id = "AAAA:BBBB@build-1:/var/lib/docker"
    rows[0].engine = {"name": "build-1", "version": "26.1.4", "socket": "/var/run/docker.sock", "whole": True}
    for row in rows:
        row.started_at, row.beat_at = moment, moment + timedelta(days=1)
    WorkerProcess.objects.bulk_create(rows)


def _host(world: World, number: int) -> Host:
    now = world.now
    state = HostState.UNREACHABLE if number % 60 == 0 else HostState.READY
    return Host(
        name=f"web-{number:03}",
        address=f"10.0.{number // 250}.{number % 250 + 1}",
        user="deploy",
        public_key=f"ssh-ed25519 {_KEY}",
        host_key_type="ssh-ed25519",
        host_key=_KEY,
        state=state,
        state_text="It did not answer within 10 seconds." if state == HostState.UNREACHABLE else "",
        engine_version="26.1.4",
        api_version="1.45",
        os_type="linux",
        architecture="amd64",
        disk_free=31_000_000_000,
        disk_total=80_000_000_000,
        clock_skew=0.02,
        trusted_at=now,
        state_since=now,
        checked_at=now,
    )


def _placements(world: World) -> None:
    names = [f"app-{number:03}" for number in range(1, APPLICATIONS + 1)]
    applications = Application.objects.bulk_create(
        Application(name=name, description=f"What {name} does") for name in names
    )
    settings = container_settings.normalise({"ports": [{"container_port": 5000, "host_port": 8080}]})
    rows = [
        Placement(
            application=application,
            environment=environment,
            image=f"registry.example.com/{application.name}:1.0.0",
            settings=settings,
            url=f"https://{application.name}.{environment.name}.example.com",
        )
        for application in applications
        for environment in world.environments
    ]
    world.placements = Placement.objects.bulk_create(rows)
    seats = []
    for place, row in enumerate(rows):
        wanted = FLEET if place == len(rows) - 1 else SEATS[place % len(SEATS)]
        seats += [PlacementHost(placement=row, host=host) for host in world.chance.sample(world.hosts, wanted)]
    for seat in PlacementHost.objects.bulk_create(seats):
        world.seats.setdefault(seat.placement_id, []).append(seat)
    sources = [
        Repository(
            application=application,
            url=f"https://git.example.com/team/{application.name}.git",
            state=RepositoryState.READY,
            refs={"branches": [{"name": "main", "commit": "a" * 40}], "tags": [], "default": "main"},
            checked_at=world.now,
        )
        for application in applications[:60]
    ]
    Repository.objects.bulk_create(sources)


def _people(world: World) -> None:
    named = [User(email=ADMIN, name="Ana Prado", role=Role.ADMIN), User(email=MEMBER, name="Bruno Lima")]
    named.append(User(email=AUDITOR, name="Carla Nunes", role=Role.AUDITOR))
    rest = [
        User(email=f"person-{number}@example.com", name=f"Person {number}", role=Role.DEPLOYER)
        for number in range(len(named), PEOPLE)
    ]
    world.people = User.objects.bulk_create([*named, *rest])
    applications = [placement.application for placement in world.placements[:: len(ENVIRONMENTS)]]
    grants = []
    for person in world.people:
        if person.role == Role.DEPLOYER:
            # The member who is measured has what moves most among theirs
            chosen = applications[:12] if person.email == MEMBER else world.chance.sample(applications, 10)
            grants += [
                Grant(user=person, application=each, environment=at) for each in chosen for at in world.environments
            ]
    Grant.objects.bulk_create(grants)


def _variables(world: World) -> None:
    sealed, secrets = seal("a secret that nobody needs"), []
    for placement in world.placements:
        secrets += [SecretVersion(placement=placement, name=f"SECRET_{n}", number=1, sealed=sealed) for n in range(3)]
    SecretVersion.objects.bulk_create(secrets)
    rows = [
        Variable(placement=each.placement, name=each.name, is_secret=True, secret_version=each, position=place % 3)
        for place, each in enumerate(secrets)
    ]
    for placement in world.placements:
        rows += [
            Variable(placement=placement, name=f"VALUE_{n}", value=f"value {n}", position=3 + n)
            for n in range(VARIABLES - 3)
        ]
    Variable.objects.bulk_create(rows)
    for environment in world.environments:
        sets = VariableSet.objects.bulk_create(VariableSet(environment=environment, name=f"set-{n}") for n in range(20))
        shared = [
            SharedVariable(variable_set=each, name=f"SHARED_{n}", value=f"{n}", position=n)
            for each in sets
            for n in range(8)
        ]
        SharedVariable.objects.bulk_create(shared)
        uses = [each for each in world.placements if each.environment_id == environment.pk]
        PlacementSet.objects.bulk_create(
            PlacementSet(placement=each, variable_set=sets[place % len(sets)], position=0)
            for place, each in enumerate(uses)
        )


def _hooks(world: World) -> None:
    common: dict[str, Any] = {"kind": "registry", "name": "Registry", "secret": seal("x"), "secret_at": world.now}
    hooks = Webhook.objects.bulk_create(
        Webhook(placement=each, public_id=f"hook-{each.pk}", created_by_name="Ana Prado", **common)
        for each in world.placements
    )
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            webhook=hook,
            delivery_id=str(number),
            proof=f"{hook.pk}-{number}",
            received_at=world.now - timedelta(hours=100 - number),
            verdict="ignored" if number % 3 else "accepted",
            reason="The tag is not one of those that deploy.",
            event="push",
        )
        for hook in hooks[:60]
        for number in range(100)
    )
