"""How every Placement stands, in a word: for counting and for what comes first, without what a page shows of each."""

from collections.abc import Collection, Iterable
from typing import Final

from django.db.models import Subquery

from deployments.models import Deployment, Placement, PlacementHost, Target
from deployments.queries.cells import newest_ended
from deployments.states import DEPLOYMENT_OPEN, DeploymentStatus, TargetStatus

DRIFTED: Final = "warn"


def standings(keys: Collection[int], in_doubt: Iterable[int]) -> dict[int, str]:
    """`Cell.state` by Placement, where that deserves a look: what moves, failed or differs; "" for all others. Four queries.

    `in_doubt` are the Placements with a server of which nobody knows what it runs.
    """
    drifted = PlacementHost.objects.filter(placement__in=keys, is_active=True).exclude(drift="")
    found = dict.fromkeys(keys, "")
    found |= dict.fromkeys(drifted.values_list("placement", flat=True), DRIFTED)
    newest = (
        Placement.objects.filter(pk__in=keys).order_by().annotate(ended=Subquery(newest_ended().values("status")[:1]))
    )
    failed = [key for key, status in newest.values_list("pk", "ended") if status == DeploymentStatus.FAILED]
    found |= dict.fromkeys(failed, str(DeploymentStatus.FAILED))
    found |= dict.fromkeys(in_doubt, str(DeploymentStatus.NEEDS_ATTENTION))
    return found | _moving(keys)


def _moving(keys: Collection[int]) -> dict[int, str]:
    """By the oldest open Deployment of each: the one that runs, or the first in line."""
    rows = Deployment.objects.filter(placement__in=keys, status__in=sorted(DEPLOYMENT_OPEN)).order_by("-pk")
    first = {placement: (key, status) for key, placement, status in rows.values_list("pk", "placement", "status")}
    stalled = Target.objects.filter(
        deployment__in=[key for key, _status in first.values()], status=TargetStatus.STALLED
    )
    still = set(stalled.values_list("deployment", flat=True))
    return {
        placement: "stalled" if key in still else "queued" if status == DeploymentStatus.QUEUED else "running"
        for placement, (key, status) in first.items()
    }
