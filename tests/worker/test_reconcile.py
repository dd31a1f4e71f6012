"""The reconciler's duties, each by itself, and that one failing keeps no other from being done."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from deployments import claims, engines, queue
from deployments.inventory.webhooks import create_webhook
from deployments.models import AuditEntry, Deployment, Host, Operation, Plan, Target, WorkerProcess
from tests.deployments.world import World, claimed, deployed, make_world, planned, ready_host
from tests.factories import host_beside
from tests.worker.conftest import Sent
from worker import reconcile
from worker.reconcile import Reconciler

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop on two servers."""
    found = make_world(servers=2)
    Operation.objects.all().delete()
    sent.hints.clear()
    return found


def test_what_waits_is_hinted_and_noted(world: World, sent: Sent) -> None:
    deployment = deployed(world)
    targets = sorted(deployment.targets.values_list("pk", flat=True))
    sent.hints.clear()
    reconcile.send_hints()
    assert sorted(sent.targets()) == targets
    assert not Target.objects.filter(hinted_at=None).exists()


def test_the_broker_never_holds_more_hints_than_there_are_rows_waiting(world: World, sent: Sent) -> None:
    deployed(world)
    sent.hints.clear()
    sent.held[queue.DEPLOY_QUEUE] = 1
    reconcile.send_hints()
    assert len(sent.targets()) == 1
    sent.hints.clear()
    sent.held[queue.DEPLOY_QUEUE] = 7
    reconcile.send_hints()
    assert sent.targets() == []


def test_those_hinted_longest_ago_come_first(world: World, sent: Sent) -> None:
    first, second = sorted(deployed(world).targets.values_list("pk", flat=True))
    Target.objects.filter(pk=first).update(hinted_at=Now())
    sent.hints.clear()
    sent.held[queue.DEPLOY_QUEUE] = 1
    reconcile.send_hints()
    assert sent.targets() == [second]


