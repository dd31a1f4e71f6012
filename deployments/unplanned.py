"""Deployments without a Plan: a Release that ran elsewhere or before comes to servers that miss it."""

from collections.abc import Sequence
from typing import Any

from deployments import audit, clock, plan, releases, targets
from deployments.actors import Actor
from deployments.models import Deployment, Host, Placement, Release


def queue_unplanned(
    *,
    actor: Actor,
    placement: Placement,
    release: Release,
    before: Release | None,
    hosts: Sequence[Host],
    note: str,
    **fields: Any,
) -> Deployment:
    """Queue a Release for these servers alone, where `before` serves; `fields` are further columns of the Deployment.

    Needs the Placement's lock, and `record_unplanned` as the last thing in its transaction.
    """
    content = releases.content_as_recorded
    deployment = Deployment.objects.create(
        placement=placement,
        release=release,
        previous_release=before,
        note=note[:500],
        changes=plan.differences(content(before) if before else None, content(release)),
        application_name=placement.application.name,
        environment_name=placement.environment.name,
        requested_by_id=actor.user_id,
        requested_by_name=actor.name,
        requested_at=clock.now(),
        **fields,
    )
    targets.queue_targets(deployment, [list(hosts)], None)
    return deployment


def record_unplanned(actor: Actor, deployment: Deployment, because: str) -> None:
    """Write the entry of what `queue_unplanned` did."""
    name = f"#{deployment.pk} {deployment.application_name} → {deployment.environment_name}"
    after = {
        "kind": str(deployment.kind),
        "release": deployment.release.number,
        "servers": list(deployment.targets.order_by("host_name").values_list("host_name", flat=True)),
        "because": because,
    }
    audit.record(actor, "deployment.request", ("deployment", deployment.pk, name), after=after)
