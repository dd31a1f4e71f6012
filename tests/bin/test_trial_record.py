"""The questions that the trial asks a production's database by psql, asked here of the tests' own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from deployments import audit
from deployments.actors import ESTIVA
from deployments.models import Deployment, LogChunk, Target
from deployments.states import TargetStatus
from parts.trial_record import Moment, StackRecord
from tests import factories
from tests.conftest import ON_POSTGRES

LONG_AGO = Moment("2020-01-01 00:00:00+00", 0)


def asked(query: str) -> str:
    """As psql prints it; PostgreSQL alone has rows as JSON."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return "\n".join(json.dumps(row) if not isinstance(row, str) else row for (row,) in cursor.fetchall())


class Here(StackRecord):
    """Without JSON, so that SQLite understands it as well."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database itself gives."""
        with connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.both_databases
def test_what_is_asked_of_seats_and_targets_is_there() -> None:
    record = StackRecord(asked) if ON_POSTGRES else Here(asked)
    placement = factories.placement(hosts=[factories.host()])
    name = placement.application.name
    done = factories.ran(factories.release(placement))
    placement.seats.update(drift="Release 2 runs, release 1 is on record.")
    Target.objects.update(holder="deploy@0123456789ab#7")
    assert record.placements() == {name: placement.pk}
    assert record.drift() == {name: "Release 2 runs, release 1 is on record."}
    assert record.holders(LONG_AGO) == {done.targets.get().pk: "deploy@0123456789ab#7"}
    assert record.installation()
    assert [each.id for each in record.deployments()] == [done.pk]
    assert [each.status for each in record.targets()] == ["succeeded"]
    assert record.plans(placement.pk) == {done.pk: 0}, "of none"
    plan = factories.plan(placement)
    Deployment.objects.filter(pk=done.pk).update(plan=plan)
    assert record.plans(placement.pk) == {done.pk: plan.pk}
    assert record.plans(placement.pk + 1) == {}


@pytest.mark.django_db
@pytest.mark.both_databases
@pytest.mark.skipif(not ON_POSTGRES, reason="production's database alone makes digests of rows")
def test_a_change_of_what_is_over_shows_and_of_what_is_open_does_not() -> None:
    record, placement = StackRecord(asked), factories.placement(hosts=[factories.host()])
    release = factories.release(placement)
    over = factories.ran(release, ago=timedelta(minutes=1)).targets.get()
    factories.step(over)
    LogChunk.objects.create(target=over, first_line=1, last_line=3, fence=1, lines="[]")
    open_target = factories.target(factories.deployment(release), factories.host(), TargetStatus.RUNNING)
    audit.record(ESTIVA, "host.update", placement)
    moment = record.now()
    history = record.history(moment)
    assert history.counts == {
        "deployments": 1,
        "targets": 1,
        "steps": 1,
        "log_lines": 3,
        "audit_entries": moment.number,
    }
    assert moment.number > 0

    Target.objects.filter(pk=open_target.pk).update(fence=9)
    audit.record(ESTIVA, "host.update", placement)
    assert record.history(moment).differs_from(history) == []
    Target.objects.filter(pk=over.pk).update(published=[1])
    (found,) = record.history(moment).differs_from(history)
    assert found.startswith("targets: 1 ")
