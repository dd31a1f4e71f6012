"""What runs where: a Placement's seat on each of its servers, after a Target has ended there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models.functions import Now

from deployments import clock, releases
from deployments.models import Deployment, PlacementHost, Release, Target
from deployments.states import TargetStatus

UNTOUCHED: Final = frozenset({TargetStatus.FAILED_UNTOUCHED, TargetStatus.CANCELLED, TargetStatus.SKIPPED})
_WRITTEN: Final = (
    "running_release", "running_target", "running_since", "owed", "observed", "drift", "drift_at", "difference", "ignored"
)  # fmt: skip
_NOT_PROVEN: Final = "It is not proven that anything serves here."
_NOT_ON_RECORD: Final = "A container of release %s runs, though none is on record."


@dataclass(frozen=True, slots=True)
class Ending:
    """How one Target ends: its status, what is said about it, and what was seen."""

    target: Target
    status: TargetStatus
    outcome: Mapping[str, Any]
    observed: Mapping[str, Any] | None = None
    published: Sequence[Any] = ()
    gap: float | None = None


def update(ending: Ending, deployment: Deployment) -> Release | None:
    """Write down what runs on the server now, as far as it was seen; returns the Release that is believed to serve."""
    if ending.target.role == Target.Role.BUILD:
        return None  # what serves there is none of a build's business
    target, status, serving = ending.target, ending.status, ending.outcome.get("serving_release")
    seats = PlacementHost.objects.filter(placement=target.placement_id, host=target.host_id)
    if ending.outcome.get("away"):
        seats.update(owed=deployment.release)
    if status in UNTOUCHED and ending.observed is None:
        return seats.select_related("running_release").get().running_release
    seat = seats.select_for_update(no_key=True).get()
    if status == TargetStatus.SUCCEEDED:
        _now_runs(seat, deployment.release, target)
        seat.owed = None
    elif status == TargetStatus.NEEDS_ATTENTION:
        seat.drift, seat.drift_at = _NOT_PROVEN, clock.now()
    elif status not in UNTOUCHED:
        _now_serves(seat, serving, (ending.observed or {}).get("target"))
    if ending.observed is not None:
        seat.observed = _observed(seat, ending.observed)
    seat.difference, seat.ignored = {}, {}  # whatever was seen, or ignored, before
    seat.save(update_fields=_WRITTEN)
    return seat.running_release


def who_brought(seat: PlacementHost, release: Release | None, made_by: Sequence[int]) -> Target | None:
    """Whose containers serve that Release: the Target that they name (`made_by`), else the last that brought it there."""
    if release is None:
        return None
    there = Target.objects.filter(placement=seat.placement_id, host=seat.host_id, role=Target.Role.DEPLOY)
    named = there.filter(pk__in=made_by, deployment__release=release).order_by("-pk").first()
    return named or there.filter(status=TargetStatus.SUCCEEDED, deployment__release=release).order_by("-pk").first()


def _observed(seat: PlacementHost, observed: Mapping[str, Any]) -> dict[str, Any]:
    """A container that goes on serving is still compared with how it was brought, whatever was done to it by hand since."""
    before = seat.observed
    if "containers" in observed:
        left = {each["container_id"]: each["left"] for each in before.get("containers", []) if each.get("left")}
        return {
            **observed,
            "containers": [_still_left(each, left.get(each["container_id"])) for each in observed["containers"]],
        }
    if before.get("settings") and before.get("container_id") == observed.get("container_id"):
        return {**observed, "settings": before["settings"]}
    return dict(observed)


def _still_left(container: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """A container of a Compose application; what was read of it in another way before can't be compared any more."""
    now = container.get("left") or before
    is_alike = before is not None and now is not None and before["mark"] == now["mark"]
    return {**container, "left": before} if is_alike else dict(container)


def _now_serves(seat: PlacementHost, number: int | None, made_by: int | None) -> None:
    """What was seen serving after a run that didn't succeed: the version before, another one, or nothing.

    `made_by` is the Target that its container names; None where nobody looked: of a Compose application the number is the record's
    own, and a worker of an earlier version doesn't tell. One of which the record knows nothing serves as such.
    """
    if number is None:
        seat.running_release = seat.running_target = seat.running_since = None
        seat.observed, seat.drift, seat.drift_at = {}, "", None
    elif seat.running_release is None or seat.running_release.number != number:
        release = (
            releases.by_number(seat.placement_id, number)
            if made_by is None
            else releases.brought_by(seat.placement_id, number, made_by)
        )
        _now_runs(seat, release, who_brought(seat, release, [made_by or 0]))
        if release is None:
            seat.running_since = None
            seat.drift, seat.drift_at = _NOT_ON_RECORD % number, clock.now()
    else:
        seat.drift, seat.drift_at = "", None  # it was seen before this run has put back what is on record


def _now_runs(seat: PlacementHost, release: Release | None, target: Target | None) -> None:
    seat.running_release, seat.running_target, seat.running_since = release, target, Now()
    seat.drift, seat.drift_at = "", None
