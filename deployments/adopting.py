"""What was changed by hand on a server becomes a Release of its own: asked for here, written down here once it was seen anew.

A person asks for exactly the difference that they were shown (its fingerprint); the worker looks again, and only the same
one is taken over. Nothing on the server is changed but a tag that keeps the image.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import attention, audit, clock, permissions, power, queue, releases, sources
from deployments.actors import Actor
from deployments.adopted_content import hidden, settings_after, variables_after
from deployments.errors import FieldErrors, Refused
from deployments.inventory import placement_words
from deployments.inventory.placements import touch
from deployments.inventory.sharing import check_sharing
from deployments.inventory.variable_values import put
from deployments.leases import lock_placement
from deployments.models import Deployment, Host, Operation, Placement, PlacementHost, Release
from deployments.operations import request_operation
from deployments.releases import Content
from deployments.room import check_open
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN

LONGEST_NOTE: Final = 300
DEADLINE_SECONDS: Final = 120.0


def request_adoption(
    *, actor: Actor, seat: PlacementHost, shown: str, note: str, follow: bool, without: bool = False
) -> Operation:
    """Queue it. `shown` is the fingerprint of the difference that the person decided about; `follow` takes it into the
    settings as well; `without` leaves out variables that are, or look like, secrets.

    Refused for what can't be adopted, for power over the server that only an admin may give, while a Deployment is open.
    """
    check_open(seat.host)
    if not note.strip():
        raise Refused(_("Say why it was changed."), "note")
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=seat.host_id)
        placement = lock_placement(seat.placement_id)
        seat = _seat(seat.pk)
        if not shown or seat.difference.get("fingerprint") != shown:
            raise Refused(
                _("What differs there is not what was shown any more."), remedy=_("Look at it again, then decide.")
            )
        check(actor=actor, seat=seat, difference=seat.difference, without=without)
        if follow:
            _followed(actor, seat.placement, seat.difference)
        _check_idle(placement)
        operation = request_operation(
            actor=actor,
            kind=Operation.Kind.ADOPT,
            host=seat.host,
            placement=placement,
            request={
                "fingerprint": shown,
                "note": note.strip()[:LONGEST_NOTE],
                "follow": follow,
                "without": without,
                "as_admin": permissions.acts_as_admin(actor),
            },
            deadline_seconds=DEADLINE_SECONDS,
        )
        after = {"server": seat.host.name, "differs": seat.difference["words"], "follow": follow, "note": note.strip()}
        audit.record(actor, "drift.adopt", placement, after=after)
    return operation


def check(*, actor: Actor, seat: PlacementHost, difference: Mapping[str, Any], without: bool) -> None:
    """Refused, with the reason, where this can't be adopted by this person."""
    if difference.get("why_not"):
        raise Refused(str(difference["why_not"]))
    running = seat.running_release
    if running is None or sources.is_compose(running.source):
        raise Refused(_("There is no Release on record that it could be compared with."), remedy=_("Deploy it."))
    names = hidden(difference)
    if names and not without:
        raise Refused(
            _("%(names)s: the value there may be a secret, and is never read back.") % {"names": ", ".join(names)},
            "without",
            _("Adopt without it, and set the value among the variables where it is to stay."),
        )
    settings = settings_after(running.settings, difference["settings"])
    power.check_deploy(actor=actor, planned=settings, placement_id=seat.placement_id, host_ids=[seat.host_id])
    placement = seat.placement
    check_sharing(actor=actor, placement=placement, environment=placement.environment, settings=settings)


def adopt(
    operation: Operation, seat_id: int, difference: Mapping[str, Any], observed: Mapping[str, Any]
) -> tuple[Release, bool]:
    """Write down what was seen just now as what runs there; the Release, and whether it is a new one.

    Refused as `check`, where the difference is another than the one asked for, or the Operation isn't held any more.
    """
    request = operation.request
    actor = Actor(operation.requested_by_id, operation.requested_by_name, is_limited=not request["as_admin"])
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=operation.host_id or 0)
        placement = lock_placement(operation.placement_id or 0)
        _check_idle(placement)
        seat = _seat(seat_id)
        held = Operation.objects.filter(pk=operation.pk, fence=operation.fence, status__in=OPERATION_OPEN)
        # The seat's own goes with the end of a deploy
        seen = {difference.get("fingerprint"), seat.difference.get("fingerprint")}
        if seen != {request["fingerprint"]} or not held.exists():
            raise Refused(_("What runs there is not what was shown any more."))
        check(actor=actor, seat=seat, difference=difference, without=request["without"])
        running = seat.running_release
        if running is None:
            raise Refused(_("Nothing of it is on record there any more."))
        known = placement.next_release
        release = _record(actor, placement, running, difference)
        is_new = release.number >= known
        if is_new:
            _describe(release, operation, seat, difference)
        _take_over(seat, release, operation, difference, observed)
        if request["follow"]:
            _follow(actor, placement, difference)
        after = {
            "server": seat.host.name,
            "release": release.number,
            "container": difference["container"],
            "changes": [f"{each['name']}: {each['before']} → {each['after']}" for each in difference["changes"]],
        }
        audit.record(actor, "release.adopt", placement, after=after)
    return release, is_new


def adopted_by(operation: Operation) -> Release | None:
    """What it has written down already, by an earlier attempt: as what runs there, if nothing else does since."""
    seats = PlacementHost.objects.filter(placement=operation.placement_id, host=operation.host_id)
    seat = seats.filter(adopted__operation=operation.pk).select_related("running_release").first()
    release = seat.running_release if seat is not None else None
    return release if seat is not None and release is not None and release.number == seat.adopted["release"] else None


