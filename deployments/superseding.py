"""A push overtakes what earlier pushes asked for and nobody began: only the newest one is deployed."""

from django.db.models import F

from deployments import clock, endings
from deployments.endings import Closed, Ending
from deployments.models import Deployment, Plan, Target
from deployments.states import DeploymentStatus, TargetStatus


def end_queued(newer: Deployment, *, every: bool = False) -> list[Closed]:
    """End the Placement's older Deployments that are still queued, those that pushes asked for or `every` one; never one
    that runs.

    Needs a transaction and the Placement's lock, and for each `endings.record_ends` as the last thing.
    """
    older = Deployment.objects.select_for_update(no_key=True, of=("self",)).filter(
        placement=newer.placement_id,
        pk__lt=newer.pk,
        status=DeploymentStatus.QUEUED,
        restores=None,
    )
    if not every:
        # a person may deploy a push's Plan once more
        older = older.filter(
            plan__automatic=Plan.Automatic.DEPLOYED, plan__token=None, requested_by_name=F("plan__automatic_by")
        )
    return [_end(each, newer) for each in older.order_by("pk")]


def _end(deployment: Deployment, newer: Deployment) -> Closed:
    deployment.cancel_requested_at, deployment.cancelled_by_name = clock.now(), f"Superseded by #{newer.pk}"
    deployment.save(update_fields=("cancel_requested_at", "cancelled_by_name"))
    outcome = {
        "verdict": "cancelled_untouched",
        "what": f"Superseded by #{newer.pk}, which is newer, before anything was changed.",
    }
    queued = Target.objects.select_for_update(no_key=True).filter(deployment=deployment, status=TargetStatus.QUEUED)
    ends = [Ending(target, TargetStatus.CANCELLED, outcome) for target in queued.order_by("pk")]
    return endings.close_targets(deployment, ends)
