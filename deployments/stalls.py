"""Work that stands still: handed back, its lease run out, its deadline passed. The reconciler releases it."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from deployments import clock, endings, hints, known, operations, queue, tallies
from deployments.apart import apart
from deployments.leases import LEASE, Held, lock_target, move_target
from deployments.models import Operation, Step, Target
from deployments.states import OperationStatus, TargetStatus

MOST_LOST_LEASES: Final = 3
_GRACE: Final = timedelta(seconds=60)  # a worker ends its own Operation at the deadline; this is for one that can't


def release_expired() -> list[int]:
    """Stall the Targets, and requeue the Operations, whose worker went silent; returns the Targets' ids.

    The third silence of one Target ends it, with what is known. Operations past their deadline fail. What is of a kind that this
    version doesn't know is left to a reconciler that does: how it ends, only that one can say. One that can't be released keeps no
    other from it; its error is raised once all others were.
    """
    failures: list[Exception] = []
    expired = Target.objects.filter(known.TARGETS, status=TargetStatus.RUNNING, lease_until__lte=Now()).order_by("pk")
    released: list[int] = []
    for target_id in list(expired.values_list("pk", flat=True)):
        with apart("a Target could not be released", failures=failures, target=target_id):
            if _release(target_id):
                released.append(target_id)
    _release_operations(failures)
    if failures:
        raise failures[0]
    return released


def is_last_attempt(target: Target) -> bool:
    """One more silent worker and nobody goes on: what was changed is put back while somebody still can."""
    return target.leases_lost + 1 >= MOST_LOST_LEASES


def stall(
    held: Held, reason: str, *, delay_seconds: float = 0.0, leases_lost: int = 0, connections_lost: int = 0
) -> None:
    """Move a locked running Target to stalled, and hint it unless it has to wait. Needs a transaction."""
    target = held.target
    moved = move_target(
        target,
        TargetStatus.STALLED,
        lease_until=None,
        stalled_reason=reason[:300],
        not_before=Now() + timedelta(seconds=delay_seconds) if delay_seconds > 0 else None,
        leases_lost=F("leases_lost") + leases_lost,
        connections_lost=F("connections_lost") + connections_lost,
    )
    if not moved:
        raise RuntimeError(f"Target {target.pk} moved while it was locked.")
    Step.objects.filter(target=target, status=Step.Status.RUNNING).update(status=Step.Status.BROKEN_OFF, ended_at=Now())
    queue.changed_on_commit("deployment", held.deployment.pk, held.deployment.placement_id)
    if delay_seconds <= 0:
        hints.target_on_commit(target.pk)


def _release(target_id: int) -> bool:
    with transaction.atomic():
        held = lock_target(target_id)
        if held is None or held.target.status != TargetStatus.RUNNING:
            return False
        target, deployment = held.target, held.deployment
        if target.lease_until is None or target.lease_until > clock.now():
            return False  # it beat meanwhile
        reason = f"Worker {target.holder} has not been heard from for {LEASE.seconds} s."
        if deployment.cancel_requested_at and not target.touched:
            endings.record_ends(endings.cancel_unbegun(deployment, [target], deployment.cancelled_by_name))
        elif is_last_attempt(target):
            Target.objects.filter(pk=target.pk).update(leases_lost=F("leases_lost") + 1)
            endings.abandon_target(
                held,
                what=f"Given up on {target.host_name} after {MOST_LOST_LEASES} workers went silent.",
                why=reason,
                remedy="Look at the workers' own log and at the server's page, then deploy again.",
            )
        else:
            stall(held, f"{reason} The next attempt is made alone.", leases_lost=1)
        tallies.add({tallies.Key(tallies.LEASES_LOST, "target"): tallies.ONE})
    return True


def _release_operations(failures: list[Exception]) -> None:
    mine = Operation.objects.filter(known.OPERATIONS)
    silent = mine.filter(status=OperationStatus.RUNNING, lease_until__lte=Now(), deadline_at__gt=Now())
    for operation_id in list(silent.values_list("pk", flat=True)):
        with apart("an Operation could not be requeued", failures=failures, operation=operation_id):
            _requeue(silent, operation_id)
    late = Q(status=OperationStatus.QUEUED, deadline_at__lte=Now()) | Q(
        Q(lease_until__lte=Now()) | Q(deadline_at__lte=Now() - _GRACE),
        status=OperationStatus.RUNNING,
        deadline_at__lte=Now(),
    )
    for operation in mine.filter(late):
        with apart("a late Operation could not be ended", failures=failures, operation=operation.pk):
            _fail(operation)


def _requeue(silent: QuerySet[Operation], operation_id: int) -> None:
    with transaction.atomic():
        if silent.filter(pk=operation_id).update(status=OperationStatus.QUEUED, lease_until=None, holder=""):
            queue.changed_on_commit("operation", operation_id)
            hints.operation_on_commit(operation_id)
            tallies.add({tallies.Key(tallies.LEASES_LOST, "operation"): tallies.ONE})


def _fail(operation: Operation) -> None:
    now = clock.now()
    is_silent = operation.status == OperationStatus.RUNNING and (operation.lease_until or now) <= now
    with transaction.atomic():
        if operations.fail_late(operation) and is_silent:
            tallies.add({tallies.Key(tallies.LEASES_LOST, "operation"): tallies.ONE})
