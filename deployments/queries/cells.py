"""A Placement at a glance: what it runs, how that stands, and what moves there right now."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from deployments.models import Deployment, Placement, PlacementHost, Release, Step, Target
from deployments.queries.attention_page import Doubt, open_doubts
from deployments.states import DEPLOYMENT_OPEN, TARGET_ENDS, DeploymentStatus, HostState, TargetStatus

FAILED: Final = frozenset({DeploymentStatus.FAILED, DeploymentStatus.NEEDS_ATTENTION})
MOST_OF_A_PILL: Final = 90
_OUT_OF_REACH: Final = frozenset({HostState.UNREACHABLE, HostState.KEY_CHANGED})


@dataclass(frozen=True, slots=True)
class Pill:
    """A short remark beside a state; `tone` good, bad, warn or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Motion:
    """An open Deployment inside its cell: `step` is one that runs now, `waiting` how many Deployments queue behind it.

    `build` is the Target that makes the image first, where one does; it counts as no server.
    """

    deployment: Deployment
    targets: list[Target]
    step: Step | None
    waiting: int
    build: Target | None = None

    @property
    def ended(self) -> int:
        """Servers that are through."""
        return sum(1 for target in self.targets if target.status in TARGET_ENDS)

    @property
    def stalled(self) -> Target | None:
        """A Target that nobody works on, where there is one."""
        every = [*([self.build] if self.build else []), *self.targets]
        return next((target for target in every if target.status == TargetStatus.STALLED), None)

    @property
    def is_building(self) -> bool:
        """The image is being made, and no server has begun."""
        return self.build is not None and self.build.status == TargetStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Cell:
    """A Placement in the matrix: `state` gives colour and shape, `label` the word."""

    placement: Placement
    state: str
    label: str
    release: Release | None
    next_release: Release | None
    servers: int
    since: datetime | None
    by: str
    motion: Motion | None = None
    latest: Deployment | None = None
    pills: list[Pill] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The running application's address without its scheme."""
        return self.placement.url.partition("://")[2].rstrip("/")


def cells_of(placements: Iterable[Placement]) -> dict[int, Cell]:
    """Each Placement's Cell by its id, in a constant number of queries."""
    by_id = {placement.pk: placement for placement in placements}
    seats = _seats(by_id)
    latest, motions, doubts = _latest(by_id), _motions(by_id), _doubts(by_id)
    return {
        key: _cell(placement, seats[key], latest.get(key), motions.get(key), doubts[key])
        for key, placement in by_id.items()
    }


def _doubts(keys: Iterable[int]) -> defaultdict[int, list[Doubt]]:
    found: defaultdict[int, list[Doubt]] = defaultdict(list)
    for each in open_doubts(list(keys)):
        found[each.row.placement_id].append(each)
    return found


_NOT_SHOWN: Final = (
    *(
        "observed",
        "difference",
        "host__containers",
        "host__ignored_containers",
        "host__private_key",
        "host__passphrase",
    ),
    *("running_target__outcome", "running_target__published"),
    *("running_target__deployment__changes", "running_target__deployment__commits"),
)
"""What is long and in no cell."""


def _seats(keys: Iterable[int]) -> defaultdict[int, list[PlacementHost]]:
    found: defaultdict[int, list[PlacementHost]] = defaultdict(list)
    rows = PlacementHost.objects.filter(placement__in=keys, is_active=True)
    rows = rows.select_related("host", "running_release", "running_target__deployment").defer(*_NOT_SHOWN)
    for seat in rows.order_by("host__name"):
        found[seat.placement_id].append(seat)
    return found


def _latest(keys: Iterable[int]) -> dict[int, Deployment]:
    """The Deployment that ended last, by Placement; a cancelled one changes nothing about what runs."""
    of_each = (
        Placement.objects.filter(pk__in=keys).order_by().annotate(newest=Subquery(newest_ended().values("pk")[:1]))
    )
    rows = Deployment.objects.filter(pk__in=of_each.values("newest")).select_related("release")
    return {row.placement_id: row for row in rows}


def newest_ended() -> QuerySet[Deployment]:
    """Of an outer query's Placement, newest first: one look into an index, however long its history is."""
    ended = (DeploymentStatus.SUCCEEDED, DeploymentStatus.FAILED, DeploymentStatus.NEEDS_ATTENTION)
    return Deployment.objects.filter(placement=OuterRef("pk"), status__in=ended).order_by("-pk")


