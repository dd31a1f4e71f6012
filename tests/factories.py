"""Rows for tests: people with names and roles, servers, applications and what was deployed of them.

Factories write rows as they stand after something happened; what is done by the domain is done through it.
"""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import factory
from django.utils import timezone

from deployments import container_settings
from deployments.models import (
    Application,
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
    Step,
    Target,
    User,
    Variable,
    WorkerProcess,
)
from deployments.states import DeploymentStatus, HostState, OperationStatus, TargetStatus

PASSWORD = "a long enough password"
DIGEST = "sha256:" + "9f2c41d0" * 8


def _digest(number: int) -> str:
    return "sha256:" + sha256(str(number).encode()).hexdigest()


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A deployer without grants, unless told otherwise."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    name = factory.Sequence(lambda number: f"Person {number}")
    email = factory.LazyAttribute(lambda user: f"{user.name.lower().replace(' ', '.')}@example.com")
    role = Role.DEPLOYER

    @factory.post_generation
    def password(self: User, create: bool, extracted: str | None, **_kwargs: Any) -> None:
        """Everybody has the same one; `password=""` leaves none."""
        if extracted != "":
            self.set_password(extracted or PASSWORD)
            self.save(update_fields=("password",))


def ana(**fields: Any) -> User:
    """Ana Prado, admin."""
    return UserFactory(name="Ana Prado", email="ana@example.com", role=Role.ADMIN, **fields)


def bruno(*placements: Placement, **fields: Any) -> User:
    """Bruno Lima, deployer, granted these Placements."""
    user = UserFactory(name="Bruno Lima", email="bruno@example.com", role=Role.DEPLOYER, **fields)
    grant(user, *placements)
    return user


def carla(**fields: Any) -> User:
    """Carla Nunes, auditor."""
    return UserFactory(name="Carla Nunes", email="carla@example.com", role=Role.AUDITOR, **fields)


def grant(user: User, *placements: Placement) -> None:
    """Let a deployer act on these."""
    for placement in placements:
        Grant.objects.create(user=user, application=placement.application, environment=placement.environment)


class EnvironmentFactory(factory.django.DjangoModelFactory[Environment]):
    """staging, then others by number."""

    class Meta:
        model = Environment
        django_get_or_create = ("name",)

    name = "staging"
    position = factory.Sequence(lambda number: number)


class ApplicationFactory(factory.django.DjangoModelFactory[Application]):
    """app-0, app-1, …"""

    class Meta:
        model = Application

    name = factory.Sequence(lambda number: f"app-{number}")


class HostFactory(factory.django.DjangoModelFactory[Host]):
    """A server that was met, trusted and checked a moment ago."""

    class Meta:
        model = Host

    name = factory.Sequence(lambda number: f"web-{number + 1}")
    address = factory.LazyAttribute(lambda host: f"{host.name}.example.com")
    user = "deploy"
    public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxNVUS0Gyb2tEQlXQhJfWh0IuUq3DK2nhOa4Gl8J8dp"
    host_key_type = "ssh-ed25519"
    host_key = "AAAAC3NzaC1lZDI1NTE5AAAAIJm1sp2Y3Qf3Dk8tR7oYX6J5t9cW0eVb2nUu4Lh7q1Zy"
    state = HostState.READY
    engine_version = "26.1.4"
    api_version = "1.45"
    os_type = "linux"
    architecture = "amd64"
    disk_free = 31_000_000_000
    disk_total = 80_000_000_000
    clock_skew = 0.02
    trusted_at = factory.LazyFunction(timezone.now)
    state_since = factory.LazyFunction(timezone.now)
    checked_at = factory.LazyFunction(timezone.now)


class PlacementFactory(factory.django.DjangoModelFactory[Placement]):
    """An application in an environment; `hosts=[…]` gives it seats."""

    class Meta:
        model = Placement
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory)
    environment = factory.SubFactory(EnvironmentFactory)
    image = factory.LazyAttribute(lambda placement: f"registry.example.com/{placement.application.name}:1.0.0")
    settings = factory.LazyFunction(
        lambda: container_settings.normalise({"ports": [{"container_port": 5000, "host_port": 8080}]})
    )

    @factory.post_generation
    def hosts(self: Placement, create: bool, extracted: list[Host] | None, **_kwargs: Any) -> None:
        """Seats on these servers."""
        for host in extracted or ():
            PlacementHost.objects.create(placement=self, host=host)


class VariableFactory(factory.django.DjangoModelFactory[Variable]):
    """A plain variable."""

    class Meta:
        model = Variable

    name = factory.Sequence(lambda number: f"NAME_{number}")
    value = "value"
    position = factory.Sequence(lambda number: number)


