"""One-off runs: a command in a new container of a Release. Ask for one, cancel it."""

from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, permissions, plan, power, queue, sources
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, OneOffRun, Operation, Placement, PlacementHost, Release
from deployments.operations import cancel_unbegun, request_operation
from deployments.room import check_open
from deployments.states import OPERATION_OPEN, OperationStatus

MOST_OPEN: Final = 16
MOST_EACH: Final = 4
MOST_WORDS: Final = 100
MOST_CHARACTERS: Final = 8_000
MOST_SECONDS: Final = 24 * 3600
PULL_SECONDS: Final = 2400.0
"""What waiting for a worker and bringing the image may take, besides the run itself."""

WHAT: Final = "run"


def words_of(text: str) -> list[str]:
    """One word a line, exactly as it stands there; no shell reads it. Blank lines at the end are none."""
    words = [line.removesuffix("\r") for line in text.split("\n")]
    while words and not words[-1].strip():
        words.pop()
    return words


def why_not(release: Release) -> str:
    """Why nothing can be run of this Release; "" when something can."""
    if sources.needs_build(release):
        return _("Its image was never built.")
    if sources.is_compose(release.source) and not services_of(release):
        return _("Which services it has is not on record.")
    if release.lost_secrets:
        return _("Deleted since: %(names)s. It can't run without.") % {"names": ", ".join(release.lost_secrets)}
    if release.placement.application.archived_at is not None:
        return _("%(name)s is archived.") % {"name": release.placement.application.name}
    return ""


def servers_of(placement: Placement) -> list[Host]:
    """Where it may run: the Placement's servers in use."""
    seated = Host.objects.filter(seats__placement=placement, seats__is_active=True, retired_at=None)
    return list(seated.order_by("name"))


def services_of(release: Release) -> list[str]:
    """Of a Compose application those in which it may run; none where there is one container."""
    if not sources.is_compose(release.source):
        return []
    return sorted({*release.source.get("images", {}), *release.source.get("builds", [])})


def request_run(
    *, actor: Actor, release: Release, host: Host, command: Sequence[str], seconds: int, service: str = ""
) -> OneOffRun:
    """Queue it; `service` names the one of a Compose application. The words are on record and shown, so no secret belongs in them.

    Refused where nothing can be run of the Release, the server isn't the Placement's, too much runs already, or where the
    Release has power over the server that only an admin may give.
    """
    placement = release.placement
    _check_words(command)
    if not 1 <= seconds <= MOST_SECONDS:
        raise Refused(_("Choose a deadline of at most 24 hours."))
    if reason := why_not(release):
        raise Refused(reason)
    services = services_of(release)
    if service not in (services or [""]):
        raise Refused(_("Choose one of its services: %(names)s.") % {"names": ", ".join(services)}, "service")
    check_open(host)
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        if host.pk not in {each.pk for each in servers_of(placement)}:
            raise Refused(_("%(server)s is not one of its servers.") % {"server": host.name})
        power.check_deploy(actor=actor, planned=release.settings, placement_id=placement.pk, host_ids=[host.pk])
        _check_services_power(actor, release, host)
        _check_room_left(placement)
        operation = request_operation(
            actor=actor,
            kind=Operation.Kind.RUN,
            host=host,
            placement=placement,
            request={"what": WHAT, "release": release.number},
            deadline_seconds=seconds + PULL_SECONDS,
        )
        run = OneOffRun.objects.create(
            operation=operation,
            release=release,
            host_name=host.name,
            service=service,
            command=list(command),
            seconds=seconds,
        )
        queue.changed_on_commit("placement", placement.pk, placement.pk)
        after = {"server": host.name, "release": release.number, "command": list(command), "seconds": seconds}
        after |= {"service": service} if service else {}
        audit.record(actor, "run.request", ("run", run.pk, _name(run)), after=after)
    return run


def cancel_run(*, actor: Actor, run_id: int) -> bool:
    """End it: at once where nobody took it up yet, else by the worker that has it. False when it is over, or asked already."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update(no_key=True).get(pk=run_id)
        run = OneOffRun.objects.select_related("release__placement__application").get(pk=run_id)
        if operation.status not in OPERATION_OPEN or run.cancel_requested_at is not None:
            return False
        run.cancel_requested_at, run.cancelled_by_name = clock.now(), actor.name
        run.save(update_fields=("cancel_requested_at", "cancelled_by_name"))
        queue.changed_on_commit("operation", run_id, operation.placement_id)
        audit.record(actor, "run.cancel", ("run", run.pk, _name(run)), after={"server": run.host_name})
        if operation.status == OperationStatus.QUEUED and operation.attempts == 0:
            cancel_unbegun(run_id)
    return True


def _check_words(command: Sequence[str]) -> None:
    if not command or not command[0].strip():
        raise Refused(_("Say what is to be run."), remedy=_("The program stands in the first line."))
    if len(command) > MOST_WORDS or sum(map(len, command)) > MOST_CHARACTERS:
        raise Refused(_("The command is too long."), remedy=_("Put it into the image as a script."))
    if any("\x00" in word for word in command):
        raise Refused(_("A word of a command can't hold a null character."))


def _check_services_power(actor: Actor, release: Release, host: Host) -> None:
    """A Compose application's: nothing that an admin hasn't let run on that server."""
    if not release.source.get("powers") or permissions.acts_as_admin(actor):
        return
    seat = PlacementHost.objects.select_related("running_release").get(placement=release.placement_id, host=host)
    if seat.running_release == release:
        return
    new = plan.new_powers(release.source, seat.running_release.source if seat.running_release else None)
    if new:
        named = "; ".join(f"{service}: {key} ({reason})" for service, key, reason in new)
        raise Refused(
            _("Only an admin may run what gives power over %(server)s: %(powers)s.")
            % {"server": host.name, "powers": named},
            remedy=_("Ask an admin to run it."),
        )


def _check_room_left(placement: Placement) -> None:
    running = Operation.objects.filter(kind=Operation.Kind.RUN, status__in=OPERATION_OPEN)
    if running.filter(placement=placement).count() >= MOST_EACH or running.count() >= MOST_OPEN:
        raise Refused(_("As many commands run as may at once."), remedy=_("Wait for one to end, or cancel one."))


def _name(run: OneOffRun) -> str:
    return f"#{run.pk} {run.release.placement} on {run.host_name}"
