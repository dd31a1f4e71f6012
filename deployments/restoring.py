"""After a stop: the servers that were switched already get back what served there before, by Deployments of their own.

The reconciler does this, so that it happens however the process ended that stopped the Deployment.
"""

from collections.abc import Sequence

from django.db import transaction

from deployments import audit, clock, plan, releases, targets
from deployments.actors import ESTIVA
from deployments.leases import lock_placement
from deployments.models import Deployment, Host, PlacementHost, Release, Target
from deployments.states import DEPLOYMENT_ENDS, DEPLOYMENT_OPEN, TargetStatus


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
        made = [_bring_back(stopped, release, hosts) for release, hosts in _by_release(stopped)]
        for each in made:
            _record(each, stopped)
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


def _bring_back(stopped: Deployment, release: Release, hosts: Sequence[Host]) -> Deployment:
    deployment = Deployment.objects.create(
        placement_id=stopped.placement_id,
        release=release,
        previous_release=stopped.release,
        restores=stopped,
        kind=Deployment.Kind.ROLLBACK,
        note=f"#{stopped.pk} was stopped: what served before comes back.",
        changes=plan.differences(releases.content_as_recorded(stopped.release), releases.content_as_recorded(release)),
        application_name=stopped.application_name,
        environment_name=stopped.environment_name,
        requested_by_name=ESTIVA.name,
        requested_at=clock.now(),
    )
    targets.queue_targets(deployment, [list(hosts)], None)
    return deployment


def _record(deployment: Deployment, stopped: Deployment) -> None:
    name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
    after = {
        "kind": str(deployment.kind),
        "release": deployment.release.number,
        "servers": list(deployment.targets.order_by("host_name").values_list("host_name", flat=True)),
        "because": f"#{stopped.pk}: {stopped.halted}",
    }
    audit.record(ESTIVA, "deployment.request", ("deployment", deployment.pk, name), after=after)
