"""Servers that others are reached through: what a way may look like."""

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments.errors import FieldErrors
from deployments.models import Host, Installation

MOST_HOPS: Final = 4


def check(host: Host | None, via: Host | None, *, trusted: bool = True) -> None:
    """Within a transaction: FieldErrors at `via` where the way would be a circle, too long, or lead through a server that can't be passed.

    `host` is None for a new one. `trusted` asks for a confirmed host key on the next one.
    """
    if via is None:
        return
    Installation.objects.select_for_update(no_key=True).get()  # one way is changed at a time: two could close a circle
    via = Host.objects.get(pk=via.pk)
    if via.retired_at is not None:
        raise _refused(_("%(server)s is retired.") % {"server": via.name})
    if via.is_beside:
        raise _refused(_("%(server)s is reached without SSH: no way leads on from there.") % {"server": via.name})
    if trusted and not via.is_trusted:
        raise _refused(_("The host key of %(server)s is not confirmed yet. Confirm it first.") % {"server": via.name})
    way = list(leads_through(via))
    if host is not None and host.pk in {each.pk for each in way}:
        text = _("That would lead in a circle: the way to %(via)s leads through %(host)s.")
        raise _refused(text % {"via": via.name, "host": host.name} if via != host else _("Not through itself."))
    hops = len(way) + (_deepest(host) if host is not None else 0)
    if hops > MOST_HOPS:
        text = _("That makes %(hops)s servers to pass through one after the other; %(most)s at most.")
        raise _refused(text % {"hops": hops, "most": MOST_HOPS})


def choices(host: Host | None) -> "QuerySet[Host]":
    """The servers that may be named as the next on the way to this one; what `check` refuses besides is said there."""
    rows = Host.objects.filter(retired_at=None).exclude(host_key="")
    if host is not None:
        rows = rows.exclude(pk=host.pk)
        if host.via is not None:
            rows |= Host.objects.filter(pk=host.via.pk)
    return rows.order_by("name")


def leads_through(via: Host | None) -> list[Host]:
    """The servers on the way, the nearest to the target first. Ends also where the record has a circle."""
    way: list[Host] = []
    while via is not None and via not in way:
        way.append(via)
        via = via.via
    return way


def said(value: Any) -> Any:
    """A value for the record: a server by its name."""
    return value.name if isinstance(value, Host) else value


def shown(via: Host | None) -> dict[str, str]:
    """For the record of a new server."""
    return {"via": via.name} if via is not None else {}


def _deepest(host: Host) -> int:
    """How many servers in a row stand behind this one."""
    depth, row = 0, list(host.behind.filter(retired_at=None))
    while row and depth <= MOST_HOPS:
        depth += 1
        row = list(Host.objects.filter(via__in=row, retired_at=None))
    return depth


def _refused(text: str) -> FieldErrors:
    return FieldErrors({"via": [text]})
