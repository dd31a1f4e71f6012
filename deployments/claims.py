"""Who works on what: claim by compare-and-swap, beat, hand back. The database's clock is the only one."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from deployments import builds, endings, hints, known, queue, releases, solitude, stalls, turns
from deployments import engines as able
from deployments import plan as plans
from deployments.leases import LEASE, Claim, Committing, Held, lock_claimed, lock_target, move_target
from deployments.models import Deployment, OneOffRun, Operation, PlacementHost, Release, Target, Terminal
from deployments.stalls import release_expired
from deployments.states import DEPLOYMENT_OPEN, DeploymentStatus, OperationStatus, TargetStatus

__all__ = [
    "LEASE",
    "Claim",
    "beat",
    "cancel_wanted",
    "cancel_wanted_of_runs",
    "claim_operation",
    "claim_target",
    "go_on",
    "hand_back_operation",
    "hand_back_overtaken",
    "hand_back_target",
    "mark_hinted",
    "release_expired",
    "waiting_operations",
    "waiting_targets",
]

MOST_WAITING: Final = 200
_NONE: Final[frozenset[str]] = frozenset()
_EVERY_KIND: Final = frozenset(map(str, Operation.Kind.values))


class _NotNow(Exception):
    """The claim must wait; undoes what the transaction did so far."""


def claim_target(target_id: int, *, holder: str, engines: Collection[str] = ()) -> Claim | None:
    """Take a Target for `holder` for 30 s (see `beat`); None when it's somebody else's, over, or must wait its turn.

    `engines` are those beside the holder: a Target that needs another one is not for it. Nor is one of which this version
    doesn't know everything: it stays as it is, for a worker that does (`known`).

    Its turn comes when no older Deployment of the Placement is open, its wave has come and its image is built; a build's, when its builder
    has a place free. One beside which a worker fell silent is taken alone (`solitude`): its process claims nothing beside
    it. The fence rises with each claim of this Placement on this server, so that what an earlier holder still sends to the server misses.

    `AnswerLost` where the database went away while it committed.
    """
    try:
        with Committing() as committing, transaction.atomic():
            builder = builds.lock_builder(target_id)
            held = lock_target(target_id)
            if held is None:
                return None
            _check_turn(held)
            if not able.needed_by_targets([target_id]).get(target_id, _NONE) <= set(engines):
                raise _NotNow
            if builder is not None and not builds.is_free(builder):
                raise _NotNow
            if not solitude.fits_beside(held.target, holder):
                raise _NotNow
            _begin_deployment(held.deployment)
            committing.claim = _take(held, holder)
        return committing.claim
    except (_NotNow, IntegrityError):
        # A violated constraint says the same as a failed check, only later: another run of this Placement holds it.
        return None


def claim_operation(
    operation_id: int, *, holder: str, engines: Collection[str] = (), kinds: Collection[str] = _EVERY_KIND
) -> Claim | None:
    """Take an Operation for `holder`; None when it's somebody else's, over, or past its deadline.

    `engines` as for `claim_target`; `kinds` are those that the holder can carry out. What it doesn't know stays as it is.
    """
    if unknown := known.unknown_in_operation(operation_id, kinds):
        known.leave("operation", operation_id, unknown)
        return None
    waiting = Operation.objects.filter(pk=operation_id, status=OperationStatus.QUEUED, deadline_at__gt=Now())
    with Committing() as committing, transaction.atomic():
        if not able.needed_by_operations([operation_id]).get(operation_id, _NONE) <= set(engines):
            return None
        if not solitude.run_fits_beside(operation_id, holder):
            return None
        taken = waiting.update(
            status=OperationStatus.RUNNING,
            fence=F("fence") + 1,
            lease_until=Now() + LEASE,
            holder=holder,
            attempts=F("attempts") + 1,
            started_at=Coalesce(F("started_at"), Now()),
        )
        if not taken:
            return None
        fence = Operation.objects.values_list("fence", flat=True).get(pk=operation_id)
        queue.changed_on_commit("operation", operation_id)
        committing.claim = Claim(operation_id, fence, holder, "operation")
    return committing.claim


def go_on(claim: Claim) -> bool:
    """Prolong a claim whose commit left no answer (`AnswerLost`); False when it didn't come to hold, or somebody else's does.

    Nothing was begun with it, so it holds for as long as nobody has taken it over, also past its lease.
    """
    model = Target if claim.kind == "target" else Operation
    mine = model._default_manager.filter(pk=claim.id, fence=claim.fence, holder=claim.holder, status="running")
    with transaction.atomic():
        if not mine.update(lease_until=Now() + LEASE):
            return False
        if claim.kind == "operation":
            queue.changed_on_commit("operation", claim.id)
        else:  # what was to be told at the commit was not
            deployment, placement = Target.objects.values_list("deployment", "placement").get(pk=claim.id)
            queue.changed_on_commit("deployment", deployment, placement)
    return True


def beat(holder: str, target_claims: Collection[Claim], operation_claims: Collection[Claim]) -> set[Claim]:
    """Prolong these claims by 30 s and return those that are lost: taken over, ended, or let run out.

    A lease that ran out is lost even where nobody has taken it over yet: what was meant to be known stopped being so.
    """
    targets = _prolong(Target, holder, target_claims)
    operations = _prolong(Operation, holder, operation_claims)
    return {each for each in target_claims if (each.id, each.fence) not in targets} | {
        each for each in operation_claims if (each.id, each.fence) not in operations
    }


def cancel_wanted(target_ids: Collection[int]) -> set[int]:
    """Those of these Targets whose Deployment somebody wants cancelled."""
    if not target_ids:
        return set()
    wanted = Target.objects.filter(pk__in=target_ids, deployment__cancel_requested_at__isnull=False)
    return set(wanted.values_list("pk", flat=True))


def cancel_wanted_of_runs(operation_ids: Collection[int]) -> set[int]:
    """Those of these Operations that run a command, in a container of its own or on a terminal, which somebody wants ended."""
    if not operation_ids:
        return set()
    runs = OneOffRun.objects.filter(pk__in=operation_ids, cancel_requested_at__isnull=False)
    terminals = Terminal.objects.filter(pk__in=operation_ids, end_requested_at__isnull=False)
    # Without their order: SQLite takes none in the parts of a union
    return set(runs.order_by().values_list("pk", flat=True).union(terminals.order_by().values_list("pk", flat=True)))


def hand_back_target(claim: Claim, *, reason: str, delay_seconds: float = 0.0, broke: bool = False) -> bool:
    """Give a running Target back: it's shown as stalled, with the reason, until somebody claims it.

    `broke` counts a lost connection. False, and nothing written, when the claim is lost. Where a cancel was asked for
    and nothing had begun on the server, it ends instead.
    """
    with transaction.atomic():
        held = lock_claimed(claim)
        if held is None:
            return False
        if held.deployment.cancel_requested_at and not held.target.touched:
            by = held.deployment.cancelled_by_name
            endings.record_ends(endings.cancel_unbegun(held.deployment, [held.target], by))
            return True
        stalls.stall(held, reason, delay_seconds=delay_seconds, connections_lost=int(broke))
    return True


def hand_back_overtaken(claim: Claim, *, seen_fence: int, reason: str) -> bool:
    """As `hand_back_target`, where the server bears a higher fence than a claim that holds: count on from that one.

    So it is after the database was restored from a backup: the server remembers claims that the record has forgotten.
    False, and nothing written, when the claim is lost: then somebody newer does hold it.
    """
    with transaction.atomic():
        held = lock_claimed(claim)
        if held is None:
            return False
        seats = PlacementHost.objects.filter(placement=held.target.placement_id, host=held.target.host_id)
        seats.filter(fence__lt=seen_fence).update(fence=seen_fence)
        stalls.stall(held, reason)
    return True


def hand_back_operation(claim: Claim, *, reason: str = "", hint: bool = True) -> bool:
    """Give a running Operation back to the queue; False, and nothing written, when the claim is lost.

    Without a `hint` it is offered again when the reconciler next comes by, and not at once to whoever gave it back.
    """
    held = Operation.objects.filter(pk=claim.id, fence=claim.fence, status=OperationStatus.RUNNING)
    with transaction.atomic():
        if not held.update(status=OperationStatus.QUEUED, lease_until=None, holder=""):
            return False
        queue.changed_on_commit("operation", claim.id)
        if hint:
            hints.operation_on_commit(claim.id)
    return True


def waiting_targets() -> list[int]:
    """The Targets whose turn it is and that nobody holds, those hinted longest ago first; at most `MOST_WAITING`."""
    return _hinted_longest_ago(turns.targets())


def waiting_operations() -> list[int]:
    """The Operations that nobody holds yet, those hinted longest ago first; at most `MOST_WAITING`."""
    return _hinted_longest_ago(turns.operations())


def _hinted_longest_ago(waiting: QuerySet[Target] | QuerySet[Operation]) -> list[int]:
    ordered = waiting.order_by(F("hinted_at").asc(nulls_first=True), "pk")
    return list(ordered.values_list("pk", flat=True)[:MOST_WAITING])


def mark_hinted(target_ids: Iterable[int] = (), operation_ids: Iterable[int] = ()) -> None:
    """Remember that these were hinted just now."""
    Target.objects.filter(pk__in=list(target_ids)).update(hinted_at=Now())
    Operation.objects.filter(pk__in=list(operation_ids)).update(hinted_at=Now())


def _check_turn(held: Held) -> None:
    """Its turn, and something for this version. In one question: a worker far from the database pays for each."""
    mine = turns.targets().filter(pk=held.target.pk)
    row = mine.values_list("host__way", known.odd_role()).first()
    if held.deployment.status not in DEPLOYMENT_OPEN or row is None:
        raise _NotNow
    way, odd = row
    roles = [held.target.role, *([odd] if odd else [])]
    if unknown := known.unknown_in_deployment(held.deployment, roles, way):
        known.leave("target", held.target.pk, unknown)
        raise _NotNow


def _begin_deployment(deployment: Deployment) -> None:
    """The first claim of any of its Targets starts the Deployment; the constraint holds one running per Placement."""
    if deployment.status != DeploymentStatus.QUEUED:
        return
    # What ran before is known only now: an older Deployment may have changed it while this one waited.
    previous = releases.running_release(deployment.placement_id)
    before = releases.content_as_recorded(previous) if previous else None
    began = Deployment.objects.filter(pk=deployment.pk, status=DeploymentStatus.QUEUED).update(
        status=DeploymentStatus.RUNNING,
        started_at=Now(),
        previous_release=previous,
        changes=plans.differences(before, releases.content_as_recorded(deployment.release)),
    )
    if not began:
        raise _NotNow


def _take(held: Held, holder: str) -> Claim:
    target = held.target
    fence, running = _next_fence(target)
    first: dict[str, Any] = {} if target.attempts else {"replaced": running}
    taken = move_target(
        target,
        TargetStatus.RUNNING,
        fence=fence,
        lease_until=Now() + LEASE,
        holder=holder,
        attempts=F("attempts") + 1,
        started_at=Coalesce(F("started_at"), Now()),
        not_before=None,
        stalled_reason="",
        **first,
    )
    if not taken:
        raise _NotNow
    queue.changed_on_commit("deployment", target.deployment_id, target.placement_id)
    source = str(held.deployment.release.source.get("kind") or "")
    return Claim(target.pk, fence, holder, role=target.role, source=source)


def _next_fence(target: Target) -> tuple[int, Release | None]:
    """The fence, and what serves on the server as the Target begins.

    A build changes nothing that serves, and its builder needs no seat: its fence is its own.
    """
    if target.role == Target.Role.BUILD:
        return target.fence + 1, None
    seats = PlacementHost.objects.filter(placement=target.placement_id, host=target.host_id)
    seats.update(fence=F("fence") + 1)
    seat = seats.select_related("running_release").get()
    return seat.fence, seat.running_release


def _prolong(model: type[Target] | type[Operation], holder: str, claims: Collection[Claim]) -> set[tuple[int, int]]:
    if not claims:
        return set()
    ours = Q(pk__in=())
    for claim in claims:
        ours |= Q(pk=claim.id, fence=claim.fence)
    held = model._default_manager.filter(ours, status="running", holder=holder, lease_until__gt=Now())
    held.update(lease_until=Now() + LEASE)
    return set(held.values_list("pk", "fence"))
