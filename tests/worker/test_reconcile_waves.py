"""What the reconciler does for Deployments in waves: a gate that opens by itself, and what comes back after a stop."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import endings
from deployments.models import Deployment, Host, Operation, Placement
from tests.deployments.world import World, claimed, deployed, make_world, succeed
from tests.worker.conftest import Sent
from worker import reconcile

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop on two servers."""
    found = make_world(servers=2)
    Operation.objects.all().delete()
    sent.hints.clear()
    return found


def one_by_one(deployment: Deployment, first: str, **rollout: Any) -> None:
    """Make it a Deployment of two waves, and end the first."""
    targets = list(deployment.targets.order_by("pk"))
    deployment.targets.filter(pk=targets[1].pk).update(wave=1)
    Deployment.objects.filter(pk=deployment.pk).update(rollout={"kind": "canary", "size": "1", **rollout})
    assert endings.end_target(claimed(targets[0]), {"verdict": first, "what": "said"}, {"container": "c"})


def test_a_gate_opens_once_the_canary_was_looked_at(world: World, sent: Sent) -> None:
    deployment = deployed(world)
    one_by_one(deployment, "succeeded", gate="minutes", minutes=5)
    reconcile.open_gates()
    assert not Operation.objects.filter(kind="check").exists()
    Deployment.objects.update(gate_opens_at=Now() - timedelta(seconds=1))
    Host.objects.update(checked_at=Now() - timedelta(minutes=1))
    for _round in range(2):
        reconcile.open_gates()
    assert [each.host for each in Operation.objects.filter(kind="check")] == [world.hosts[0]], "asked once"
    Host.objects.update(checked_at=Now())
    sent.hints.clear()
    reconcile.open_gates()
    deployment.refresh_from_db()
    assert (deployment.wave, deployment.gate) == (1, "")
    assert sent.targets() == [deployment.targets.get(wave=1).pk]


def test_what_served_before_comes_back_after_a_stop(world: World, sent: Sent) -> None:
    before = succeed(world)
    Placement.objects.update(
        rollout={"kind": "batches", "size": "1", "gate": "none", "stop_after": 1, "then": "restore"}
    )
    deployment = deployed(world, digest="sha256:" + "9" * 64)
    for target, verdict in zip(deployment.targets.order_by("wave"), ("succeeded", "failed_untouched"), strict=True):
        assert endings.end_target(claimed(target), {"verdict": verdict, "what": "said"}, {"container": "c"})
    sent.hints.clear()
    for _round in range(2):
        reconcile.restore_stopped()
    back = deployment.restored_by.get()
    assert back.release == before
    assert sent.targets() == [back.targets.get().pk]
