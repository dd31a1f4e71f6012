"""Terminals into Estiva's containers: who may open one, asking for it, ending it. Keys go by `terminal_keys`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, queue
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Environment, Host, Operation, Placement, Release, Role, Terminal, User
from deployments.one_offs import MOST_CHARACTERS, MOST_WORDS
from deployments.operations import cancel_unbegun, request_operation
from deployments.room import check_open
from deployments.states import OPERATION_OPEN, OperationStatus

MOST_OPEN: Final = 12
MOST_EACH: Final = 3
MOST_SECONDS: Final = 4 * 3600
IDLE_SECONDS: Final = 900
MOST_BYTES: Final = 5_000_000
"""Of output. A terminal ends when its record is full: nothing is done on it that isn't recorded."""

OPENING_SECONDS: Final = 30.0
WIDEST: Final = 500
HIGHEST: Final = 300
WHAT: Final = "terminal"


def why_not(placement: Placement | None, container: Mapping[str, Any]) -> str:
    """Why no terminal can be opened into a container as it was last listed; "" when one can. An admin asks."""
    if not container["ours"] or placement is None:
        return _("This container is not Estiva's.")
    if not placement.environment.allows_terminal:
        return _("%(environment)s allows no terminals.") % {"environment": placement.environment.name}
    if container["state"] != "running":
        return _("The container does not run.")
    if _release(placement, container) is None:
        return _("No release %(number)s of it is on record, so its secrets can't be masked.") % {
            "number": container["release"]
        }
    return ""


def request_terminal(
    *, actor: Actor, host: Host, container: Mapping[str, Any], command: Sequence[str], size: tuple[int, int] = (80, 24)
) -> Terminal:
    """Queue one. The words are on record and shown, so no secret belongs in them; `size` in columns and rows.

    Refused for whoever isn't an admin, where the environment allows none, for what isn't ours, or when too many are open.
    """
    _check_words(command)
    check_open(host)
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        person = User.objects.filter(pk=actor.user_id or 0, is_active=True, role=Role.ADMIN).first()
        if person is None or actor.is_limited:
            raise Refused(_("Only an admin may open a terminal."))
        placements = Placement.objects.select_related("application", "environment")
        placement = placements.filter(pk=container["placement"] or 0).first()
        release = _release(placement, container)
        if placement is None or release is None or why_not(placement, container):
            raise Refused(why_not(placement, container))
        _check_room_left(actor)
        terminal = _queued(actor, person, host, release, container, command, size)
        after = {"server": host.name, "container": container["name"], "command": list(command)}
        audit.record(actor, "terminal.open", ("terminal", terminal.pk, name_of(terminal)), after=after)
    return terminal


def _queued(
    actor: Actor,
    person: User,
    host: Host,
    release: Release,
    container: Mapping[str, Any],
    command: Sequence[str],
    size: tuple[int, int],
) -> Terminal:
    keys = ("id", "name", "placement", "release")
    operation = request_operation(
        actor=actor,
        kind=Operation.Kind.TERMINAL,
        host=host,
        placement=release.placement,
        request={"what": WHAT, "size": list(bounded(*size)), **{key: container[key] for key in keys}},
        deadline_seconds=MOST_SECONDS + OPENING_SECONDS,
    )
    queue.changed_on_commit("placement", release.placement_id, release.placement_id)
    return Terminal.objects.create(
        operation=operation,
        release=release,
        host_name=host.name,
        container_id=container["id"],
        container_name=container["name"],
        command=list(command),
        session_epoch=person.session_epoch,
    )


def end_terminal(*, actor: Actor, terminal_id: int, why: str = Terminal.End.PERSON) -> bool:
    """End it: at once where nobody took it up yet, else by the worker that has it. False when it is over, or asked already."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update(no_key=True).get(pk=terminal_id)
        row = Terminal.objects.select_related("release__placement__application").get(pk=terminal_id)
        if operation.status not in OPERATION_OPEN or row.end_requested_at is not None:
            return False
        row.end_requested_at, row.end_requested_why, row.ended_by_name = clock.now(), why, actor.name
        row.save(update_fields=("end_requested_at", "end_requested_why", "ended_by_name"))
        queue.changed_on_commit("operation", terminal_id, operation.placement_id)
        audit.record(actor, "terminal.close", ("terminal", row.pk, name_of(row)), after={"why": str(why)})
        if operation.status == OperationStatus.QUEUED and operation.attempts == 0:
            cancel_unbegun(terminal_id)
    return True


def end_of_login(*, actor: Actor, terminal_ids: Iterable[int]) -> None:
    """Whoever opened these in a browser signs out there."""
    mine = Terminal.objects.filter(
        pk__in=list(terminal_ids), operation__requested_by=actor.user_id, operation__status__in=OPERATION_OPEN
    )
    for number in mine.values_list("pk", flat=True):
        end_terminal(actor=actor, terminal_id=number, why=Terminal.End.SIGNED_OUT)


def still_allowed(terminal: Terminal) -> str:
    """ "" while whoever opened it may have it, else what ended it (a `Terminal.End`)."""
    operation = Operation.objects.select_related("requested_by").get(pk=terminal.pk)
    person = operation.requested_by
    if person is None or not person.is_active or person.role != Role.ADMIN:
        return str(Terminal.End.RIGHTS)
    if person.session_epoch != terminal.session_epoch:
        return str(Terminal.End.SIGNED_OUT)
    allows = Environment.objects.filter(placements=operation.placement_id, allows_terminal=True).exists()
    return "" if allows else str(Terminal.End.RIGHTS)


def bounded(columns: int, rows: int) -> tuple[int, int]:
    """A size that a terminal can have."""
    return min(max(columns, 2), WIDEST), min(max(rows, 1), HIGHEST)


def name_of(terminal: Terminal) -> str:
    """As the audit trail calls it."""
    return f"#{terminal.pk} {terminal.release.placement} on {terminal.host_name}"


def _release(placement: Placement | None, container: Mapping[str, Any]) -> Release | None:
    number = str(container["release"])
    known = Release.objects.filter(placement=placement.pk if placement else 0).select_related("placement__application")
    return known.filter(number=int(number) if number.isdecimal() else 0).first()


def _check_words(command: Sequence[str]) -> None:
    if not command or not command[0].strip():
        raise Refused(_("Say what is to be run."), remedy=_("The program stands in the first line."))
    if len(command) > MOST_WORDS or sum(map(len, command)) > MOST_CHARACTERS:
        raise Refused(_("The command is too long."))
    if any("\x00" in word for word in command):
        raise Refused(_("A word of a command can't hold a null character."))


def _check_room_left(actor: Actor) -> None:
    opened = Operation.objects.filter(kind=Operation.Kind.TERMINAL, status__in=OPERATION_OPEN)
    if opened.filter(requested_by=actor.user_id).count() >= MOST_EACH or opened.count() >= MOST_OPEN:
        raise Refused(_("As many terminals are open as may be."), remedy=_("End one first."))
