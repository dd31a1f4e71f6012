"""How a Target, and with it its Deployment, ends; how an Operation ends. Together with `requests` and `claims` the only writers of a status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from deployments import attention, audit, builds, clock, hints, queue, seats, tallies, waves
from deployments.actors import ESTIVA
from deployments.leases import Claim, Held, lock_claimed, move_target
from deployments.models import AuditEntry, Deployment, Release, Step, Target
from deployments.operations import end_operation
from deployments.seats import Ending
from deployments.states import (
    DEPLOYMENT_ENDS,
    DEPLOYMENT_OPEN,
    DeploymentStatus,
    TargetStatus,
    derive_deployment_status,
)
from deployments.webhooks import outbox

__all__ = [
    "VERDICTS",
    "Ending",
    "abandon_target",
    "cancel_unbegun",
    "close_targets",
    "end_operation",
    "end_target",
    "record_ends",
]

VERDICTS: Final[Mapping[str, TargetStatus]] = {
    "succeeded": TargetStatus.SUCCEEDED,
    "failed_untouched": TargetStatus.FAILED_UNTOUCHED,
    "failed_restored": TargetStatus.FAILED_RESTORED,
    "failed": TargetStatus.FAILED,
    "cancelled_untouched": TargetStatus.CANCELLED,
    "cancelled_restored": TargetStatus.CANCELLED_RESTORED,
    "needs_attention": TargetStatus.NEEDS_ATTENTION,
    "skipped": TargetStatus.SKIPPED,
}
"""The engine's verdicts and what they are here."""

_GOOD: Final = frozenset(
    {TargetStatus.SUCCEEDED, TargetStatus.CANCELLED, TargetStatus.CANCELLED_RESTORED, TargetStatus.SKIPPED}
)


def end_target(
    claim: Claim,
    ended: Mapping[str, Any],
    observed: Mapping[str, Any] | None = None,
    published: Sequence[Any] = (),
    gap: float | None = None,
    built: Mapping[str, Any] | None = None,
) -> bool:
    """End a run as its engine said (`engine.events.Ended` as a dict); False, and nothing written, when the claim is lost.

    `observed` is what was seen running (`Observed` as a dict), `published` its ports, `gap` seconds without service,
    `built` what a build made (`builds.record_built`).
    """
    status = VERDICTS[ended["verdict"]]
    with transaction.atomic():
        held = lock_claimed(claim)
        if held is None:
            return False
        if built is not None and status == TargetStatus.SUCCEEDED:
            builds.record_built(held.deployment.release_id, built)
        ending = Ending(held.target, status, ended, observed, published, gap)
        record_ends(close_targets(held.deployment, [ending, *_not_begun(held, status)]))
    return True


def abandon_target(held: Held, *, what: str, why: str, remedy: str) -> TargetStatus:
    """End a Target that no worker brings to an end: with what is known, and no more. Needs the locks and a transaction."""
    touched = held.target.touched
    status = TargetStatus.NEEDS_ATTENTION if touched else TargetStatus.FAILED_UNTOUCHED
    outcome = {"verdict": str(status), "what": what, "why": why, "remedy": remedy, "serving_release": None}
    ending = Ending(held.target, status, outcome)
    record_ends(close_targets(held.deployment, [ending, *_not_begun(held, status)]))
    return status


def _not_begun(held: Held, status: TargetStatus) -> list[Ending]:
    """A build that made nothing ends those that waited for it."""
    if held.target.role != Target.Role.BUILD or status == TargetStatus.SUCCEEDED:
        return []
    outcome = {"verdict": "skipped", "what": builds.NOT_BUILT}
    return [Ending(each, TargetStatus.SKIPPED, outcome) for each in builds.unbegun(held.deployment)]


def cancel_unbegun(deployment: Deployment, targets: Sequence[Target], by: str) -> "Closed":
    """End Targets whose work on the server never began. Needs the locks and a transaction, and `record_ends` at its end."""
    outcome = {"verdict": "cancelled_untouched", "what": f"Cancelled by {by} before anything was changed."}
    return close_targets(deployment, [Ending(target, TargetStatus.CANCELLED, outcome) for target in targets])


@dataclass(frozen=True, slots=True)
class Closed:
    """What `close_targets` did and `record_ends` has to write into the audit trail."""

    deployment: Deployment
    endings: Sequence[Ending]
    deployment_ended: bool


def close_targets(deployment: Deployment, ends: Sequence[Ending]) -> Closed:
    """Move locked Targets of one locked Deployment to their ends, and derive its status once, from all of them.

    Needs a transaction. `record_ends` comes after it, as the last thing, since the audit trail's lock is the last.
    """
    ends = list(ends)
    for ending in ends:
        _close(ending, deployment)
    for target in waves.advance(deployment):
        outcome = {"verdict": "skipped", "what": f"Not begun: {deployment.halted[:1].lower()}{deployment.halted[1:]}"}
        ends.append(Ending(target, TargetStatus.SKIPPED, outcome))
        _close(ends[-1], deployment)
    queue.changed_on_commit("deployment", deployment.pk, deployment.placement_id)
    return Closed(deployment, ends, refresh_deployment(deployment))


