"""A Deployment's Targets as rows: their steps, what they wait for, and the waves they come in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from deployments import builds, engines, known
from deployments.models import Deployment, Step, Target
from deployments.states import TARGET_HELD, TARGET_OPEN, DeploymentStatus, TargetStatus

MOST_UNFOLDED: Final = 6
"""Servers of a Deployment that are all shown with their steps; where there are more, only those where something happens."""

STEP_TITLES: Final[dict[str, "str | Promise"]] = {
    "connect": _("Connect"),
    "clone": _("Clone"),
    "build": _("Build"),
    "publish": _("Publish"),
    "preflight": _("Preflight"),
    "pull": _("Pull"),
    "before": _("Command before"),
    "replace": _("Replace"),
    "health": _("Health"),
    "verify": _("Verify"),
    "cleanup": _("Clean up"),
    "after": _("Command after"),
    "restore": _("Restore"),
}
_EXPECTED: Final = ("connect", "preflight", "pull", "replace", "health", "verify", "cleanup")
_BUILD: Final = ("connect", "clone", "build", "cleanup")
_PUSHED_BUILD: Final = ("connect", "clone", "build", "publish", "cleanup")


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
    def is_calm(self) -> bool:
        """There is nothing to see beyond its status: it waits, was left out, or went well."""
        return self.target.status in {TargetStatus.QUEUED, TargetStatus.SUCCEEDED, TargetStatus.SKIPPED}

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
class Wave:
    """The servers that are deployed to at the same time. `number` counts from 1; `folded` are those that say nothing new."""

    number: int
    rows: list[TargetRow]
    folded: list[TargetRow]
    has_begun: bool

    @property
    def all(self) -> list[TargetRow]:
        """Every server of it."""
        return sorted([*self.rows, *self.folded], key=lambda row: row.target.host_name)

    @property
    def waiting(self) -> list[TargetRow]:
        """Of the folded, those that have not begun."""
        return [row for row in self.folded if row.target.status == TargetStatus.QUEUED]

    @property
    def done(self) -> list[TargetRow]:
        """Of the folded, those that went well."""
        return [row for row in self.folded if row.target.status == TargetStatus.SUCCEEDED]

    @property
    def skipped(self) -> list[TargetRow]:
        """Of the folded, those that were left out."""
        return [row for row in self.folded if row.target.status == TargetStatus.SKIPPED]


def waves_of(deployment: Deployment, servers: Sequence[TargetRow]) -> list[Wave]:
    """The servers by wave; where they are many, those that wait, were left out or are done are folded."""
    folds = len(servers) > MOST_UNFOLDED
    found: defaultdict[int, tuple[list[TargetRow], list[TargetRow]]] = defaultdict(lambda: ([], []))
    for row in servers:
        found[row.target.wave][folds and row.is_calm].append(row)
    return [Wave(number + 1, *found[number], number <= deployment.wave) for number in sorted(found)]


def target_rows(deployment: Deployment, targets: Sequence[Target]) -> list[TargetRow]:
    """One for each, in a constant number of queries."""
    steps, last = _latest_steps(targets), _last_durations(previous_deployment(deployment))
    pushed = bool(deployment.release.source.get("build", {}).get("push_to"))
    building = any(target.role == Target.Role.BUILD and target.status in TARGET_OPEN for target in targets)
    waiting = [each for each in targets if each.status in (TargetStatus.QUEUED, TargetStatus.STALLED)]
    absent = engines.waiting_reasons(waiting) if waiting else {}
    unknown = known.unknown_in_deployment(deployment, sorted({each.role for each in targets})) if waiting else ""
    nobody = known.waiting_reason(unknown) if unknown else ""
    return [
        TargetRow(
            target,
            _rows(target, steps[target.pk], last[target.host_id, target.role], pushed=pushed),
            absent.get(target.pk) or _waits_for(target, deployment, nobody, building=building),
        )
        for target in targets
    ]


def _waits_for(target: Target, deployment: Deployment, nobody: str, *, building: bool) -> "str | Promise":
    """`nobody` says why nobody can take any of it."""
    if nobody and target.status in (TargetStatus.QUEUED, TargetStatus.STALLED):
        return nobody
    if target.status != TargetStatus.QUEUED:
        return ""
    if target.role == Target.Role.BUILD:
        return builds.waiting_reason(target)
    if target.wave > deployment.wave:
        return _("Waits for the servers before it.")
    return _("Waits for the image.") if building else ""


def _latest_steps(targets: Iterable[Target]) -> defaultdict[int, dict[str, Step]]:
    latest: defaultdict[int, dict[str, Step]] = defaultdict(dict)
    for step in Step.objects.filter(target__in=[target.pk for target in targets]).order_by("pk"):
        latest[step.target_id][step.key] = step
    return latest


def previous_deployment(deployment: Deployment) -> Deployment | None:
    """The one before it that went well."""
    done = Deployment.objects.filter(placement=deployment.placement_id, status=DeploymentStatus.SUCCEEDED)
    return done.filter(pk__lt=deployment.pk).order_by("-pk").first()


def _last_durations(previous: Deployment | None) -> defaultdict[tuple[int, str], dict[str, float | None]]:
    """By server and role, since the builder may be one of the servers."""
    durations: defaultdict[tuple[int, str], dict[str, float | None]] = defaultdict(dict)
    if previous is not None:
        for step in Step.objects.filter(target__deployment=previous).select_related("target").order_by("pk"):
            durations[step.target.host_id, step.target.role][step.key] = seconds(step.started_at, step.ended_at)
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
        seconds(step.started_at, step.ended_at),
        last,
        step.message,
        step.first_line,
        step.done,
        step.total,
        step.label,
    )


def seconds(start: Any, end: Any) -> float | None:
    """Between the two; None while one is missing."""
    return (end - start).total_seconds() if start and end else None