def _motions(keys: Iterable[int]) -> dict[int, Motion]:
    """The oldest open Deployment by Placement: the running one, or the first in line."""
    queued: defaultdict[int, list[Deployment]] = defaultdict(list)
    rows = Deployment.objects.filter(placement__in=keys, status__in=sorted(DEPLOYMENT_OPEN)).select_related("release")
    for row in rows.order_by("pk"):
        queued[row.placement_id].append(row)
    first = {line[0].pk: line for line in queued.values()}
    targets: defaultdict[int, list[Target]] = defaultdict(list)
    builds: dict[int, Target] = {}
    for target in Target.objects.filter(deployment__in=first).order_by("host_name"):
        if target.role == Target.Role.BUILD:
            builds[target.deployment_id] = target
        else:
            targets[target.deployment_id].append(target)
    running = Step.objects.filter(target__deployment__in=first, target__status=TargetStatus.RUNNING)
    steps = {step.target_id: step for step in running.filter(status=Step.Status.RUNNING).order_by("pk")}
    return {
        line[0].placement_id: Motion(
            line[0],
            targets[key],
            next((steps[pk] for pk in _worked_on(builds.get(key), targets[key]) if pk in steps), None),
            len(line) - 1,
            builds.get(key),
        )
        for key, line in first.items()
    }


def _worked_on(build: Target | None, targets: list[Target]) -> list[int]:
    """Ids in the order in which work is done."""
    return [target.pk for target in (*([build] if build else []), *targets)]


def _cell(
    placement: Placement,
    seats: list[PlacementHost],
    latest: Deployment | None,
    motion: Motion | None,
    doubts: list[Doubt],
) -> Cell:
    running = _running(seats)
    since = max((seat.running_since for seat in seats if seat.running_since), default=None)
    state, label, pills = _standing(seats, running, latest, doubts)
    by = _brought_by(seats, running) or (latest.requested_by_name if latest else "")
    upcoming = None
    if motion is not None:
        state, label = _moving(motion)
        by, upcoming = motion.deployment.requested_by_name, motion.deployment.release
    return Cell(
        placement,
        state,
        label,
        running,
        upcoming if upcoming != running else None,
        len(seats),
        since or (latest.ended_at if latest else None),
        by,
        motion,
        latest,
        pills,
        doubts,
    )


def _running(seats: list[PlacementHost]) -> Release | None:
    """What most servers run; the newer one where two are even."""
    found = [seat.running_release for seat in seats if seat.running_release]
    return max(found, key=lambda each: (found.count(each), each.number), default=None)


def _brought_by(seats: list[PlacementHost], running: Release | None) -> str:
    for seat in seats:
        if seat.running_release == running and running and seat.adopted.get("release") == running.number:
            return str(seat.adopted["by"])
        if seat.running_target is not None and seat.running_release == running:
            return seat.running_target.deployment.requested_by_name
    return ""


def _standing(
    seats: list[PlacementHost], running: Release | None, latest: Deployment | None, doubts: list[Doubt]
) -> tuple[str, str, list[Pill]]:
    """What is so while nothing moves: the worst of it gives the state, the rest are pills."""
    pills = [
        Pill(_short(seat.drift if len(seats) == 1 else f"{seat.host.name}: {seat.drift}"), "warn")
        for seat in seats
        if seat.drift and seat.host_id not in {each.row.host_id for each in doubts}
    ]
    away = [seat.host.name for seat in seats if seat.host.state in _OUT_OF_REACH]
    if away:
        pills.append(Pill(_("%(servers)s out of reach") % {"servers": ", ".join(away)}, "bad"))
    if len({seat.running_release_id for seat in seats}) > 1:
        pills.append(Pill(_("servers differ"), "warn"))
    if doubts:
        said = _("in doubt: %(servers)s") % {"servers": ", ".join(sorted({each.server for each in doubts}))}
        return "needs_attention", str(DeploymentStatus.NEEDS_ATTENTION.label), [Pill(_short(said), "bad"), *pills]
    if latest is not None and latest.status == DeploymentStatus.FAILED:
        serves = Pill(_("old version serves") if running else _("nothing serves"), "bad")
        return str(latest.status), str(latest.get_status_display()), [serves, *pills]
    if any(seat.drift for seat in seats):
        return "warn", _("Drift"), pills
    if running is None:
        return "new", _("Not deployed yet"), pills
    if away:
        return "unknown", _("Not seen now"), pills
    return "good", _("Healthy"), pills


def _short(text: str) -> str:
    return text if len(text) <= MOST_OF_A_PILL else f"{text[: MOST_OF_A_PILL - 1]}…"


def _moving(motion: Motion) -> tuple[str, str]:
    if motion.stalled is not None:
        return "stalled", _("Stalled on %(server)s") % {"server": motion.stalled.host_name}
    if motion.deployment.status == DeploymentStatus.QUEUED:
        return "queued", _("Queued")
    if motion.deployment.cancel_requested_at is not None:
        return "running", _("Cancelling")
    if motion.is_building and motion.build is not None:
        return "running", _("Building on %(server)s") % {"server": motion.build.host_name}
    return "running", doing(motion.step.key if motion.step else "")


def doing(step: str) -> str:
    """What a running step is doing, in one word."""
    words = {
        "connect": _("Connecting"),
        "clone": _("Cloning"),
        "build": _("Building"),
        "publish": _("Publishing"),
        "preflight": _("Checking"),
        "pull": _("Pulling"),
        "replace": _("Replacing"),
        "health": _("Waiting for health"),
        "verify": _("Verifying"),
        "cleanup": _("Cleaning up"),
        "restore": _("Restoring"),
    }
    return words.get(step, _("Running"))
