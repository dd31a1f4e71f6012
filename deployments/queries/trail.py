"""The audit trail, filtered and paged by key, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from deployments.models import AuditEntry, AuditHead, User
from deployments.queries import by_time
from deployments.queries.known_names import known_names

PAGE: Final = 50
LOOKED: Final = 20_000
"""Entries that are read through for one page, where no index leads to what is wanted."""
_LATELY: Final = 3000
ESTIVA: Final = "estiva"
STRANGERS: Final = "strangers"


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What to show; empty means all. `person` is a user's id, ESTIVA, or STRANGERS (who were not signed in)."""

    person: str = ""
    action: str = ""
    object_kind: str = ""
    object_name: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrailPage:
    """One page; `older` and `newer` are keys for the pages beside it, None at the ends.

    `looked` are the first and last number that were looked at, where that was only a part of the trail.
    """

    entries: list[AuditEntry]
    older: int | None
    newer: int | None
    looked: tuple[int, int] | None = None


def entries(wanted: TrailFilter) -> QuerySet[AuditEntry]:
    """Every entry that fits, newest first."""
    rows = AuditEntry.objects.filter(_by_person(wanted.person))
    if wanted.action:
        known = known_names(AuditEntry, "action")
        rows = rows.filter(action__in=[each for each in known if f"{each}.".startswith(f"{wanted.action}.")])
    if wanted.object_kind:
        rows = rows.filter(object_kind=wanted.object_kind)
    if wanted.object_name:
        rows = rows.filter(_by_object(wanted.object_name))
    if wanted.outcome:
        rows = rows.filter(outcome=wanted.outcome)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lte=wanted.until)
    return rows.order_by("-number")


def _by_person(person: str) -> Q:
    if person == ESTIVA:
        return Q(actor_id=None, actor_name="Estiva")
    if person == STRANGERS:
        return Q(actor_id=None) & ~Q(actor_name="Estiva")
    return Q(actor_id=int(person)) if person.isdecimal() else Q()


def _by_object(name: str) -> Q:
    """`#120` is the one of that number; anything else is a part of a name, or a whole key."""
    if name.startswith("#") and name[1:].isdecimal():
        return Q(object_id=name[1:])
    return Q(object_name__icontains=name) | Q(object_id=name)


def _is_read_through(wanted: TrailFilter) -> bool:
    """No index leads to what is wanted: entries have to be read one by one."""
    is_part = bool(wanted.object_name) and not wanted.object_name.removeprefix("#").isdecimal()
    return is_part or wanted.person == STRANGERS


def page(wanted: TrailFilter, *, before: int | None = None, after: int | None = None) -> TrailPage:
    """The entries with numbers under `before` (or over `after`), in a constant number of queries.

    Where entries have to be read one by one, as many as LOOKED of them: then the page may bear fewer, and lead on.
    """
    newest = AuditHead.objects.values_list("number", flat=True).first() or 0
    rows, every = entries(wanted), AuditEntry.objects.all()
    if wanted.since:
        rows = rows.filter(by_time.since(every, "at", "number", wanted.since))
    if wanted.until:
        rows = rows.filter(by_time.until(every, "at", "number", wanted.until))
    is_part = _is_read_through(wanted)
    most = LOOKED if is_part else newest + 1
    if after is not None:
        top = min(after + most, newest)
        found = list(rows.filter(number__gt=after, number__lte=top).order_by("number")[: PAGE + 1])
        shown = found[:PAGE][::-1]
        newer = shown[0].number if len(found) > PAGE else top if top < newest else None
        looked = (after + 1, top) if is_part and len(found) <= PAGE else None
        return TrailPage(shown, shown[-1].number if shown else after + 1 if looked else None, newer, looked)
    top = min(before - 1, newest) if before is not None else newest
    if wanted.until and is_part:
        top = min(top, by_time.key_after(every, "at", "number", wanted.until) - 1)
    low = max(top - most, 0)
    found = list(rows.filter(number__gt=low, number__lte=top)[: PAGE + 1])
    shown = found[:PAGE]
    older = shown[-1].number if len(found) > PAGE else low + 1 if low > 0 else None
    newer = None if before is None else shown[0].number if shown else before - 1 if is_part else None
    return TrailPage(shown, older, newer, (low + 1, top) if low > 0 and len(found) <= PAGE else None)


def names() -> tuple[list[str], list[str]]:
    """Actions and kinds of objects that occurred lately, to choose from: of a bounded number of entries."""
    lately = AuditEntry.objects.order_by("-number").values_list("action", "object_kind")[:_LATELY]
    actions, kinds = set(), set()
    for action, kind in lately:
        actions.add(action)
        kinds.add(kind)
    return sorted(actions), sorted(kinds - {""})


def people() -> list[tuple[str, str]]:
    """Ids and names of everybody who could have done something."""
    return [(str(user.pk), str(user)) for user in User.objects.all()]