def test_what_nobody_takes_keeps_no_other_from_being_hinted(
    world: World, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted(deployed(world).targets.values_list("pk", flat=True))
    beside = host_beside("local", "AAAA:BBBB@build-1:/var/lib/docker")
    Target.objects.filter(pk=first).update(host=beside)
    name = engines.queue_of(queue.DEPLOY_QUEUE, [beside.engine_id])
    monkeypatch.setattr(claims, "MOST_WAITING", 1)
    sent.hints.clear()
    sent.held[name] = 1
    for _ in range(2):
        reconcile.send_hints()
    assert sent.targets() == [second]


def test_a_deployment_that_has_to_wait_is_not_hinted(world: World, sent: Sent) -> None:
    first, second = deployed(world), deployed(world)
    sent.hints.clear()
    reconcile.send_hints()
    assert set(sent.targets()) == set(first.targets.values_list("pk", flat=True))
    assert second.targets.filter(hinted_at=None).count() == 2


def test_a_broker_that_is_away_is_asked_again(world: World, sent: Sent) -> None:
    deployed(world)
    sent.hints.clear()
    sent.away = True
    reconcile.send_hints()
    assert Target.objects.filter(hinted_at=None).count() == 2
    sent.away = False
    reconcile.send_hints()
    assert len(sent.targets()) == 2


def test_a_silent_workers_target_is_stalled_and_hinted(world: World, sent: Sent) -> None:
    target = deployed(world).targets.first()
    assert target is not None
    claimed(target)
    Target.objects.filter(pk=target.pk).update(lease_until=Now() - timedelta(seconds=1))
    sent.hints.clear()
    reconcile.release_expired()
    target.refresh_from_db()
    assert target.status == "stalled"
    assert sent.targets() == [target.pk]


def test_each_server_is_checked_once_a_minute(world: World, sent: Sent) -> None:
    reconcile.request_checks()
    reconcile.request_checks()
    checks = Operation.objects.filter(kind="check", requested_by=None)
    assert sorted(checks.values_list("host__name", flat=True)) == ["web-1", "web-2"]
    checks.update(status="succeeded", ended_at=Now())
    Host.objects.update(checked_at=Now())
    reconcile.request_checks()
    assert checks.count() == 2
    Host.objects.filter(name="web-1").update(checked_at=Now() - timedelta(seconds=61))
    reconcile.request_checks()
    assert checks.count() == 3


@pytest.mark.parametrize("state", ["untrusted", "key_changed", "retired"])
def test_a_server_that_nobody_may_log_in_to_is_left_alone(world: World, state: str) -> None:
    Host.objects.update(state=state)
    reconcile.request_checks()
    assert not Operation.objects.exists()


def test_a_trusted_server_whose_first_check_got_lost_is_checked(world: World) -> None:
    Host.objects.update(state="new")
    unknown = ready_host(world.actor, "web-3")
    Host.objects.filter(pk=unknown.pk).update(host_key="", state="new")
    Operation.objects.all().delete()
    reconcile.request_checks()
    assert sorted(Operation.objects.values_list("host__name", flat=True)) == ["web-1", "web-2"]


def test_what_is_old_is_dropped_and_history_stays(world: World) -> None:
    deployment = deployed(world)
    Operation.objects.update(status="succeeded", ended_at=Now() - timedelta(days=31))
    recent = deployed(world)
    WorkerProcess.objects.create(name="old", role="deploy", started_at=Now(), beat_at=Now() - timedelta(days=2))
    WorkerProcess.objects.create(name="new", role="deploy", started_at=Now(), beat_at=Now())
    entries = AuditEntry.objects.count()
    reconcile.drop_old()
    assert list(Plan.objects.values_list("pk", flat=True)) == [recent.plan_id]
    assert set(Deployment.objects.values_list("pk", flat=True)) == {deployment.pk, recent.pk}
    assert AuditEntry.objects.count() == entries
    assert list(WorkerProcess.objects.values_list("name", flat=True)) == ["new"]


def test_routine_checks_are_kept_for_a_day_only(world: World) -> None:
    reconcile.request_checks()
    Operation.objects.update(status="succeeded", ended_at=Now() - timedelta(days=2))
    reconcile.drop_old()
    assert not Operation.objects.exists()


def test_one_duty_failing_keeps_no_other_from_being_done(
    world: World, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(world)
    sent.hints.clear()

    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(reconcile, "release_expired", broken)
    reconciler = Reconciler("reconciler@test")
    reconciler.round()
    assert len(sent.targets()) == 2
    assert WorkerProcess.objects.get().role == "reconciler"


def test_a_plan_of_a_push_that_was_left_behind_is_deployed(world: World) -> None:
    plan, broken = planned(world), planned(world)
    Plan.objects.filter(pk__in=[plan.pk, broken.pk]).update(automatic="waiting", automatic_by="GitHub (webhook)")
    hook, _secret = create_webhook(
        actor=world.actor, placement=world.placement, kind="plain", name="CI", rules={"tags": ["*"]}
    )
    Plan.objects.update(webhook=hook)
    Plan.objects.filter(pk=broken.pk).update(fingerprint="")
    reconcile.carry_on_plans()
    assert not Deployment.objects.exists(), "its worker may be about to"
    Operation.objects.filter(kind="plan").update(ended_at=Now() - timedelta(seconds=9))
    reconcile.carry_on_plans()
    assert Deployment.objects.get().requested_by_name == "GitHub (webhook)"
    assert set(Plan.objects.values_list("automatic", flat=True)) == {"deployed", "dropped"}


def test_it_ends_soon_and_takes_itself_off_the_record(world: World) -> None:
    reconciler = Reconciler("reconciler@test", round_seconds=60)
    reconciler.round()
    assert WorkerProcess.objects.exists()
    reconciler.stop.set()
    reconciler.run()
    assert not WorkerProcess.objects.exists()
