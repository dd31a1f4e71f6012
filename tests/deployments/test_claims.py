"""Claims: one holder at a time, in order, by the database's clock."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from deployments import claims, endings, leases, requests
from deployments.models import Deployment, Host, Operation, PlacementHost, Step, Target
from deployments.states import DeploymentStatus, OperationStatus, TargetStatus
from tests.deployments.conftest import Sent
from tests.deployments.world import (
    DIGEST,
    WORKER,
    World,
    claimed,
    deployed,
    finish,
    make_world,
    only_target,
    place,
    planned,
    ready_host,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def run_out(target: Target) -> None:
    """Let a lease run out, without waiting for it."""
    Target.objects.filter(pk=target.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_a_claim_runs_the_target_and_its_deployment(world: World) -> None:
    deployment = deployed(world)
    target = only_target(deployment)

    claim = claims.claim_target(target.pk, holder=WORKER)

    target.refresh_from_db()
    deployment.refresh_from_db()
    assert claim == claims.Claim(target.pk, 1, WORKER)
    assert (target.status, target.fence, target.attempts, target.holder) == (TargetStatus.RUNNING, 1, 1, WORKER)
    assert target.lease_until is not None
    assert deployment.status == DeploymentStatus.RUNNING
    assert deployment.started_at is not None
    assert target.started_at is not None


def test_a_claimed_target_is_nobody_elses(world: World) -> None:
    target = only_target(deployed(world))
    claimed(target)

    assert claims.claim_target(target.pk, holder="deploy@two") is None
    target.refresh_from_db()
    assert (target.holder, target.fence) == (WORKER, 1)
    assert PlacementHost.objects.get(placement=world.placement).fence == 1, "a refused claim leaves the fence alone"


def test_an_unknown_target_is_not_claimed() -> None:
    assert claims.claim_target(987_654, holder=WORKER) is None


def test_the_younger_deployment_waits_for_the_older(world: World) -> None:
    first, second = only_target(deployed(world)), only_target(deployed(world))

    assert claims.claim_target(second.pk, holder=WORKER) is None
    finish(first)
    assert claims.claim_target(second.pk, holder=WORKER) == claims.Claim(second.pk, 2, WORKER)


def test_the_fence_rises_with_each_claim_of_a_seat(world: World) -> None:
    fences = []
    for _ in range(3):
        target = only_target(deployed(world))
        claim = claimed(target)
        fences.append(claim.fence)
        claims.hand_back_target(claim, reason="Handed over.")
        again = claimed(target)
        fences.append(again.fence)
        endings.end_target(again, {"verdict": "succeeded"})

    assert fences == [1, 2, 3, 4, 5, 6]


def test_placements_do_not_wait_for_one_another(world: World) -> None:
    other = place(world.actor, world.application, world.staging, world.hosts)
    first, second = only_target(deployed(world)), only_target(deployed(world, placement=other))

    assert claims.claim_target(second.pk, holder=WORKER)
    assert claims.claim_target(first.pk, holder=WORKER)


def test_the_targets_of_a_deployment_run_side_by_side() -> None:
    world = make_world(servers=3)
    targets = list(deployed(world).targets.all())

    assert all(claims.claim_target(target.pk, holder=WORKER) for target in targets)


def test_the_constraints_hold_without_any_check(world: World) -> None:
    older, younger = deployed(world), deployed(world)
    claimed(only_target(older))

    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.filter(pk=younger.pk).update(status=DeploymentStatus.RUNNING)
    for held in (TargetStatus.RUNNING, TargetStatus.STALLED):
        with pytest.raises(IntegrityError), transaction.atomic():
            Target.objects.filter(deployment=younger).update(status=held)


def test_a_violated_constraint_means_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    older, younger = deployed(world), deployed(world)
    claimed(only_target(older))
    monkeypatch.setattr(claims, "_check_turn", lambda held: None)

    assert claims.claim_target(only_target(younger).pk, holder=WORKER) is None
    younger.refresh_from_db()
    assert younger.status == DeploymentStatus.QUEUED
    assert PlacementHost.objects.get(placement=world.placement).fence == 1


def test_an_ended_target_is_not_claimed_again(world: World) -> None:
    target = finish(only_target(deployed(world)))

    assert claims.claim_target(target.pk, holder=WORKER) is None


def test_beating_prolongs_and_names_what_is_lost() -> None:
    world = make_world(servers=3)
    alive, taken, late = deployed(world).targets.all()
    held = [claimed(each) for each in (alive, taken, late)]
    claims.hand_back_target(held[1], reason="Handed over.")
    claimed(taken, "deploy@two")
    run_out(late)
    Target.objects.filter(pk=alive.pk).update(lease_until=Now() + timedelta(seconds=3))

    lost = claims.beat(WORKER, held, ())

    assert lost == {held[1], held[2]}
    alive.refresh_from_db()
    assert Target.objects.filter(pk=alive.pk, lease_until__gt=Now() + timedelta(seconds=25)).exists()
    assert not Target.objects.filter(pk=late.pk, lease_until__gt=Now()).exists(), "a lost lease is not revived"


def test_beating_with_nothing_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert claims.beat(WORKER, (), ()) == set()
        assert claims.cancel_wanted(()) == set()


def test_a_beat_costs_the_same_for_many(django_assert_num_queries: Any) -> None:
    held = [claimed(each) for each in deployed(make_world(servers=6)).targets.all()]

    with django_assert_num_queries(2):
        assert claims.beat(WORKER, held, ()) == set()


def test_handing_back_stalls_with_the_reason(world: World, sent: Sent, django_capture_on_commit_callbacks: Any) -> None:
    target = only_target(deployed(world))
    claim = claimed(target)
    Step.objects.create(target=target, fence=claim.fence, key="pull", started_at=Now())

    with django_capture_on_commit_callbacks(execute=True):
        assert claims.hand_back_target(claim, reason="The worker is being stopped.")

    target.refresh_from_db()
    assert (target.status, target.stalled_reason) == (TargetStatus.STALLED, "The worker is being stopped.")
    assert (target.lease_until, target.connections_lost, target.leases_lost) == (None, 0, 0)
    assert target.steps.get().status == Step.Status.BROKEN_OFF
    assert sent.targets() == [target.pk]


def test_handing_back_with_a_delay_waits(world: World, sent: Sent, django_capture_on_commit_callbacks: Any) -> None:
    target = only_target(deployed(world))
    with django_capture_on_commit_callbacks(execute=True):
        claims.hand_back_target(claimed(target), reason="Connection lost.", delay_seconds=10, broke=True)

    assert claims.claim_target(target.pk, holder=WORKER) is None
    assert target.pk not in claims.waiting_targets()
    assert sent.targets() == [], "a hint now would come too early"
    Target.objects.filter(pk=target.pk).update(not_before=Now() - timedelta(seconds=1))
    assert claims.waiting_targets() == [target.pk]
    assert claims.claim_target(target.pk, holder=WORKER)
    target.refresh_from_db()
    assert (target.connections_lost, target.attempts, target.not_before) == (1, 2, None)


def test_a_lost_claim_hands_nothing_back(world: World) -> None:
    target = only_target(deployed(world))
    old = claimed(target)
    claims.hand_back_target(old, reason="Handed over.")
    claimed(target, "deploy@two")

    assert not claims.hand_back_target(old, reason="I am late.")
    target.refresh_from_db()
    assert (target.status, target.holder) == (TargetStatus.RUNNING, "deploy@two")


def test_an_expired_lease_is_stalled_and_claimed_by_another(world: World) -> None:
    target = only_target(deployed(world))
    old = claimed(target)
    assert claims.release_expired() == []
    run_out(target)

    assert claims.release_expired() == [target.pk]
    target.refresh_from_db()
    assert (target.status, target.leases_lost) == (TargetStatus.STALLED, 1)
    assert WORKER in target.stalled_reason
    new = claimed(target, "deploy@two")
    assert new.fence > old.fence
    assert not endings.end_target(old, {"verdict": "succeeded"})


@pytest.mark.parametrize(
    ("touched", "status"), [(True, TargetStatus.NEEDS_ATTENTION), (False, TargetStatus.FAILED_UNTOUCHED)]
)
def test_the_third_silence_ends_it_with_what_is_known(world: World, touched: bool, status: TargetStatus) -> None:
    deployment = deployed(world)
    target = only_target(deployment)
    for _ in range(3):
        claimed(target)
        Target.objects.filter(pk=target.pk).update(touched=touched)
        run_out(target)
        assert claims.release_expired() == [target.pk]

    target.refresh_from_db()
    deployment.refresh_from_db()
    assert (target.status, target.leases_lost, target.lease_until) == (status, 3, None)
    assert target.outcome["remedy"]
    assert deployment.ended_at is not None


def test_handing_back_does_not_count_as_silence(world: World) -> None:
    target = only_target(deployed(world))
    for _ in range(5):
        claims.hand_back_target(claimed(target), reason="The worker is being stopped.")

    target.refresh_from_db()
    assert (target.status, target.attempts, target.leases_lost) == (TargetStatus.STALLED, 5, 0)


def test_waiting_names_only_those_whose_turn_it_is(world: World) -> None:
    first, second = only_target(deployed(world)), only_target(deployed(world))
    third = only_target(deployed(world, placement=place(world.actor, world.application, world.staging, world.hosts)))

    assert claims.waiting_targets() == [first.pk, third.pk]
    claims.mark_hinted([first.pk])
    assert claims.waiting_targets() == [third.pk, first.pk], "those hinted longest ago come first"
    finish(first)
    assert set(claims.waiting_targets()) == {second.pk, third.pk}


def test_an_operation_is_claimed_once_and_handed_back(world: World) -> None:
    operation = requests.request_operation(actor=world.actor, kind=Operation.Kind.CHECK, host=world.hosts[0])
    claim = claims.claim_operation(operation.pk, holder="look@one")

    assert claim == claims.Claim(operation.pk, 1, "look@one", "operation")
    assert claims.claim_operation(operation.pk, holder="look@two") is None
    assert claims.hand_back_operation(claim)
    assert not claims.hand_back_operation(claim)
    again = claims.claim_operation(operation.pk, holder="look@two")
    assert again is not None
    assert not endings.end_operation(claim, OperationStatus.SUCCEEDED, {})
    assert endings.end_operation(again, OperationStatus.SUCCEEDED, {"engine": "20.10"})
    assert not endings.end_operation(again, OperationStatus.FAILED, {}), "it ended already"
    operation.refresh_from_db()
    assert (operation.status, operation.result) == (OperationStatus.SUCCEEDED, {"engine": "20.10"})


def test_a_silent_worker_s_operation_goes_back_to_the_queue(world: World) -> None:
    operation = requests.request_operation(actor=world.actor, kind=Operation.Kind.CHECK, host=world.hosts[0])
    claims.claim_operation(operation.pk, holder="look@one")
    Operation.objects.filter(pk=operation.pk).update(lease_until=Now() - timedelta(seconds=1))

    claims.release_expired()

    operation.refresh_from_db()
    assert operation.status == OperationStatus.QUEUED
    assert operation.pk in claims.waiting_operations()


def test_an_operation_that_nobody_took_fails_at_its_deadline(world: World) -> None:
    operation = requests.request_operation(actor=world.actor, kind=Operation.Kind.CHECK, host=world.hosts[0])
    Operation.objects.filter(pk=operation.pk).update(deadline_at=Now() - timedelta(seconds=1))

    assert claims.claim_operation(operation.pk, holder="look@one") is None
    claims.release_expired()

    operation.refresh_from_db()
    assert operation.status == OperationStatus.FAILED
    assert "Nobody took this up" in operation.result["what"]


def test_a_running_operation_long_past_its_deadline_fails_and_its_worker_loses_it(world: World) -> None:
    operation = requests.request_operation(actor=world.actor, kind=Operation.Kind.CHECK, host=world.hosts[0])
    claim = claims.claim_operation(operation.pk, holder="look@one")
    assert claim is not None
    Operation.objects.filter(pk=operation.pk).update(
        deadline_at=Now() - timedelta(seconds=61), steps=[{"key": "login", "status": "running"}]
    )

    claims.release_expired()

    operation.refresh_from_db()
    assert (operation.status, operation.steps[0]["status"]) == (OperationStatus.FAILED, "bad")
    assert claims.beat("look@one", (), [claim]) == {claim}
    assert not endings.end_operation(claim, OperationStatus.SUCCEEDED, {})


def test_an_illegal_move_is_refused(world: World) -> None:
    target = finish(only_target(deployed(world)))

    with pytest.raises(leases.IllegalMove):
        leases.move_target(target, TargetStatus.RUNNING)
    target.refresh_from_db()
    assert target.status == TargetStatus.SUCCEEDED


def test_a_stale_row_moves_nothing(world: World) -> None:
    target = only_target(deployed(world))
    stale = Target.objects.get(pk=target.pk)
    claimed(target)

    assert not leases.move_target(stale, TargetStatus.CANCELLED)


def test_what_ran_before_is_known_at_the_claim(world: World) -> None:
    first = deployed(world)
    second = deployed(world, digest="sha256:" + "cd" * 32)
    assert second.previous_release is None
    finish(only_target(first))

    claimed(only_target(second))

    second.refresh_from_db()
    assert second.previous_release == first.release


def test_what_changes_is_said_against_what_really_ran_before(world: World) -> None:
    first = deployed(world)
    other = "sha256:" + "cd" * 32
    second = deployed(world, digest=other)
    assert [each["before"] for each in second.changes] == [""], "nothing ran when it was asked for"
    finish(only_target(first))

    claimed(only_target(second))

    second.refresh_from_db()
    image = "registry.example.com/storefront:2.4.1"
    assert second.changes == [
        {"kind": "image", "name": "image", "before": f"{image} ({DIGEST})", "after": f"{image} ({other})"}
    ]


def test_a_plan_names_hosts_that_are_ready(world: World) -> None:
    ready_host(world.actor, "web-9")
    plan = planned(world)

    assert [row["name"] for row in plan.hosts] == ["web-1"], "a server that isn't chosen isn't planned"
    assert Host.objects.count() == 2
