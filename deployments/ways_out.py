"""What a person does about servers that a Deployment left in doubt: take its Release forward again, bring back what served
before, or take what is there as it is. Each is one act: the second of two clicks is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import attention, audit, clock, deployable, hooks, permissions, plan, power, releases, seats, sources
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import Attention, Deployment, Host, Operation, Placement, PlacementHost, Release, Step
from deployments.operations import request_operation
from deployments.room import check_open
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN, HostState
from deployments.unplanned import queue_unplanned, record_unplanned

LONGEST_REASON: Final = 300
DEADLINE_SECONDS: Final = 90.0


def resume(*, actor: Actor, deployment: Deployment, servers: Collection[str], reason: str = "") -> Deployment:
    """Queue the Deployment's Release for exactly these servers, once more; Refused where somebody was first, or a server
    can't be deployed to now."""
    reason = _checked(reason)
    with transaction.atomic():
        placement = lock_placement(deployment.placement_id)
        rows = _open_rows(deployment, servers)
        release = deployment.release
        _check(actor, placement, release, rows)
        for row in rows:
            if row.host.drained_at is not None:
                raise Refused(_("%(server)s is drained: nothing new is placed there.") % {"server": row.host.name})
        made = queue_unplanned(
            actor=actor,
            placement=placement,
            release=release,
            before=releases.running_release(placement.pk),
            hosts=[row.host for row in rows],
            note=_note(_("Resumes #%(number)s.") % {"number": deployment.pk}, reason),
            kind=Deployment.Kind.REDEPLOY,
            rollout={hooks.CATCHES_UP: True} if is_prepared(deployment) else {},
        )
        _mark(actor, rows, Attention.Way.RESUME, reason, made)
        record_unplanned(actor, made, f"#{deployment.pk} needed attention: resumed")
        _record(actor, rows, Attention.Way.RESUME, reason, {"deployment": made.pk, "release": release.number})
    return made


def restore(*, actor: Actor, deployment: Deployment, servers: Collection[str], reason: str = "") -> list[Deployment]:
    """Queue what served on these servers before the Deployment, there alone: one Deployment for each Release."""
    reason = _checked(reason)
    with transaction.atomic():
        placement = lock_placement(deployment.placement_id)
        rows = _open_rows(deployment, servers)
        made = [
            _bring_back(actor, placement, deployment, release, several, reason)
            for release, several in _by_replaced(deployment, rows).items()
        ]
        for each, several in made:
            record_unplanned(actor, each, f"#{deployment.pk} needed attention: what served before comes back")
            said = {"deployment": each.pk, "release": each.release.number}
            _record(actor, several, Attention.Way.RESTORE, reason, said)
    return [each for each, _several in made]


def request_as_is(
    *, actor: Actor, deployment: Deployment, shown: Mapping[str, str], reason: str = ""
) -> list[Operation]:
    """Have a worker look once more at each server, and record what is there as what runs, if it is what was `shown`: the
    fingerprint of its sight, by the server's name. Refused before the first look, and where that is older than the end."""
    reason = _checked(reason)
    with transaction.atomic():
        named = Host.objects.filter(name__in=shown, seats__placement=deployment.placement_id)
        for host in Host.objects.select_for_update(no_key=True).filter(pk__in=named.values("pk")).order_by("pk"):
            check_open(host)
        placement = lock_placement(deployment.placement_id)
        deployable.check_in_use(placement)
        rows = _open_rows(deployment, shown)
        _check_idle(placement)
        made = [_ask_as_is(actor, placement, row, shown[row.host.name], reason) for row in rows]
        for row in rows:
            after = {"server": row.host.name, "way": str(Attention.Way.AS_IS), "reason": reason}
            audit.record(actor, "target.settle_request", _named(row), after=after)
    return made


