"""What happens is counted as it happens, in the transaction in which it does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from deployments import claims, endings, requests, stalls, tallies
from deployments.models import Operation, Tally, Target
from tests.deployments.world import WORKER, deployed, make_world, only_target
from tests.factories import operation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def counted(name: str) -> dict[str, int]:
    return dict(Tally.objects.filter(name=name).values_list("label", "times"))


def end(target: Target, verdict: str) -> None:
    claim = claims.claim_target(target.pk, holder=WORKER)
    assert claim is not None
    assert endings.end_target(claim, {"verdict": verdict, "what": "so", "why": ""})


def test_each_end_is_counted_once() -> None:
    world = make_world()
    end(only_target(deployed(world)), "failed_untouched")
    end(only_target(deployed(world)), "failed_untouched")
    cancelled = deployed(world)
    requests.cancel_deployment(actor=world.actor, deployment=cancelled)
    assert counted(tallies.TARGETS_ENDED) == {"failed_untouched": 2, "cancelled": 1}
    assert counted(tallies.DEPLOYMENTS_ENDED) == {"failed": 2, "cancelled": 1}
    row = Tally.objects.get(name=tallies.DEPLOYMENTS_ENDED, label="failed")
    assert row.seconds >= 0
    assert row.last_at is not None


def test_an_end_that_is_undone_is_not_counted() -> None:
    world = make_world()
    target = only_target(deployed(world))
    claim = claims.claim_target(target.pk, holder=WORKER)
    assert claim is not None
    claims.hand_back_target(claim, reason="the worker ends")
    assert not endings.end_target(claim, {"verdict": "failed", "what": "late", "why": ""})
    assert counted(tallies.TARGETS_ENDED) == {}


def test_a_lost_lease_is_counted_and_one_handed_back_is_not() -> None:
    world = make_world()
    target = only_target(deployed(world))
    for _ in range(stalls.MOST_LOST_LEASES):  # the last one ends it
        assert claims.claim_target(target.pk, holder=WORKER)
        Target.objects.update(lease_until=Now() - timedelta(seconds=1))
        stalls.release_expired()
        stalls.release_expired()
    looked = operation(world.placement, status="running", lease_until=Now() - timedelta(seconds=1))
    stalls.release_expired()
    assert Operation.objects.get(pk=looked.pk).status == "queued"
    past = Now() - timedelta(seconds=1)
    operation(world.placement, status="running", lease_until=past, deadline_at=past)
    operation(world.placement, deadline_at=past)  # nobody ever took it
    stalls.release_expired()
    assert counted(tallies.LEASES_LOST) == {"target": 3, "operation": 2}
    assert sum(counted(tallies.TARGETS_ENDED).values()) == 1


def test_several_labels_at_once() -> None:
    backup, odd, even = tallies.Key(tallies.BACKUPS), tallies.Key("odd", "b"), tallies.Key("odd", "a")
    tallies.add({backup: tallies.ONE})
    tallies.add({odd: tallies.Count(2, 3.5), even: tallies.ONE})
    tallies.add({odd: tallies.Count(1, 1.0)})
    tallies.add({})
    assert list(Tally.objects.values_list("name", "label", "times", "seconds")) == [
        ("backups", "", 1, 0.0),
        ("odd", "a", 1, 0.0),
        ("odd", "b", 3, 4.5),
    ]


def test_what_ended_before_is_counted_by_the_migration() -> None:
    world = make_world()
    end(only_target(deployed(world)), "failed_untouched")
    deployed(world)
    Target.objects.filter(ended_at=None).update(leases_lost=2)
    Tally.objects.all().delete()
    migration: Any = MigrationExecutor(connection).loader.get_migration("deployments", "0033_measures")
    count = migration.operations[-1].code
    from django.apps import apps

    count(apps, None)
    assert counted(tallies.DEPLOYMENTS_ENDED) == {"failed": 1}
    assert counted(tallies.TARGETS_ENDED) == {"failed_untouched": 1}
    assert counted(tallies.LEASES_LOST) == {"target": 2}