def latest(seat: PlacementHost) -> Operation | None:
    """The newest adoption asked for there."""
    asked = Operation.objects.filter(host=seat.host_id, placement=seat.placement_id, kind=Operation.Kind.ADOPT)
    return asked.order_by("-pk").first()


def _seat(seat_id: int) -> PlacementHost:
    rows = PlacementHost.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("host", "placement__application", "placement__environment", "running_release").get(
        pk=seat_id
    )


def _check_idle(placement: Placement) -> None:
    open_one = Deployment.objects.filter(placement=placement, status__in=sorted(DEPLOYMENT_OPEN)).first()
    if open_one is not None:
        raise Refused(
            _("Deployment #%(number)s is open.") % {"number": open_one.pk}, remedy=_("Wait for it, or cancel it.")
        )
    if placement.application.archived_at is not None:
        raise Refused(_("%(name)s is archived.") % {"name": placement.application.name})


def _record(actor: Actor, placement: Placement, running: Release, difference: Mapping[str, Any]) -> Release:
    """The Release of the record with what differs; the same image where that doesn't."""
    as_was, image = releases.content_as_recorded(running), difference["image"]
    settings = settings_after(running.settings, difference["settings"])
    variables = variables_after(running.variables, difference["variables"])
    if not image:
        content = Content(as_was.image, settings, variables, as_was.digest, as_was.tag, source=as_was.source)
        return releases.record_release(actor=actor, placement=placement, content=content, repeats=running)
    source = {} if image["digest"] else {"kind": "local", "image_id": image["id"]}
    content = Content(image["reference"], settings, variables, image["digest"], image["tag"], source=source)
    release = releases.record_release(actor=actor, placement=placement, content=content)
    if source and not release.image_id:
        Release.objects.filter(pk=release.pk).update(image_id=image["id"])
        release.image_id = image["id"]
    return release


def _describe(release: Release, operation: Operation, seat: PlacementHost, difference: Mapping[str, Any]) -> None:
    release.adopted = {
        "operation": operation.pk,
        "server": seat.host.name,
        "host": seat.host_id,
        "container": difference["container"],
        "note": operation.request["note"],
        "without": hidden(difference),
    }
    release.save(update_fields=("adopted",))


def _take_over(
    seat: PlacementHost,
    release: Release,
    operation: Operation,
    difference: Mapping[str, Any],
    observed: Mapping[str, Any],
) -> None:
    moment = clock.now()
    seat.running_release, seat.running_since = release, moment
    seat.observed = {**observed, "release": release.number}
    seat.adopted = {
        "container_id": difference["container_id"],
        "release": release.number,
        "operation": operation.pk,
        "by": operation.requested_by_name,
        "at": moment.isoformat(timespec="seconds"),
    }
    seat.drift, seat.drift_at, seat.difference, seat.ignored = "", None, {}, {}
    seat.save(
        update_fields=(
            "running_release", "running_since", "observed", "adopted", "drift", "drift_at", "difference", "ignored"
        )
    )  # fmt: skip
    attention.adopted(seat, release, by=operation.requested_by_name, reason=operation.request["note"])
    queue.changed_on_commit("placement", seat.placement_id, seat.placement_id)
    queue.changed_on_commit("host", seat.host_id)


def _follow(actor: Actor, placement: Placement, difference: Mapping[str, Any]) -> None:
    """The settings become so, too, as far as they can say it: an image that no registry has can't be set."""
    before, image = placement_words.shown(placement), difference["image"]
    placement.settings = _followed(actor, placement, difference)
    if image.get("digest") and placement.source == Placement.Source.IMAGE:
        placement.image = image["reference"]
    placement.save(update_fields=("settings", "image"))
    names = [name for name in (_put(placement, each) for each in difference["variables"]) if name]
    after = placement_words.shown(placement)
    changed = {name for name in after if before.get(name) != after[name]}
    if not changed and not names:
        return
    touch(placement)
    audit.record(
        actor,
        "placement.update",
        placement,
        before={name: before[name] for name in changed if name in before},
        after={**{name: after[name] for name in changed}, **({"variables": names} if names else {})},
    )


def _followed(actor: Actor, placement: Placement, difference: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they would be; refused where they can't be so, or not by this person: they need not be what runs."""
    try:
        after = settings_after(placement.settings, difference["settings"])
        beside = placement.seats.filter(is_active=True, host__way=Host.Way.BESIDE).exists()
        power.check_power(actor=actor, before=placement.settings, after=after, beside=beside)
        check_sharing(actor=actor, placement=placement, environment=placement.environment, settings=after)
    except FieldErrors as refused:
        raise Refused(
            _("The settings are others by now, and what runs there can't be taken into them: %(why)s")
            % {"why": " ".join(str(each) for several in refused.errors.values() for each in several)},
            "follow",
            _("Adopt it without taking it into the settings."),
        ) from refused
    return after


def _put(placement: Placement, change: Mapping[str, Any]) -> str:
    """Its own variables only: a shared set is others' as well. The name, where one was changed."""
    if change.get("hidden"):
        return ""
    if change["how"] == "removed":
        gone, _each = placement.variables.filter(name=change["name"], is_secret=False).delete()
        return change["name"] if gone else ""
    return str(change["name"]) if put(placement, change["name"], change["value"], False) else ""
