"""Servers that a Deployment left in doubt: opened and settled as Targets end, and looked at. `ways_out` and `taking_as_is` have what people do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from deployments import queue, room
from deployments.actors import ESTIVA, Actor
from deployments.inventory import hosts as inventory
from deployments.models import Attention, Deployment, Host, Operation, PlacementHost, Release, Target
from deployments.operations import request_operation
from deployments.states import OPERATION_OPEN, TargetStatus

CHECK_SECONDS: Final = 45.0
_NOTHING_LEARNED: Final = frozenset({TargetStatus.FAILED_UNTOUCHED, TargetStatus.CANCELLED, TargetStatus.SKIPPED})


def after_end(target: Target, status: TargetStatus, deployment: Deployment) -> None:
    """A Target ends: it leaves its server in doubt, or settles the doubt there was. Needs the transaction of its end.

    One that ended before it touched the server settles nothing, and what it was to deal with is open again.
    """
    if target.role == Target.Role.BUILD:
        return
    there = Attention.objects.filter(placement=target.placement_id, host=target.host_id)
    if status in _NOTHING_LEARNED:
        _reopen(there, deployment)
        return
    there.filter(way="").update(
        way=Attention.Way.LATER, dealt_with=deployment, dealt_at=Now(), dealt_by_name=ESTIVA.name
    )
    if status == TargetStatus.NEEDS_ATTENTION:
        Attention.objects.create(
            target=target, placement_id=target.placement_id, host_id=target.host_id, opened_at=Now()
        )


def adopted(seat: PlacementHost, release: Release, *, by: str, reason: str) -> None:
    """Somebody took over what was changed by hand there: that deals with the doubt as well."""
    for row in open_on(seat.host_id).filter(placement=seat.placement_id):
        Attention.objects.filter(pk=row.pk, way="").update(
            way=Attention.Way.AS_IS, dealt_at=Now(), dealt_by_name=by, reason=reason[:300], release=release
        )
        tell(row)


def seen(attention_id: int, sight: Mapping[str, Any]) -> None:
    """Write down what a look found just now, while it is open."""
    with transaction.atomic():
        row = Attention.objects.select_for_update(no_key=True, of=("self",)).filter(pk=attention_id, way="").first()
        if row is None:
            return
        row.sight, row.seen_at = dict(sight), Now()
        row.save(update_fields=("sight", "seen_at"))
        tell(row)


def open_on(host_id: int) -> QuerySet[Attention]:
    """What is in doubt on a server."""
    return Attention.objects.filter(host=host_id, way="")


def open_of(deployment: Deployment) -> QuerySet[Attention]:
    """What a Deployment left in doubt, and nobody has dealt with."""
    return Attention.objects.filter(target__deployment=deployment, way="")


def look(*, actor: Actor, deployment: Deployment) -> list[Operation]:
    """Have a worker look at each server that this Deployment left in doubt; one look at a time there."""
    return [
        _under_way(host) or inventory.check(actor=actor, host=host) for host in _hosts(deployment) if room.is_open(host)
    ]


def look_if_stale(deployment: Deployment) -> None:
    """As `look`, once, where nobody has asked for a look since the end."""
    for row in open_of(deployment).select_related("host").filter(seen_at=None):
        if room.is_open(row.host):
            _look_once(row.host, row.opened_at)


def tell(row: Attention) -> None:
    """Whoever has a page open that shows it sees it."""
    deployment = Target.objects.filter(pk=row.target_id).values_list("deployment_id", flat=True).get()
    queue.changed_on_commit("deployment", deployment, row.placement_id)
    queue.changed_on_commit("placement", row.placement_id, row.placement_id)
    queue.changed_on_commit("host", row.host_id)


def _look_once(host: Host, since: datetime) -> None:
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        asked = Operation.objects.filter(host=host, kind=Operation.Kind.CHECK, requested_at__gte=since)
        if not asked.exists():
            request_operation(actor=ESTIVA, kind=Operation.Kind.CHECK, host=host, deadline_seconds=CHECK_SECONDS)


def _under_way(host: Host) -> Operation | None:
    looks = Operation.objects.filter(host=host, kind=Operation.Kind.CHECK, status__in=OPERATION_OPEN)
    return looks.order_by("-pk").first()


def _hosts(deployment: Deployment) -> list[Host]:
    return list(Host.objects.filter(pk__in=open_of(deployment).values("host")).order_by("name"))


def _reopen(there: QuerySet[Attention], deployment: Deployment) -> None:
    another = Attention.objects.filter(placement=OuterRef("placement"), host=OuterRef("host"), way="")
    again = there.filter(~Exists(another), dealt_with=deployment, way__in=(Attention.Way.RESUME, Attention.Way.RESTORE))
    newest = again.order_by("-pk").values_list("pk", flat=True).first()
    if newest is not None:
        Attention.objects.filter(pk=newest).update(
            way="", dealt_at=None, dealt_by_name="", reason="", dealt_with=None, release=None
        )