class ReleaseFactory(factory.django.DjangoModelFactory[Release]):
    """The next Release of its Placement, with the settings of now."""

    class Meta:
        model = Release

    placement = factory.SubFactory(PlacementFactory)
    number = factory.LazyAttribute(lambda release: release.placement.releases.count() + 1)
    image = factory.LazyAttribute(lambda release: release.placement.image)
    tag = factory.LazyAttribute(lambda release: release.image.rpartition(":")[2])
    digest = factory.LazyAttribute(lambda release: _digest(release.placement.pk * 1000 + release.number))
    settings = factory.LazyAttribute(lambda release: release.placement.settings)
    created_by_name = "Ana Prado"


class DeploymentFactory(factory.django.DjangoModelFactory[Deployment]):
    """A Deployment that is queued; `ran` makes one that is over."""

    class Meta:
        model = Deployment

    placement = factory.LazyAttribute(lambda deployment: deployment.release.placement)
    release = factory.SubFactory(ReleaseFactory)
    application_name = factory.LazyAttribute(lambda deployment: deployment.placement.application.name)
    environment_name = factory.LazyAttribute(lambda deployment: deployment.placement.environment.name)
    requested_by_name = "Ana Prado"
    requested_at = factory.LazyFunction(timezone.now)


class TargetFactory(factory.django.DjangoModelFactory[Target]):
    """One server's share, queued."""

    class Meta:
        model = Target

    placement = factory.LazyAttribute(lambda target: target.deployment.placement)
    host_name = factory.LazyAttribute(lambda target: target.host.name)


class StepFactory(factory.django.DjangoModelFactory[Step]):
    """A step that runs."""

    class Meta:
        model = Step

    fence = 1
    key = "pull"
    started_at = factory.LazyFunction(timezone.now)


class WorkerFactory(factory.django.DjangoModelFactory[WorkerProcess]):
    """A worker that reported just now."""

    class Meta:
        model = WorkerProcess

    name = factory.Sequence(lambda number: f"worker-{number}")
    role = "deploy"
    started_at = factory.LazyFunction(timezone.now)
    beat_at = factory.LazyFunction(timezone.now)
    capacity = 32


class OperationFactory(factory.django.DjangoModelFactory[Operation]):
    """An Operation that is queued."""

    class Meta:
        model = Operation

    kind = Operation.Kind.PLAN
    requested_at = factory.LazyFunction(timezone.now)
    deadline_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=2))


class PlanFactory(factory.django.DjangoModelFactory[Plan]):
    """A Plan whose Operation has not looked yet."""

    class Meta:
        model = Plan

    placement = factory.SubFactory(PlacementFactory)
    placement_version = 1
    operation = factory.SubFactory(OperationFactory, placement=factory.SelfAttribute("..placement"))
    image = factory.LazyAttribute(lambda plan: plan.placement.image)
    settings = factory.LazyAttribute(lambda plan: plan.placement.settings)


def ran(
    release: Release,
    *,
    status: DeploymentStatus = DeploymentStatus.SUCCEEDED,
    target: TargetStatus = TargetStatus.SUCCEEDED,
    ago: timedelta = timedelta(0),
    seconds: float = 19,
    **fields: Any,
) -> Deployment:
    """A Deployment of this Release that is over, on all its servers; where it succeeded they run the Release now."""
    ended = timezone.now() - ago
    started = ended - timedelta(seconds=seconds)
    deployment = DeploymentFactory(
        release=release, status=status, requested_at=started, started_at=started, ended_at=ended, **fields
    )
    for seat in release.placement.seats.filter(is_active=True).select_related("host", "running_release"):
        serving = release if status == DeploymentStatus.SUCCEEDED else seat.running_release
        row = TargetFactory(
            deployment=deployment,
            host=seat.host,
            status=target,
            started_at=started,
            ended_at=ended,
            serving_release=serving.number if serving else None,
        )
        if status == DeploymentStatus.SUCCEEDED:
            seat.running_release, seat.running_target, seat.running_since = release, row, ended
            seat.save()
    return deployment


def planned(plan: Plan, hosts: list[dict[str, Any]], **fields: Any) -> Plan:
    """The Plan as it stands once its Operation has looked."""
    plan.operation.status = OperationStatus.SUCCEEDED
    plan.operation.ended_at = timezone.now()
    plan.operation.save()
    plan.hosts = hosts
    plan.is_ready, plan.fingerprint, plan.digest, plan.tag = True, "7c1e" * 16, DIGEST, "1.0.0"
    for name, value in fields.items():
        setattr(plan, name, value)
    plan.save()
    return plan
