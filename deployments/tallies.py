"""Counts of what has happened, kept as it happens: a figure that is asked for every few seconds can't count a million rows.

A tally's row is locked after everything else, the audit trail's head included, and by nobody who then waits for more.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from deployments.models import Tally

DEPLOYMENTS_ENDED: Final = "deployments_ended"  # by status, seconds from click to end
TARGETS_ENDED: Final = "targets_ended"  # by status, seconds from first claim to end
LEASES_LOST: Final = "leases_lost"  # by what was held: target, operation
BACKUPS: Final = "backups"


class Key(NamedTuple):
    """Of what, and which."""

    name: str
    label: str = ""


class Count(NamedTuple):
    """So many times, and so many seconds in all."""

    times: int = 1
    seconds: float = 0.0


ONE: Final = Count()


def add(counts: Mapping[Key, Count]) -> None:
    """Count these up, in one statement. In the caller's transaction, as the last thing."""
    if not counts:
        return
    with transaction.atomic(savepoint=False):
        if _raise(counts) < len(counts):  # one of them for the first time
            known = set(Tally.objects.values_list("name", "label"))
            fresh = {key: count for key, count in counts.items() if key not in known}
            Tally.objects.bulk_create([Tally(name=key.name, label=key.label) for key in fresh], ignore_conflicts=True)
            _raise(fresh)


def _raise(counts: Mapping[Key, Count]) -> int:
    ours = Q()
    for key in counts:
        ours |= Q(name=key.name, label=key.label)
    return Tally.objects.filter(ours).update(
        times=F("times") + _each({key: count.times for key, count in counts.items()}),
        seconds=F("seconds") + _each({key: count.seconds for key, count in counts.items()}),
        last_at=Now(),
    )


def _each(values: Mapping[Key, Any]) -> Case:
    return Case(*(When(name=key.name, label=key.label, then=Value(value)) for key, value in values.items()))
