"""The audit trail, filtered and paged by key, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from deployments.models import AuditEntry, User

PAGE: Final = 50
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
    """One page; `older` and `newer` are keys for the pages beside it, None at the ends."""

    entries: list[AuditEntry]
    older: int | None
    newer: int | None


def entries(wanted: TrailFilter) -> QuerySet[AuditEntry]:
    """Every entry that fits, newest first."""
    rows = AuditEntry.objects.filter(_by_person(wanted.person))
    if wanted.action:
        rows = rows.filter(Q(action=wanted.action) | Q(action__startswith=f"{wanted.action}."))
    if wanted.object_kind:
        rows = rows.filter(object_kind=wanted.object_kind)
    if wanted.object_name:
        rows = rows.filter(Q(object_name__icontains=wanted.object_name) | Q(object_id=wanted.object_name.lstrip("#")))
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


def page(wanted: TrailFilter, *, before: int | None = None, after: int | None = None) -> TrailPage:
    """The entries with numbers under `before` (or over `after`): one query."""
    rows = entries(wanted)
    if after is not None:
        found = list(rows.filter(number__gt=after).order_by("number")[: PAGE + 1])
        shown = found[:PAGE][::-1]
        older = shown[-1].number if shown else None
        return TrailPage(shown, older, shown[0].number if len(found) > PAGE else None)
    found = list((rows.filter(number__lt=before) if before is not None else rows)[: PAGE + 1])
    shown = found[:PAGE]
    newer = shown[0].number if shown and before is not None else None
    return TrailPage(shown, shown[-1].number if len(found) > PAGE else None, newer)


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