def record_ends(closed: Closed) -> None:
    """Write the entries of what `close_targets` did, and count it."""
    acts = [_end_of(closed.deployment, ending) for ending in closed.endings]
    entries = audit.record_all([*acts, *([_end_of_all(closed.deployment)] if closed.deployment_ended else [])])
    if not entries:
        return
    at, counts = entries[0].at, dict[tallies.Key, tallies.Count]()
    for ending in closed.endings:
        key = tallies.Key(tallies.TARGETS_ENDED, ending.status)
        so_far = counts.get(key, tallies.Count(0))
        counts[key] = tallies.Count(so_far.times + 1, so_far.seconds + _seconds(ending.target.started_at, at))
    if closed.deployment_ended:
        key = tallies.Key(tallies.DEPLOYMENTS_ENDED, closed.deployment.status)
        counts[key] = tallies.Count(1, _seconds(closed.deployment.requested_at, at))
    tallies.add(counts)


def _seconds(since: datetime | None, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds()) if since else 0.0


def _close(ending: Ending, deployment: Deployment) -> None:
    target = ending.target
    serving = seats.update(ending, deployment)
    moved = move_target(
        target,
        ending.status,
        ended_at=Now(),
        lease_until=None,
        not_before=None,
        stalled_reason="",
        outcome=dict(ending.outcome),
        published=list(ending.published),
        gap_seconds=_gap(ending),
        serving_release=_seen_serving(ending, serving),
    )
    if not moved:
        raise RuntimeError(f"Target {target.pk} moved while it was locked.")
    attention.after_end(target, ending.status, deployment)
    running = Step.objects.filter(target=target, status=Step.Status.RUNNING)
    running.update(status=Step.Status.BROKEN_OFF, ended_at=Now())
    queue.changed_on_commit("host", target.host_id)
    builds.hint_after(target)


def _gap(ending: Ending) -> float | None:
    """What was measured stays on record where the last attempt measured nothing."""
    return ending.target.gap_seconds if ending.gap is None else ending.gap


def _seen_serving(ending: Ending, believed: Release | None) -> int | None:
    """The number of the Release that serves; where that is in doubt only what the engine saw, not what the record says."""
    if ending.status == TargetStatus.NEEDS_ATTENTION:
        return ending.outcome.get("serving_release")
    return believed.number if believed else None


def refresh_deployment(deployment: Deployment) -> bool:
    """Derive a locked Deployment's status from all its Targets; True when it ended just now (the next one is hinted)."""
    statuses = Target.objects.filter(deployment=deployment).values_list("status", flat=True)
    derived = derive_deployment_status([TargetStatus(status) for status in statuses])
    if derived == deployment.status or deployment.status in DEPLOYMENT_ENDS:
        return False
    ends = derived in DEPLOYMENT_ENDS
    moment = clock.now()
    fields: dict[str, Any] = {"ended_at": moment} if ends else {}
    if derived == DeploymentStatus.RUNNING and deployment.started_at is None:
        fields["started_at"] = moment
    moved = Deployment.objects.filter(pk=deployment.pk, status=deployment.status).update(status=derived, **fields)
    if not moved:
        raise RuntimeError(f"Deployment {deployment.pk} moved while it was locked.")
    deployment.status = derived
    if ends:
        deployment.ended_at = moment
        outbox.tell_how_it_stands(deployment)
        hint_next(deployment.placement_id)
    return ends


def hint_next(placement_id: int) -> None:
    """Hint, on commit, the Targets of the Placement's oldest open Deployment."""
    oldest = Deployment.objects.filter(placement=placement_id, status__in=DEPLOYMENT_OPEN).order_by("pk").first()
    if oldest is None:
        return
    queue.changed_on_commit("deployment", oldest.pk, placement_id)
    waiting = Target.objects.filter(
        Q(not_before=None) | Q(not_before__lte=Now()),
        waves.may_begin(),
        deployment=oldest,
        status__in=(TargetStatus.QUEUED, TargetStatus.STALLED),
    )
    hints.targets_on_commit(list(waiting.values_list("pk", flat=True)))


def _end_of(deployment: Deployment, ending: Ending) -> audit.Act:
    target = ending.target
    after = {
        "server": target.host_name,
        "status": str(ending.status),
        "release": deployment.release.number,
        "asked_by": deployment.requested_by_name,
        "worker": target.holder,
        "gap_seconds": _gap(ending),
        "why": ending.outcome.get("why", ""),
    }
    return audit.Act(
        ESTIVA,
        "target.end",
        ("target", target.pk, f"#{deployment.pk} on {target.host_name}"),
        after=after,
        outcome=AuditEntry.Outcome.DONE if ending.status in _GOOD else AuditEntry.Outcome.FAILED,
        message=str(ending.outcome.get("what", "")),
    )


def _end_of_all(deployment: Deployment) -> audit.Act:
    good = deployment.status in {DeploymentStatus.SUCCEEDED, DeploymentStatus.CANCELLED}
    name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
    return audit.Act(
        ESTIVA,
        "deployment.end",
        ("deployment", deployment.pk, name),
        after={"status": deployment.status, "asked_by": deployment.requested_by_name},
        outcome=AuditEntry.Outcome.DONE if good else AuditEntry.Outcome.FAILED,
    )
