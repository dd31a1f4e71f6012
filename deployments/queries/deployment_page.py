"""One Deployment's page: its Targets with their steps, its waves, and its place in the queue."""

from dataclasses import dataclass, field
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from deployments.models import Deployment, Target
from deployments.queries.deployment_rows import (
    TargetRow,
    Wave,
    previous_deployment,
    seconds,
    target_rows,
    waves_of,
)
from deployments.queries.standstill import Standstill, standstills
from deployments.states import DEPLOYMENT_OPEN, DeploymentStatus, TargetStatus

_FAILED: Final = frozenset(
    {
        TargetStatus.FAILED,
        TargetStatus.FAILED_RESTORED,
        TargetStatus.FAILED_UNTOUCHED,
        TargetStatus.NEEDS_ATTENTION,
    }
)


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """What a queued Deployment waits behind: `position` counts from 1 among the waiting."""

    after: Deployment
    position: int


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """Everything the page shows about the run. `targets` begins with the build, where there is one."""

    deployment: Deployment
    targets: list[TargetRow]
    place: QueuePlace | None
    last_seconds: float | None
    failures: list[Target] = field(default_factory=list)

    @property
    def servers(self) -> list[TargetRow]:
        """The rows that bring the Release to a server."""
        return [row for row in self.targets if not row.is_build]

    @property
    def build(self) -> TargetRow | None:
        """The row that makes the image."""
        return next((row for row in self.targets if row.is_build), None)

    @property
    def waves(self) -> list[Wave]:
        """The servers in the order that they come in."""
        return waves_of(self.deployment, self.servers)

    @property
    def next_wave(self) -> list[TargetRow]:
        """The servers that a gate keeps waiting."""
        return [row for row in self.servers if row.target.wave == self.deployment.wave + 1]

    @property
    def waits(self) -> bool:
        """It stands at a gate between two waves."""
        return self.is_open and bool(self.deployment.gate) and self.deployment.cancel_requested_at is None

    @property
    def switched(self) -> list[str]:
        """The servers that run what it brings."""
        return [row.target.host_name for row in self.servers if row.target.status == TargetStatus.SUCCEEDED]

    @property
    def is_open(self) -> bool:
        """Still queued or running."""
        return self.deployment.status in DEPLOYMENT_OPEN

    @property
    def stalled(self) -> list[Target]:
        """Targets that nobody works on although work began."""
        return [row.target for row in self.targets if row.target.status == TargetStatus.STALLED]

    @property
    def standstills(self) -> list[Standstill]:
        """Those, and what each waits for."""
        return standstills(self.stalled)

    @property
    def state_label(self) -> "str | Promise":
        """The status in words, with the server where exactly one failed."""
        if self.stalled:
            return _("Stalled on %(server)s") % {"server": ", ".join(each.host_name for each in self.stalled)}
        if self.deployment.status == DeploymentStatus.FAILED and len(self.failures) == 1:
            if self.failures[0].role == Target.Role.BUILD:
                return _("The build failed")
            if len(self.servers) > 1:
                return _("Failed on %(server)s") % {"server": self.failures[0].host_name}
        if self.deployment.status == DeploymentStatus.RUNNING and self.deployment.cancel_requested_at:
            return _("Cancelling")
        if self.waits:
            return _("Waiting for you") if self.deployment.gate == "person" else _("Waiting")
        if self.build is not None and self.build.target.status == TargetStatus.RUNNING:
            return _("Building on %(server)s") % {"server": self.build.target.host_name}
        restored = {TargetStatus.FAILED_RESTORED, TargetStatus.CANCELLED_RESTORED}
        if len(self.servers) == 1 and self.servers[0].target.status in restored:
            return str(self.servers[0].target.get_status_display())
        return str(self.deployment.get_status_display())

    @property
    def state(self) -> str:
        """The status that gives colour and shape."""
        if self.waits and not self.stalled:
            return "waiting"
        return TargetStatus.STALLED if self.stalled else self.deployment.status

    @property
    def open_at(self) -> str:
        """The line that the log opens at, "web-2:L126": where the first failed step begins; "" for its end."""
        failed = ((row.target, row.failed_step) for row in self.targets)
        return next((f"{target.label}:L{step.first_line}" for target, step in failed if step and step.first_line), "")

    @property
    def left_doubt(self) -> bool:
        """What serves on one of its servers was not known at its end."""
        return any(each.status == TargetStatus.NEEDS_ATTENTION for each in self.failures)

    @property
    def on_release(self) -> int:
        """How many servers were seen on this Deployment's Release."""
        number = self.deployment.release.number
        return sum(1 for row in self.servers if row.target.serving_release == number)


def deployment_page(deployment: Deployment) -> DeploymentPage:
    """The read model, in a constant number of queries."""
    targets = list(
        Target.objects.filter(deployment=deployment).order_by("role", "wave", "host_name")
    )  # the build is first
    previous = previous_deployment(deployment)
    return DeploymentPage(
        deployment,
        target_rows(deployment, targets),
        queue_place(deployment),
        seconds(previous.started_at, previous.ended_at) if previous else None,
        [target for target in targets if target.status in _FAILED],
    )


def queue_place(deployment: Deployment) -> QueuePlace | None:
    """Behind what a queued Deployment waits; None when it is next or not waiting."""
    if deployment.status != DeploymentStatus.QUEUED:
        return None
    older = list(
        Deployment.objects.filter(
            placement=deployment.placement_id, pk__lt=deployment.pk, status__in=DEPLOYMENT_OPEN
        ).order_by("pk")
    )
    if not older:
        return None
    waiting = sum(1 for each in older if each.status == DeploymentStatus.QUEUED)
    return QueuePlace(older[0], waiting + 1)
