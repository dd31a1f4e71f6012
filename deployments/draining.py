"""Draining a server: nothing new is placed on it and no deploy goes there, what runs there goes on running."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, queue
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, PlacementHost


@dataclass(frozen=True, slots=True)
class Placed:
    """What is placed on a server, and the names of the other servers in use that serve it."""

    seat: PlacementHost
    elsewhere: list[str]


def drain(*, actor: Actor, host: Host) -> Host:
    """From now on plans leave it out, and no Placement can be put on it. Refused where it is drained or retired already."""
    return _switch(actor, host, drained=True)


def undrain(*, actor: Actor, host: Host) -> Host:
    """Take it in use again; what is placed there is deployed to it by the next deploy."""
    return _switch(actor, host, drained=False)


def _switch(actor: Actor, host: Host, *, drained: bool) -> Host:
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        if host.retired_at is not None:
            raise Refused(_("%(server)s is retired.") % {"server": host.name})
        if (host.drained_at is not None) == drained:
            raise Refused(
                _("%(server)s is drained already.") % {"server": host.name}
                if drained
                else _("%(server)s is in use already.") % {"server": host.name}
            )
        host.drained_at, host.drained_by_name = (clock.now(), actor.name) if drained else (None, "")
        host.save(update_fields=("drained_at", "drained_by_name"))
        queue.changed_on_commit("host", host.pk)
        for placement_id in host.seats.filter(is_active=True).values_list("placement", flat=True):
            queue.changed_on_commit("placement", placement_id, placement_id)
        audit.record(actor, "host.drain" if drained else "host.undrain", host)
    return host


def placed(host: Host) -> list[Placed]:
    """Everything that is placed there, with where else it runs."""
    seats = host.seats.filter(is_active=True, placement__application__archived_at=None)
    related = seats.select_related("placement__application", "placement__environment", "running_release")
    rows = list(related.order_by("placement__application__name", "placement__environment__position"))
    others = PlacementHost.objects.filter(
        placement__in=[row.placement_id for row in rows],
        is_active=True,
        running_release__isnull=False,
        host__drained_at=None,
        host__retired_at=None,
    ).exclude(host=host)
    names: dict[int, list[str]] = {}
    for other in others.select_related("host").order_by("host__name"):
        names.setdefault(other.placement_id, []).append(other.host.name)
    return [Placed(row, names.get(row.placement_id, [])) for row in rows]
