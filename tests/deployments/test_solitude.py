"""What a worker fell silent beside is tried alone, on either database."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from deployments import claims, operations
from deployments.models import Operation, Target
from deployments.states import OperationStatus, TargetStatus
from tests.deployments.world import World, claimed, deployed, make_world, only_target, place

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
FIRST, SECOND = "deploy@one#1", "deploy@two#2"


@pytest.fixture
def world() -> World:
    return make_world()


def another(world: World) -> Target:
    """A Target of another Placement."""
    elsewhere = place(world.actor, world.application, world.staging, world.hosts)
    return only_target(deployed(world, placement=elsewhere))


def silent(*targets: Target) -> None:
    """Their worker went silent, and they were given back."""
    for each in targets:
        claimed(each, FIRST)
    Target.objects.filter(status=TargetStatus.RUNNING).update(lease_until=Now() - timedelta(seconds=1))
    claims.release_expired()


def test_those_that_fell_with_a_worker_are_tried_one_by_one(world: World) -> None:
    one, other = only_target(deployed(world)), another(world)
    silent(one, other)

    assert claims.claim_target(one.pk, holder=SECOND)
    assert claims.claim_target(other.pk, holder=SECOND) is None
    assert claims.claim_target(other.pk, holder=FIRST)  # another process


def test_nothing_new_is_taken_beside_one_of_them(world: World) -> None:
    suspect, fresh = only_target(deployed(world)), another(world)
    silent(suspect)

    claimed(suspect, SECOND)
    assert claims.claim_target(fresh.pk, holder=SECOND) is None
    assert claims.claim_target(fresh.pk, holder=FIRST)


def test_it_waits_until_a_process_holds_nothing_else(world: World) -> None:
    suspect, fresh = only_target(deployed(world)), another(world)
    silent(suspect)

    claim = claimed(fresh, SECOND)
    assert claims.claim_target(suspect.pk, holder=SECOND) is None
    claims.hand_back_target(claim, reason="Enough.")
    assert claims.claim_target(suspect.pk, holder=SECOND)


def test_a_command_that_runs_once_is_kept_apart_and_a_look_is_not(world: World) -> None:
    suspect = only_target(deployed(world))
    silent(suspect)
    run, check = (
        operations.request_operation(actor=world.actor, kind=kind, host=world.hosts[0])
        for kind in (Operation.Kind.RUN, Operation.Kind.CHECK)
    )

    claim = claimed(suspect, SECOND)
    assert claims.claim_operation(check.pk, holder=SECOND)
    assert claims.claim_operation(run.pk, holder=SECOND) is None
    claims.hand_back_target(claim, reason="Enough.")
    assert claims.claim_operation(run.pk, holder=SECOND)
    assert claims.claim_target(suspect.pk, holder=SECOND) is None
    operations.end_operation(claims.Claim(run.pk, 1, SECOND, "operation"), OperationStatus.SUCCEEDED, {})
    assert claims.claim_target(suspect.pk, holder=SECOND)
