"""How a Target, and with it its Deployment, ends; how an Operation ends. Together with `requests` and `claims` the only writers of a status."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from deployments import audit, clock, queue, releases
from deployments.actors import ESTIVA
from deployments.leases import Claim, Held, lock_claimed, move_target
from deployments.models import AuditEntry, Deployment, PlacementHost, Release, Step, Target
from deployments.operations import end_operation
from deployments.states import (
    DEPLOYMENT_ENDS,
    DEPLOYMENT_OPEN,
    DeploymentStatus,
    TargetStatus,
    derive_deployment_status,
)

__all__ = [
    "UNTOUCHED",
    "VERDICTS",
    "abandon_target",
    "cancel_unbegun",
    "close_target",
    "end_operation",
    "end_target",
    "hint_next",
    "refresh_deployment",
]

VERDICTS: Final[Mapping[str, TargetStatus]] = {
    "succeeded": TargetStatus.SUCCEEDED,
    "failed_untouched": TargetStatus.FAILED_UNTOUCHED,
    "failed_restored": TargetStatus.FAILED_RESTORED,
    "failed": TargetStatus.FAILED,
    "cancelled_untouched": TargetStatus.CANCELLED,
    "cancelled_restored": TargetStatus.CANCELLED_RESTORED,
    "needs_attention": TargetStatus.NEEDS_ATTENTION,
}
"""The engine's verdicts and what they are here."""

UNTOUCHED: Final = frozenset({TargetStatus.FAILED_UNTOUCHED, TargetStatus.CANCELLED, TargetStatus.SKIPPED})
_GOOD: Final = frozenset(
    {TargetStatus.SUCCEEDED, TargetStatus.CANCELLED, TargetStatus.CANCELLED_RESTORED, TargetStatus.SKIPPED}
)
_NOT_PROVEN: Final = "It is not proven that anything serves here."


def end_target(
    claim: Claim,
    ended: Mapping[str, Any],
    observed: Mapping[str, Any] | None = None,
    published: Sequence[Any] = (),
    gap: float | None = None,
) -> bool:
    """End a run as its engine said (`engine.events.Ended` as a dict); False, and nothing written, when the claim is lost.

    `observed` is what was seen running (`Observed` as a dict), `published` its ports, `gap` seconds without service.
    """
    status = VERDICTS[ended["verdict"]]
    with transaction.atomic():
        held = lock_claimed(claim)
        if held is None:
            return False
        close_target(held, status, ended, observed=observed, published=published, gap=gap)
    return True


def abandon_target(held: Held, *, what: str, why: str, remedy: str) -> TargetStatus:
    """End a Target that no worker brings to an end: with what is known, and no more. Needs the locks and a transaction."""
    touched = held.target.touched
    status = TargetStatus.NEEDS_ATTENTION if touched else TargetStatus.FAILED_UNTOUCHED
    outcome = {"verdict": str(status), "what": what, "why": why, "remedy": remedy, "serving_release": None}
    close_target(held, status, outcome)
    return status


def cancel_unbegun(held: Held, by: str) -> None:
    """End a Target whose work on the server never began. Needs the locks and a transaction."""
    outcome = {"verdict": "cancelled_untouched", "what": f"Cancelled by {by} before anything was changed."}
    close_target(held, TargetStatus.CANCELLED, outcome)


def close_target(
    held: Held,
    status: TargetStatus,
    outcome: Mapping[str, Any],
    *,
    observed: Mapping[str, Any] | None = None,
    published: Sequence[Any] = (),
    gap: float | None = None,
) -> None:
    """Move a locked Target to an end, and everything that follows from it."""
    deployment, target = held.deployment, held.target
    seat = _update_seat(held, status, outcome.get("serving_release"), observed)
    moved = move_target(
        target,
        status,
        ended_at=Now(),
        lease_until=None,
        not_before=None,
        stalled_reason="",
        outcome=dict(outcome),
        published=list(published),
        gap_seconds=gap,
        serving_release=seat.running_release.number if seat.running_release else None,
    )
    if not moved:
        raise RuntimeError(f"Target {target.pk} moved while it was locked.")
    Step.objects.filter(target=target, status=Step.Status.RUNNING).update(status=Step.Status.BROKEN_OFF, ended_at=Now())
    queue.changed_on_commit("deployment", deployment.pk, deployment.placement_id)
    queue.changed_on_commit("host", target.host_id)
    has_ended = refresh_deployment(deployment)
    _record_end(held, status, outcome, gap)
    if has_ended:
        _record_deployment_end(deployment)


