"""The people and things that the dashboard's tests are about: a shop that Ana runs, Bruno ships, and Carla audits."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connections
from django.utils import timezone

from deployments import live, queue
from deployments.models import (
    Application,
    Attention,
    Deployment,
    Environment,
    Grant,
    Host,
    LogChunk,
    OneOffRun,
    Operation,
    Placement,
    PlacementHost,
    Plan,
    Release,
    Repository,
    Role,
    Target,
    User,
)
from deployments.states import DeploymentStatus, HostState, OperationStatus, RepositoryState, TargetStatus

HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"  # a well-formed Ed25519 key that no server has
PASSWORD = "correct horse battery staple"


@dataclass
class Story:
    """storefront runs in staging and production; Bruno may act on staging alone."""

    ana: User
    bruno: User
    carla: User
    dora: User  # a deployer with no grant at all
    staging: Placement
    production: Placement
    running: Deployment  # in staging, on two servers
    foreign: Deployment  # in production
    host: Host
    foreign_host: Host
    repository: Repository  # of storefront, public and known
    look: Operation  # at its branch main


def tell() -> Story:
    """Make them all."""
    ana = person("Ana Prado", Role.ADMIN)
    bruno = person("Bruno Lima", Role.DEPLOYER)
    carla = person("Carla Nunes", Role.AUDITOR)
    dora = person("Dora Reis", Role.DEPLOYER)
    application = Application.objects.create(name="storefront")
    staging_environment = Environment.objects.create(name="staging", position=1)
    production_environment = Environment.objects.create(name="production", position=2, is_production=True)
    Grant.objects.create(user=bruno, application=application, environment=staging_environment)
    host, second, foreign_host = (server(name) for name in ("web-1", "web-2", "web-3"))
    staging = placement(application, staging_environment, host, second)
    production = placement(application, production_environment, foreign_host)
    running = deployment(staging, ana, DeploymentStatus.RUNNING)
    foreign = deployment(production, ana, DeploymentStatus.RUNNING)
    repository = source_of(application)
    look = looked_at(repository)
    return Story(ana, bruno, carla, dora, staging, production, running, foreign, host, foreign_host, repository, look)


def first_target(story: Story) -> Target:
    """What runs in staging, on its first server."""
    return story.running.targets.order_by("pk")[0]


def person(name: str, role: Role) -> User:
    """Somebody who may sign in with PASSWORD."""
    user = User.objects.create_user(f"{name.split()[0].lower()}@example.com", None, name=name, role=role)
    User.objects.filter(pk=user.pk).update(password=_hashed())
    user.refresh_from_db()
    return user


@functools.cache
def _hashed() -> str:
    """Hashing is slow on purpose, so it is done once."""
    return make_password(PASSWORD)


def server(name: str) -> Host:
    """A trusted, ready server."""
    return Host.objects.create(
        name=name, address="192.0.2.7", host_key_type="ssh-ed25519", host_key=HOST_KEY, state=HostState.READY
    )


def placement(application: Application, environment: Environment, *hosts: Host) -> Placement:
    """An application in an environment."""
    made = Placement.objects.create(application=application, environment=environment, image="registry.test/shop:1")
    for host in hosts:
        PlacementHost.objects.create(placement=made, host=host)
    return made


COMMITS: tuple[dict[str, str], ...] = tuple(
    {"commit": letter * 40, "subject": subject, "author": author, "committed_at": f"2026-03-0{day}T10:00:00+00:00"}
    for day, letter, subject, author in (
        (4, "a", "Round the cart's total", "Bruno Lima"),
        (3, "b", "Show the cart's total", "Bruno Lima"),
        (2, "c", "Begin", "Ana Prado"),
    )
)
"""The commits of branch main, newest first."""


def source_of(application: Application, **fields: Any) -> Repository:
    """A public repository that was looked at."""
    branches = [{"name": "main", "commit": COMMITS[0]["commit"]}, {"name": "cart", "commit": COMMITS[1]["commit"]}]
    refs = {"branches": branches, "tags": [{"name": "v1", "commit": COMMITS[2]["commit"]}], "default": "main"}
    values = {
        "url": f"https://git.example.com/team/{application.name}.git",
        "state": RepositoryState.READY,
        "refs": refs,
        "checked_at": timezone.now(),
    }
    return Repository.objects.create(application=application, **{**values, **fields})


def looked_at(of: Repository, ref: str = "main", **result: Any) -> Operation:
    """A look at a branch that has ended: there is a Dockerfile, unless `result` says otherwise."""
    now = timezone.now()
    found = {
        "state": "ready",
        "refs": of.refs,
        "commits": list(COMMITS),
        "dockerfiles": ["Dockerfile"],
        "detected": None,
    }
    return Operation.objects.create(
        kind=Operation.Kind.REPOSITORY,
        repository=of,
        status=OperationStatus.SUCCEEDED,
        request={"url": of.url, "ref": ref, "subdirectory": ""},
        result={**found, **result},
        requested_at=now,
        ended_at=now,
        deadline_at=now,
    )


def release(of: Placement, by: User) -> Release:
    """The next release of a placement."""
    number = of.releases.count() + 1
    return Release.objects.create(placement=of, number=number, image=of.image, created_by=by, created_by_name=by.name)


def deployment(of: Placement, by: User, status: DeploymentStatus) -> Deployment:
    """A deployment on all of the placement's servers."""
    made = Deployment.objects.create(
        placement=of,
        release=release(of, by),
        status=status,
        application_name=of.application.name,
        environment_name=of.environment.name,
        requested_by=by,
        requested_by_name=by.name,
        requested_at=timezone.now(),
    )
    for seat in of.seats.order_by("pk"):
        Target.objects.create(
            deployment=made,
            placement=of,
            host=seat.host,
            host_name=seat.host.name,
            status=TargetStatus(status) if status in {"queued", "running"} else TargetStatus.SUCCEEDED,
        )
    return made