def take_as_is(operation: Operation, sight: Mapping[str, Any], observed: Mapping[str, Any] | None) -> Release | None:
    """Write down what was seen just now as what runs there: the Release that it matches, or nothing that is known.

    Refused where it is not what was shown, somebody was first, or the Operation isn't held any more.
    """
    request = operation.request
    actor = Actor(operation.requested_by_id, operation.requested_by_name, is_limited=not request["as_admin"])
    with transaction.atomic():
        placement = lock_placement(operation.placement_id or 0)
        _check_idle(placement)
        seat = PlacementHost.objects.select_for_update(no_key=True).get(placement=placement, host=operation.host_id)
        row = _locked(Attention.objects.filter(pk=request["attention"]))[0]
        _check_open(row)
        held = Operation.objects.filter(pk=operation.pk, fence=operation.fence, status__in=OPERATION_OPEN)
        if sight["fingerprint"] != request["shown"] or not held.exists():
            raise _not_shown(row)
        number = sight["release"]
        release = releases.by_number(placement.pk, number) if number is not None else None
        _now_runs(seat, release, sight, observed)
        row.sight, row.seen_at, row.release = dict(sight), clock.now(), release
        row.save(update_fields=("sight", "seen_at", "release"))
        _mark(actor, [row], Attention.Way.AS_IS, request["reason"], None)
        said = {"recorded": f"release {release.number}" if release else "nothing that is on record"}
        _record(actor, [row], Attention.Way.AS_IS, request["reason"], said)
    return release


def taken_by(operation: Operation) -> Attention | None:
    """What it has written down already, in an earlier attempt."""
    done = Attention.objects.filter(pk=operation.request["attention"], way=Attention.Way.AS_IS)
    row = done.select_related("release").first()
    return row if row is not None and row.dealt_at is not None and row.dealt_at > operation.requested_at else None


def is_prepared(deployment: Deployment) -> bool:
    """The command before the deploy went well, or there is none to run: it isn't run a second time."""
    return Step.objects.filter(target__deployment=deployment, key="before", status=Step.Status.GOOD).exists()


def _bring_back(
    actor: Actor,
    placement: Placement,
    deployment: Deployment,
    release: Release,
    rows: Sequence[Attention],
    reason: str,
) -> tuple[Deployment, Sequence[Attention]]:
    _check(actor, placement, release, rows, idle=False)
    made = queue_unplanned(
        actor=actor,
        placement=placement,
        release=release,
        before=releases.running_release(placement.pk),
        hosts=[row.host for row in rows],
        note=_note(_("Brings back what served before #%(number)s.") % {"number": deployment.pk}, reason),
        kind=Deployment.Kind.ROLLBACK,
    )
    _mark(actor, rows, Attention.Way.RESTORE, reason, made)
    return made, rows


def _by_replaced(deployment: Deployment, rows: Sequence[Attention]) -> dict[Release, list[Attention]]:
    _check_idle(deployment.placement)
    found: dict[Release, list[Attention]] = {}
    for row in rows:
        before = row.target.replaced
        if before is None:
            raise Refused(
                _("Nothing served on %(server)s before #%(number)s.")
                % {"server": row.host.name, "number": deployment.pk},
                remedy=_("Resume it, or take what is there as it is."),
            )
        found.setdefault(before, []).append(row)
    return found


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


def _check(
    actor: Actor, placement: Placement, release: Release, rows: Sequence[Attention], *, idle: bool = True
) -> None:
    """Refused, with the reason, where this Release can't be brought to these servers now."""
    deployable.check_in_use(placement)
    if idle:
        _check_idle(placement)
    if sources.needs_build(release):
        raise Refused(_("Release %(number)s was never built.") % {"number": release.number})
    if release.lost_secrets:
        raise Refused(
            _("Secrets of release %(number)s were destroyed: %(names)s.")
            % {"number": release.number, "names": ", ".join(release.lost_secrets)},
            remedy=_("Set them again and deploy."),
        )
    for row in rows:
        if row.host.state != HostState.READY:
            raise Refused(
                _("%(server)s can't be deployed to now: %(state)s.")
                % {"server": row.host.name, "state": row.host.get_state_display().lower()},
                remedy=_("Look at it again once it is back."),
            )
    ids = [row.host_id for row in rows]
    active = set(PlacementHost.objects.filter(placement=placement, host__in=ids, is_active=True).values_list("host_id"))
    gone = [row.host.name for row in rows if (row.host_id,) not in active]
    if gone:
        raise Refused(
            _("%(servers)s is none of its servers any more.") % {"servers": ", ".join(gone)},
            remedy=_("Take it as it is."),
        )
    _check_powers(actor, placement, release, ids)


