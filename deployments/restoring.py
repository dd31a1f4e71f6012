"""After a stop: the servers that were switched already get back what served there before, by Deployments of their own.

The reconciler does this, so that it happens however the process ended that stopped the Deployment.
"""

from django.db import transaction

from deployments.actors import ESTIVA
from deployments.leases import lock_placement
from deployments.models import Deployment, Host, PlacementHost, Release, Target
from deployments.states import DEPLOYMENT_ENDS, DEPLOYMENT_OPEN, TargetStatus
from deployments.unplanned import queue_unplanned, record_unplanned


def due() -> list[int]:
    """The stopped Deployments that are over and whose servers are still to get back what they had."""
    stopped = Deployment.objects.filter(restore=Deployment.Restore.DUE, status__in=DEPLOYMENT_ENDS)
    return list(stopped.order_by("pk").values_list("pk", flat=True))


def restore(deployment_id: int) -> list[Deployment]:
    """Queue what brings the earlier Releases back; nothing where somebody has asked for another deploy meanwhile."""
    with transaction.atomic():
        placement = lock_placement(Deployment.objects.values_list("placement_id", flat=True).get(pk=deployment_id))
        stopped = Deployment.objects.select_for_update(no_key=True).get(pk=deployment_id)
        if stopped.restore != Deployment.Restore.DUE or stopped.status not in DEPLOYMENT_ENDS:
            return []
        newer = Deployment.objects.filter(placement=placement, pk__gt=stopped.pk, status__in=DEPLOYMENT_OPEN)
        if newer.exists():
            stopped.restore = Deployment.Restore.LEFT
            stopped.save(update_fields=("restore",))
            return []
        stopped.restore = Deployment.Restore.DONE
        stopped.save(update_fields=("restore",))
        made = [
            queue_unplanned(
                actor=ESTIVA,
                placement=placement,
                release=release,
                before=stopped.release,
                hosts=hosts,
                note=f"#{stopped.pk} was stopped: what served before comes back.",
                kind=Deployment.Kind.ROLLBACK,
                restores=stopped,
            )
            for release, hosts in _by_release(stopped)
        ]
        for each in made:
            record_unplanned(ESTIVA, each, f"#{stopped.pk}: {stopped.halted}")
    return made


def _by_release(stopped: Deployment) -> list[tuple[Release, list[Host]]]:
    """What served before on the servers that still run what the stopped Deployment brought; new servers keep it."""
    switched = Target.objects.filter(deployment=stopped, role=Target.Role.DEPLOY, status=TargetStatus.SUCCEEDED)
    running = set(
        PlacementHost.objects.filter(
            placement=stopped.placement_id, running_target__in=switched, is_active=True
        ).values_list("host_id", flat=True)
    )
    found: dict[Release, list[Host]] = {}
    for target in switched.select_related("host", "replaced").order_by("pk"):
        if target.replaced is not None and target.replaced != stopped.release and target.host_id in running:
            found.setdefault(target.replaced, []).append(target.host)
    return list(found.items())
