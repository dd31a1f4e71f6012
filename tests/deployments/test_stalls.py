"""What stands still is released one by one: what can't be keeps none of the others waiting."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from deployments import endings, operations, stalls, tallies
from deployments.inventory import hosts
from deployments.models import Operation, Target
from deployments.states import OperationStatus, TargetStatus
from tests.deployments.world import World, claimed, deployed, make_world, ready_host

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world(servers=3)


@pytest.fixture
def silent(world: World) -> list[Target]:
    """Three whose worker fell silent; of the first, for the third time."""
    targets = list(deployed(world).targets.order_by("pk"))
    for each in targets:
        claimed(each)
    Target.objects.update(lease_until=Now() - timedelta(seconds=1))
    Target.objects.filter(pk=targets[0].pk).update(leases_lost=2)
    return targets


def statuses() -> list[str]:
    return list(Target.objects.order_by("pk").values_list("status", flat=True))


def test_one_that_can_not_be_released_keeps_no_other_from_it(
    silent: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object, **_names: object) -> None:
        raise KeyError("steps")

    monkeypatch.setattr(endings, "abandon_target", broken)
    with pytest.raises(KeyError):
        stalls.release_expired()
    assert statuses() == [TargetStatus.RUNNING, TargetStatus.STALLED, TargetStatus.STALLED]
    assert Target.objects.get(pk=silent[0].pk).leases_lost == 2, "what it had begun was undone"


def test_a_target_that_can_not_be_released_keeps_no_operation_from_its_end(
    silent: list[Target], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object, **_names: object) -> None:
        raise KeyError("steps")

    for each in world.hosts[:2]:
        hosts.check(actor=world.actor, host=each)
    first, second = Operation.objects.filter(status=OperationStatus.QUEUED).order_by("pk")[:2]
    Operation.objects.filter(pk__in=(first.pk, second.pk)).update(deadline_at=Now() - timedelta(seconds=1))
    fail_late = operations.fail_late

    def all_but_the_first(operation: Operation) -> bool:
        if operation.pk == first.pk:
            raise KeyError("result")
        return fail_late(operation)

    monkeypatch.setattr(endings, "abandon_target", broken)
    monkeypatch.setattr(operations, "fail_late", all_but_the_first)
    with pytest.raises(KeyError, match="steps"):
        stalls.release_expired()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (OperationStatus.QUEUED, OperationStatus.FAILED)


def test_a_silent_operation_that_can_not_be_requeued_keeps_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (*world.hosts[:2], ready_host(world.actor, "web-9")):
        hosts.check(actor=world.actor, host=each)
    Operation.objects.update(status=OperationStatus.RUNNING, lease_until=Now() - timedelta(seconds=1), holder="x#1")
    add, broken = tallies.add, [True]

    def once_broken(counted: Mapping[tallies.Key, tallies.Count]) -> None:
        if broken:
            broken.clear()
            raise KeyError("tally")
        add(counted)

    monkeypatch.setattr(tallies, "add", once_broken)
    silent = Operation.objects.count()
    with pytest.raises(KeyError):
        stalls.release_expired()
    assert Operation.objects.filter(status=OperationStatus.QUEUED).count() == silent - 1


def test_a_database_that_is_away_is_away_for_all(silent: list[Target], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def away(target_id: int) -> bool:
        asked.append(target_id)
        raise OperationalError("gone")

    monkeypatch.setattr(stalls, "_release", away)
    with pytest.raises(OperationalError):
        stalls.release_expired()
    assert asked == [silent[0].pk]
