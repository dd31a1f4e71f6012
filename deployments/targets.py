"""The Targets of a new Deployment: one for each server, by wave, and one that builds where something is to be built."""

from collections.abc import Sequence

from deployments import builds, hints, queue
from deployments.models import Deployment, Host, Target


def queue_targets(deployment: Deployment, waves: Sequence[Sequence[Host]], builder: Host | None) -> None:
    """One Target a server; with a builder one more, that the others wait for. Needs the transaction of its Deployment."""
    if builder is not None:
        builds.queue_build(deployment, builder)
    made = Target.objects.bulk_create(
        Target(deployment=deployment, placement_id=deployment.placement_id, host=host, host_name=host.name, wave=number)
        for number, hosts in enumerate(waves)
        for host in hosts
    )
    if builder is None:
        hints.targets_on_commit([target.pk for target in made if target.wave == 0])
    for target in made:
        queue.changed_on_commit("host", target.host_id)
    queue.changed_on_commit("deployment", deployment.pk, deployment.placement_id)