def refresh_deployment(deployment: Deployment) -> bool:
    """Derive a locked Deployment's status from its Targets; True when it ended just now (the next one is hinted)."""
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
        deployment=oldest,
        status__in=(TargetStatus.QUEUED, TargetStatus.STALLED),
    )
    for target_id in waiting.values_list("pk", flat=True):
        queue.send_on_commit(queue.RUN_TARGET, queue.DEPLOY_QUEUE, target_id)


def _update_seat(
    held: Held, status: TargetStatus, serving: int | None, observed: Mapping[str, Any] | None
) -> PlacementHost:
    """Write down what runs on the server now, as far as it was seen."""
    target = held.target
    seat = PlacementHost.objects.select_for_update(no_key=True).get(placement=target.placement_id, host=target.host_id)
    if status == TargetStatus.SUCCEEDED:
        _now_runs(seat, held.deployment.release, target)
    elif status in UNTOUCHED:
        return _with_observed(seat, observed)
    elif status == TargetStatus.NEEDS_ATTENTION:
        seat.drift, seat.drift_at = _NOT_PROVEN, clock.now()
    elif serving is None:
        seat.running_release = seat.running_target = seat.running_since = None
        seat.observed, seat.drift, seat.drift_at = {}, "", None
    elif seat.running_release is None or seat.running_release.number != serving:
        _now_runs(seat, releases.by_number(target.placement_id, serving), _who_brought(target, serving))
    return _with_observed(seat, observed)


def _now_runs(seat: PlacementHost, release: Release | None, target: Target | None) -> None:
    seat.running_release, seat.running_target, seat.running_since = release, target, clock.now()
    seat.drift, seat.drift_at = "", None


def _with_observed(seat: PlacementHost, observed: Mapping[str, Any] | None) -> PlacementHost:
    if observed is not None:
        seat.observed = dict(observed)
    seat.save(update_fields=("running_release", "running_target", "running_since", "observed", "drift", "drift_at"))
    return seat


def _who_brought(target: Target, release_number: int) -> Target | None:
    """The Target whose container serves that Release here."""
    return (
        Target.objects.filter(
            placement=target.placement_id,
            host=target.host_id,
            status=TargetStatus.SUCCEEDED,
            deployment__release__number=release_number,
        )
        .order_by("-pk")
        .first()
    )


def _record_end(held: Held, status: TargetStatus, outcome: Mapping[str, Any], gap: float | None) -> None:
    deployment, target = held.deployment, held.target
    after = {
        "server": target.host_name,
        "status": str(status),
        "release": deployment.release.number,
        "asked_by": deployment.requested_by_name,
        "worker": target.holder,
        "gap_seconds": gap,
        "why": outcome.get("why", ""),
    }
    audit.record(
        ESTIVA,
        "target.end",
        ("target", target.pk, f"#{deployment.pk} on {target.host_name}"),
        after=after,
        outcome=AuditEntry.Outcome.DONE if status in _GOOD else AuditEntry.Outcome.FAILED,
        message=str(outcome.get("what", "")),
    )


def _record_deployment_end(deployment: Deployment) -> None:
    good = deployment.status in {DeploymentStatus.SUCCEEDED, DeploymentStatus.CANCELLED}
    name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
    audit.record(
        ESTIVA,
        "deployment.end",
        ("deployment", deployment.pk, name),
        after={"status": deployment.status, "asked_by": deployment.requested_by_name},
        outcome=AuditEntry.Outcome.DONE if good else AuditEntry.Outcome.FAILED,
    )