def _check_powers(actor: Actor, placement: Placement, release: Release, ids: Sequence[int]) -> None:
    power.check_deploy(actor=actor, planned=release.settings, placement_id=placement.pk, host_ids=ids)
    if not release.source.get("powers") or permissions.acts_as_admin(actor):
        return
    for seat in PlacementHost.objects.filter(placement=placement, host__in=ids).select_related("running_release"):
        found = plan.new_powers(release.source, seat.running_release.source if seat.running_release else None)
        if found:
            raise Refused(
                _("Only an admin may deploy what gives power over the server: %(powers)s.")
                % {"powers": "; ".join(f"{service}: {key} ({why})" for service, key, why in found)},
                remedy=_("Ask an admin to do it."),
            )


def _check_idle(placement: Placement) -> None:
    open_one = Deployment.objects.filter(placement=placement, status__in=sorted(DEPLOYMENT_OPEN)).first()
    if open_one is not None:
        raise Refused(
            _("Deployment #%(number)s is open.") % {"number": open_one.pk}, remedy=_("Wait for it, or cancel it.")
        )


def _open_rows(deployment: Deployment, servers: Collection[str]) -> list[Attention]:
    """Those of these servers, locked; Refused where one of them isn't in doubt (any more)."""
    if not servers:
        raise Refused(_("Choose at least one server."))
    rows = _locked(Attention.objects.filter(target__deployment=deployment, host__name__in=servers))
    unknown = set(servers) - {row.host.name for row in rows}
    if unknown:
        raise Refused(_("%(server)s does not need attention.") % {"server": min(unknown)[:63]})
    for row in rows:
        _check_open(row)
    return rows


def _locked(rows: Any) -> list[Attention]:
    locked = rows.select_for_update(no_key=True, of=("self",)).select_related("host", "target__replaced", "dealt_with")
    return list(locked.order_by("pk"))


def _check_open(row: Attention) -> None:
    if not row.is_open:
        raise Refused(
            _("%(server)s does not need attention any more: %(by)s has dealt with it.")
            % {"server": row.host.name, "by": row.dealt_by_name}
        )


def _mark(actor: Actor, rows: Sequence[Attention], way: Attention.Way, reason: str, made: Deployment | None) -> None:
    """By compare-and-swap: Refused, and nothing of the transaction stays, where one was dealt with meanwhile."""
    moved = Attention.objects.filter(pk__in=[row.pk for row in rows], way="").update(
        way=way, dealt_at=clock.now(), dealt_by_name=actor.name[:120], reason=reason, dealt_with=made
    )
    if moved != len(rows):
        raise Refused(_("Somebody else has dealt with it meanwhile."))
    for row in rows:
        attention.tell(row)


def _record(actor: Actor, rows: Sequence[Attention], way: Attention.Way, reason: str, said: Mapping[str, Any]) -> None:
    for row in rows:
        after = {"server": row.host.name, "way": str(way), **said, "reason": reason}
        audit.record(actor, "target.settle", _named(row), after=after)


def _named(row: Attention) -> tuple[str, int, str]:
    return "target", row.target_id, f"#{row.target.deployment_id} on {row.target.host_name}"


def _not_shown(row: Attention) -> Refused:
    return Refused(
        _("What is on %(server)s is not what was shown any more.") % {"server": row.host.name},
        remedy=_("Look at it again, then decide."),
    )


def _note(said: str, reason: str) -> str:
    return f"{said} {reason}".strip()


def _checked(reason: str) -> str:
    reason = reason.strip()
    if len(reason) > LONGEST_REASON:
        raise Refused(_("That is too long: at most %(n)s characters.") % {"n": LONGEST_REASON}, "reason")
    return reason
