"""What a claim is, and the locks that every change of a run takes, in one order.

Locks are taken in this order everywhere: Host, Application, VariableSet, Placement, Deployment, Target, PlacementHost,
Attention, Operation, AuditHead; several of one kind by id. On SQLite a transaction is IMMEDIATE, so it holds the only
write lock; there and on PostgreSQL a status moves by compare-and-swap along `states`, so that a forgotten lock could
lose time but never a status.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from django.db import OperationalError

from deployments.database import is_away
from deployments.models import Deployment, Placement, Target
from deployments.states import TARGET_MOVES, TargetStatus

LEASE: Final = timedelta(seconds=30)


class IllegalMove(Exception):
    """A status was asked to move where `states` allows no way: a mistake in the program, never the person's."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a Target or Operation, until somebody else bears a higher fence."""

    id: int
    fence: int
    holder: str
    kind: Literal["target", "operation"] = "target"
    role: str = Target.Role.DEPLOY  # of a Target
    source: str = ""  # what a Target's Release is made from; "" for an image of a registry


class AnswerLost(OperationalError):
    """The database went away while it committed this claim: only its row can tell whether it holds (`claims.go_on`)."""

    def __init__(self, claim: Claim) -> None:
        super().__init__("The database went away while it committed a claim.")
        self.claim = claim


class Committing:
    """A claim that is about to be committed, once `claim` is set: without the commit's answer, leaving raises `AnswerLost`."""

    claim: Claim | None = None

    def __enter__(self) -> "Committing":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self.claim is not None and is_away(error):
            raise AnswerLost(self.claim) from error


@dataclass(frozen=True, slots=True)
class Held:
    """A Target and its Deployment, both locked in this transaction."""

    deployment: Deployment
    target: Target


def lock_placement(placement_id: int) -> Placement:
    """Lock a Placement: its settings, servers, variables and the numbers of its Releases. Needs a transaction."""
    rows = Placement.objects.select_for_update(no_key=True, of=("self",)).select_related("application", "environment")
    return rows.get(pk=placement_id)


def lock_target(target_id: int) -> Held | None:
    """Lock the Deployment, its Release read with it, then the Target; None when there is no such Target. Needs a transaction."""
    deployments = Deployment.objects.select_for_update(no_key=True, of=("self",)).select_related("release")
    deployment = deployments.filter(targets__pk=target_id).first()
    if deployment is None:
        return None
    target = Target.objects.select_for_update(no_key=True).get(pk=target_id)
    return Held(deployment, target)


def lock_claimed(claim: Claim) -> Held | None:
    """As `lock_target`, but None unless the claim still holds: running, with its fence."""
    held = lock_target(claim.id)
    if held is None or held.target.status != TargetStatus.RUNNING or held.target.fence != claim.fence:
        return None
    return held


def move_target(target: Target, to: TargetStatus, **fields: Any) -> bool:
    """Compare-and-swap a Target's status, with other columns; False when it has moved meanwhile.

    Raises IllegalMove for a move that `states` doesn't know.
    """
    at = TargetStatus(target.status)
    if to not in TARGET_MOVES[at]:
        raise IllegalMove(f"Target {target.pk} can't move from {at} to {to}.")
    moved = Target.objects.filter(pk=target.pk, status=at, fence=target.fence).update(status=to, **fields)
    if moved:
        target.status = to
    return bool(moved)
