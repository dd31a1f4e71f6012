"""Taking a server in doubt as it is: asked for here, written down here once a worker saw again what was shown.

On the server nothing is changed but a tag that keeps the image. Refused before the first look since the end, where what is
there is not what was shown, and while a Deployment is open.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, dealing, deployable, permissions, releases, seats
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import Attention, Deployment, Host, Operation, Placement, PlacementHost, Release
from deployments.operations import request_operation
from deployments.room import check_open
from deployments.states import OPERATION_OPEN

DEADLINE_SECONDS: Final = 90.0


def request_as_is(
    *, actor: Actor, deployment: Deployment, shown: Mapping[str, str], reason: str = ""
) -> list[Operation]:
    """Have a worker look once more at each server, and record what is there as what runs, if it is what was `shown`: the
    fingerprint of its sight, by the server's name. Refused before the first look, and where that is older than the end."""
    reason = dealing.checked_reason(reason)
    with transaction.atomic():
        named = Host.objects.filter(name__in=shown, seats__placement=deployment.placement_id)
        for host in Host.objects.select_for_update(no_key=True).filter(pk__in=named.values("pk")).order_by("pk"):
            check_open(host)
        placement = lock_placement(deployment.placement_id)
        deployable.check_in_use(placement)
        rows = dealing.open_rows(deployment, shown)
        dealing.check_idle(placement)
        made = [_ask_as_is(actor, placement, row, shown[row.host.name], reason) for row in rows]
        for row in rows:
            after = {"server": row.host.name, "way": str(Attention.Way.AS_IS), "reason": reason}
            audit.record(actor, "target.settle_request", dealing.named(row), after=after)
    return made


def take_as_is(operation: Operation, sight: Mapping[str, Any], observed: Mapping[str, Any] | None) -> Release | None:
    """Write down what was seen just now as what runs there: the Release that it matches, or nothing that is known.

    Refused where it is not what was shown, somebody was first, or the Operation isn't held any more.
    """
    request = operation.request
    actor = Actor(operation.requested_by_id, operation.requested_by_name, is_limited=not request["as_admin"])
    with transaction.atomic():
        placement = lock_placement(operation.placement_id or 0)
        dealing.check_idle(placement)
        seat = PlacementHost.objects.select_for_update(no_key=True).get(placement=placement, host=operation.host_id)
        row = dealing.locked(Attention.objects.filter(pk=request["attention"]))[0]
        dealing.check_open(row)
        held = Operation.objects.filter(pk=operation.pk, fence=operation.fence, status__in=OPERATION_OPEN)
        if sight["fingerprint"] != request["shown"] or not held.exists():
            raise _not_shown(row)
        number = sight["release"]
        release = releases.by_number(placement.pk, number) if number is not None else None
        _now_runs(seat, release, sight, observed)
        row.sight, row.seen_at, row.release = dict(sight), clock.now(), release
        row.save(update_fields=("sight", "seen_at", "release"))
        dealing.mark(actor, [row], Attention.Way.AS_IS, request["reason"], None)
        said = {"recorded": f"release {release.number}" if release else "nothing that is on record"}
        dealing.record(actor, [row], Attention.Way.AS_IS, request["reason"], said)
    return release


def taken_by(operation: Operation) -> Attention | None:
    """What it has written down already, in an earlier attempt."""
    done = Attention.objects.filter(pk=operation.request["attention"], way=Attention.Way.AS_IS)
    row = done.select_related("release").first()
    return row if row is not None and row.dealt_at is not None and row.dealt_at > operation.requested_at else None


def _ask_as_is(actor: Actor, placement: Placement, row: Attention, shown: str, reason: str) -> Operation:
    if row.seen_at is None or row.seen_at <= row.opened_at:
        raise Refused(
            _("%(server)s was not looked at since.") % {"server": row.host.name}, remedy=_("Look at it first.")
        )
    if not shown or shown != row.sight.get("fingerprint"):
        raise _not_shown(row)
    asked = Operation.objects.filter(
        kind=Operation.Kind.SETTLE, host=row.host, placement=placement, status__in=OPERATION_OPEN
    )
    if asked.exists():
        raise Refused(_("%(server)s is being taken as it is already.") % {"server": row.host.name})
    return request_operation(
        actor=actor,
        kind=Operation.Kind.SETTLE,
        host=row.host,
        placement=placement,
        request={
            "attention": row.pk,
            "shown": shown,
            "reason": reason,
            "as_admin": permissions.acts_as_admin(actor),
        },
        deadline_seconds=DEADLINE_SECONDS,
    )


def _now_runs(
    seat: PlacementHost, release: Release | None, sight: Mapping[str, Any], observed: Mapping[str, Any] | None
) -> None:
    seat.running_release, seat.running_since = release, clock.now() if release else None
    seat.running_target = seats.who_brought(
        seat, release, [row["target"] for row in sight["containers"] if row["serves"]]
    )
    seat.observed = dict(observed or {}) if release else {}
    if release is not None and seat.owed_id == release.pk:
        seat.owed = None
    if seat.adopted.get("container_id") != seat.observed.get("container_id"):
        seat.adopted = {}
    seat.drift, seat.drift_at, seat.difference, seat.ignored = "", None, {}, {}
    seat.save(
        update_fields=(
            "running_release", "running_since", "running_target", "observed", "owed", "adopted", "drift", "drift_at",
            "difference", "ignored",
        )
    )  # fmt: skip


def _not_shown(row: Attention) -> Refused:
    return Refused(
        _("What is on %(server)s is not what was shown any more.") % {"server": row.host.name},
        remedy=_("Look at it again, then decide."),
    )
