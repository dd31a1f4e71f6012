"""One Deployment's page: its Targets with their steps, and its place in the queue."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from deployments import builds
from deployments.models import Deployment, Step, Target
from deployments.states import DEPLOYMENT_OPEN, TARGET_HELD, TARGET_OPEN, DeploymentStatus, TargetStatus

STEP_TITLES: Final[dict[str, "str | Promise"]] = {
    "connect": _("Connect"),
    "clone": _("Clone"),
    "build": _("Build"),
    "publish": _("Publish"),
    "preflight": _("Preflight"),
    "pull": _("Pull"),
    "replace": _("Replace"),
    "health": _("Health"),
    "verify": _("Verify"),
    "cleanup": _("Clean up"),
    "restore": _("Restore"),
}
_EXPECTED: Final = ("connect", "preflight", "pull", "replace", "health", "verify", "cleanup")
_BUILD: Final = ("connect", "clone", "build", "cleanup")
_PUSHED_BUILD: Final = ("connect", "clone", "build", "publish", "cleanup")
_FAILED: Final = frozenset(
    {
        TargetStatus.FAILED,
        TargetStatus.FAILED_RESTORED,
        TargetStatus.FAILED_UNTOUCHED,
        TargetStatus.NEEDS_ATTENTION,
    }
)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step as shown; `status` "waiting" when it has not begun. Seconds are None while unknown."""

    key: str
    title: "str | Promise"
    status: str
    started_at: datetime | None = None
    seconds: float | None = None
    last_seconds: float | None = None
    message: str = ""
    first_line: int = 0
    done: int = 0
    total: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A server's share, or the build; `waits_for` says in words what a queued one waits for, "" where that is known elsewhere."""

    target: Target
    steps: list[StepRow]
    waits_for: "str | Promise" = ""

    @property
    def is_open(self) -> bool:
        """Not ended yet."""
        return self.target.status in TARGET_OPEN

    @property
    def is_build(self) -> bool:
        """It makes the image; the others wait for it."""
        return self.target.role == Target.Role.BUILD

    @property
    def skipped_because(self) -> str:
        """Why it was not begun, where somebody decided so."""
        is_skipped = self.target.status == TargetStatus.SKIPPED
        return str(self.target.outcome.get("what", "")) if is_skipped else ""

    @property
    def failed_step(self) -> StepRow | None:
        """The step that failed, where one did."""
        return next((step for step in self.steps if step.status == "bad"), None)


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
    def is_open(self) -> bool:
        """Still queued or running."""
        return self.deployment.status in DEPLOYMENT_OPEN

    @property
    def stalled(self) -> list[Target]:
        """Targets that nobody works on although work began."""
        return [row.target for row in self.targets if row.target.status == TargetStatus.STALLED]

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
        if self.build is not None and self.build.target.status == TargetStatus.RUNNING:
            return _("Building on %(server)s") % {"server": self.build.target.host_name}
        restored = {TargetStatus.FAILED_RESTORED, TargetStatus.CANCELLED_RESTORED}
        if len(self.servers) == 1 and self.servers[0].target.status in restored:
            return str(self.servers[0].target.get_status_display())
        return str(self.deployment.get_status_display())

    @property
    def state(self) -> str:
        """The status that gives colour and shape."""
        return TargetStatus.STALLED if self.stalled else self.deployment.status

    @property
    def open_at(self) -> str:
        """The line that the log opens at, "web-2:L126": where the first failed step begins; "" for its end."""
        failed = ((row.target, row.failed_step) for row in self.targets)
        return next((f"{target.label}:L{step.first_line}" for target, step in failed if step and step.first_line), "")

    @property
    def on_release(self) -> int:
        """How many servers were seen on this Deployment's Release."""
        number = self.deployment.release.number
        return sum(1 for row in self.servers if row.target.serving_release == number)


def deployment_page(deployment: Deployment) -> DeploymentPage:
    """The read model, in a constant number of queries."""
    targets = list(Target.objects.filter(deployment=deployment).order_by("role", "host_name"))  # the build comes first
    steps = _latest_steps(targets)
    previous = _previous_deployment(deployment)
    last = _last_durations(previous)
    pushed = bool(deployment.release.source.get("build", {}).get("push_to"))
    building = any(target.role == Target.Role.BUILD and target.status in TARGET_OPEN for target in targets)
    rows = [
        TargetRow(
            target,
            _rows(target, steps[target.pk], last[target.host_id, target.role], pushed=pushed),
            _waits_for(target, building=building),
        )
        for target in targets
    ]
    return DeploymentPage(
        deployment,
        rows,
        queue_place(deployment),
        _seconds(previous.started_at, previous.ended_at) if previous else None,
        [target for target in targets if target.status in _FAILED],
    )


def _waits_for(target: Target, *, building: bool) -> "str | Promise":
    if target.status != TargetStatus.QUEUED:
        return ""
    if target.role == Target.Role.BUILD:
        return builds.waiting_reason(target)
    return _("Waits for the image.") if building else ""


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


def _latest_steps(targets: Iterable[Target]) -> defaultdict[int, dict[str, Step]]:
    latest: defaultdict[int, dict[str, Step]] = defaultdict(dict)
    for step in Step.objects.filter(target__in=[target.pk for target in targets]).order_by("pk"):
        latest[step.target_id][step.key] = step
    return latest


def _previous_deployment(deployment: Deployment) -> Deployment | None:
    done = Deployment.objects.filter(placement=deployment.placement_id, status=DeploymentStatus.SUCCEEDED)
    return done.filter(pk__lt=deployment.pk).order_by("-pk").first()


def _last_durations(previous: Deployment | None) -> defaultdict[tuple[int, str], dict[str, float | None]]:
    """By server and role, since the builder may be one of the servers."""
    durations: defaultdict[tuple[int, str], dict[str, float | None]] = defaultdict(dict)
    if previous is not None:
        for step in Step.objects.filter(target__deployment=previous).select_related("target").order_by("pk"):
            durations[step.target.host_id, step.target.role][step.key] = _seconds(step.started_at, step.ended_at)
    return durations


def _rows(
    target: Target, steps: dict[str, Step], last: dict[str, float | None], *, pushed: bool = False
) -> list[StepRow]:
    usual = _EXPECTED if target.role == Target.Role.DEPLOY else _PUSHED_BUILD if pushed else _BUILD
    expected = [key for key in STEP_TITLES if key in steps or (key in usual and target.status in TARGET_OPEN)]
    return [_row(key, steps.get(key), last.get(key), target) for key in expected]


def _row(key: str, step: Step | None, last: float | None, target: Target) -> StepRow:
    title = STEP_TITLES[key]
    if step is None or (target.status in TARGET_HELD and step.fence < target.fence):
        return StepRow(key, title, "waiting", last_seconds=last)
    return StepRow(
        key,
        title,
        step.status,
        step.started_at,
        _seconds(step.started_at, step.ended_at),
        last,
        step.message,
        step.first_line,
        step.done,
        step.total,
        step.label,
    )


def _seconds(start: Any, end: Any) -> float | None:
    return (end - start).total_seconds() if start and end else None