def in_doubt(of: Deployment, **fields: Any) -> Deployment:
    """A deployment that left its first server in doubt; it is over."""
    target = of.targets.select_related("host").order_by("pk")[0]
    outcome = {"verdict": "needs_attention", "what": "It is not proven that anything serves.", "remedy": "Look at it."}
    of.targets.exclude(pk=target.pk).update(status=TargetStatus.SUCCEEDED, ended_at=timezone.now())
    Target.objects.filter(pk=target.pk).update(
        status=TargetStatus.NEEDS_ATTENTION, ended_at=timezone.now(), outcome=outcome
    )
    Deployment.objects.filter(pk=of.pk).update(status=DeploymentStatus.NEEDS_ATTENTION, ended_at=timezone.now())
    of.refresh_from_db()
    Attention.objects.create(
        target=target, placement=of.placement, host=target.host, **{"opened_at": timezone.now(), **fields}
    )
    return of


def plan(of: Placement, by: User) -> Plan:
    """A plan that still looks at the servers."""
    now = timezone.now()
    looking = Operation.objects.create(
        kind=Operation.Kind.PLAN,
        placement=of,
        requested_by=by,
        requested_by_name=by.name,
        requested_at=now,
        deadline_at=now,
    )
    return Plan.objects.create(placement=of, placement_version=of.version, operation=looking, created_by=by)


def command_run(host: Host, of: Placement, **fields: Any) -> OneOffRun:
    """A command that waits to be run on a server."""
    now = timezone.now()
    operation = Operation.objects.create(
        kind=Operation.Kind.RUN,
        host=host,
        placement=of,
        request={"what": "run"},
        requested_by_name="Ana Prado",
        requested_at=now,
        deadline_at=now,
    )
    values: dict[str, Any] = {"command": ["./manage.py", "migrate"], "seconds": 600, **fields}
    release = of.releases.order_by("number")[0]
    return OneOffRun.objects.create(operation=operation, release=release, host_name=host.name, **values)


def write_lines(target: Target, amount: int, *, publish: bool = True, padding: int = 0) -> int:
    """Record the next lines of a target's log as the recorder does: first the record, then the wake entry. The last number."""
    target.refresh_from_db()
    first = target.last_line + 1
    last = target.last_line + amount
    at = 1_700_000_000_000
    rows = [
        live.LogLine(number, at + number, "pull", "stdout", f"line {number} of {target.pk} ·" + "·" * padding)
        for number in range(first, last + 1)
    ]
    text = live.encode_lines(rows)
    LogChunk.objects.create(target=target, first_line=first, last_line=last, fence=1, lines=text)
    Target.objects.filter(pk=target.pk).update(last_line=last)
    if publish:
        queue.publish(live.wake_log(target.pk, target.deployment_id, first, last, text))
    return last


def write_lines_apart(target: Target, amount: int, **how: Any) -> int:
    """`write_lines` in a thread of its own, whose connection is given back."""
    try:
        return write_lines(target, amount, **how)
    finally:
        connections.close_all()
