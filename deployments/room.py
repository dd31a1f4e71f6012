"""Asking for what the server room does: look around. Acts on containers, logs and images have files of their own."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import clock
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, Operation
from deployments.operations import request_operation
from deployments.states import OPERATION_ENDS, OPERATION_OPEN, HostState, OperationStatus

LOOK_SECONDS: Final = 120.0
"""An engine with many volumes counts for a while."""

FRESH_SECONDS: Final = 60.0

_SHUT: Final = frozenset({HostState.NEW, HostState.UNTRUSTED, HostState.KEY_CHANGED, HostState.RETIRED})


def is_open(host: Host) -> bool:
    """Estiva may log in there."""
    return host.is_trusted and host.state not in _SHUT


def check_open(host: Host) -> None:
    """Refused where nothing is sent to the server."""
    if not is_open(host):
        raise Refused(
            _("Nothing is sent to %(server)s now: %(state)s.")
            % {"server": host.name, "state": host.get_state_display().lower()},
            remedy=_("See to its host key on its page first."),
        )


def look_around(*, actor: Actor, host: Host) -> Operation:
    """List what the server holds. Looks don't pile up: one under way is taken, and of earlier ones the newest good one stays."""
    check_open(host)
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        looks = Operation.objects.filter(host=host, kind=Operation.Kind.ROOM)
        under_way = looks.filter(status__in=OPERATION_OPEN).first()
        if under_way is not None:
            return under_way
        newest = looks.filter(status=OperationStatus.SUCCEEDED).order_by("-pk").first()
        looks.filter(status__in=OPERATION_ENDS).exclude(pk=newest.pk if newest else 0).delete()
        return request_operation(actor=actor, kind=Operation.Kind.ROOM, host=host, deadline_seconds=LOOK_SECONDS)


def look_if_stale(*, actor: Actor, host: Host) -> None:
    """As `look_around`, where the last look was asked for long enough ago; nothing where the server can't be looked at."""
    fresh = Operation.objects.filter(
        host=host, kind=Operation.Kind.ROOM, requested_at__gt=clock.now() - timedelta(seconds=FRESH_SECONDS)
    )
    if is_open(host) and not fresh.exists():
        look_around(actor=actor, host=host)
