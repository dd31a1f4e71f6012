"""FOLLOW: what a container writes, or what all of a server's take, for as long as somebody looks. The result: `{"said"}`.

Nothing of it is kept beyond a few minutes in Redis (`deployments.follows`). A follow whose worker went away ends: who still
looks asks again.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import connection

from deployments import follows, live, queue
from deployments.models import Operation, Release, Target
from deployments.states import OperationStatus
from worker.brief import installation_name, open_secrets
from worker.engine.container_host import Container
from worker.engine.errors import Cancelled, HostError
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.room import door, reading
from worker.room.journal import Journal, percent
from worker.room.server_room import ServerRoom, Usage

LOOK_SECONDS: Final = 0.1
BUSY_SECONDS: Final = 0.5
"""Between two looks at a container that writes more than is shown: it costs the worker and the server less."""

WATCH_SECONDS: Final = 2.0
USAGE_SECONDS: Final = 3.0
MOST_CONTAINERS: Final = 60
_TOO_LONG: Final = "Followed for as long as may be."
_NOBODY: Final = "Nobody looks any more."


def follow(looking: Looking) -> Outcome:
    """Follow until nobody looks, or there is nothing more to see."""
    if looking.operation.attempts > 1:
        return Outcome(
            OperationStatus.FAILED,
            {"what": "The worker that followed this went away.", "why": "", "remedy": "Follow it again."},
        )
    what = _usage if looking.operation.request["what"] == follows.USAGE else _log
    try:
        return Outcome(OperationStatus.SUCCEEDED, {"said": what(looking)})
    except Cancelled:
        return Outcome(OperationStatus.SUCCEEDED, {"said": _TOO_LONG})


class _Audience:
    """Whether anybody looks; whoever asked has a moment to come."""

    def __init__(self, follow_id: int, now: Callable[[], float]) -> None:
        self._id, self._now = follow_id, now
        self._next = now() + follows.WATCHED_SECONDS

    @property
    def has_left(self) -> bool:
        """Asked of Redis every two seconds."""
        if self._now() < self._next:
            return False
        self._next = self._now() + WATCH_SECONDS
        return not follows.is_watched(self._id)


# a container's log


def _log(looking: Looking) -> str:
    operation, host = looking.operation, host_of(looking)
    secrets = secrets_of(operation)
    installation = installation_name()
    with door.enter(host, looking.signals, secrets) as (server, masker):
        found = ours(server.container(operation.request["id"]), installation, operation.request)
        connection.close()  # this takes hours, and connections are fewer than follows
        journal = Journal(
            masker,
            lambda first, last, lines: follows.append(operation.pk, first, last, lines),
            server.now,
            most_lines=follows.MOST_LINES,
            most_bytes=follows.MOST_BYTES,
        )
        said = _copy(server, found, journal, operation)
        journal.say(said)
        journal.flush()
    return said


def _copy(server: ServerRoom, found: Container, journal: Journal, operation: Operation) -> str:
    """Pass on what comes; why it ended."""
    request, audience = operation.request, _Audience(operation.pk, server.now)
    stream = server.follow_from(found.id, tail=int(request["tail"]), since=int(request["since"]))
    try:
        while True:
            ended = stream.ended  # asked first: what came before the end is taken below
            journal.add(stream.available())
            if not journal.flush():
                return "The live log was broken off: Redis does not answer."
            if journal.is_full:
                return f"This page holds no more than {journal.written:,} lines. Follow the log again to go on."
            if ended:
                return _why_ended(server, found)
            if audience.has_left:
                return _NOBODY
            server.wait(BUSY_SECONDS if journal.skipped else LOOK_SECONDS)
    finally:
        stream.close()


def _why_ended(server: ServerRoom, found: Container) -> str:
    """An end of stream proves nothing: the container's state does."""
    now = server.container(found.id)
    if now is None:
        return "The container was removed."
    if now.running:
        raise HostError(
            f"The log of {now.name} broke off.", why="The connection was lost, or the engine was restarted."
        )
    return f"The container does not run: {now.status}, exit code {now.exit_code}."


def ours(found: Container | None, installation: str, request: Mapping[str, Any]) -> Container:
    """The container, if it is of this installation and Placement: only then its secrets are known, and masked."""
    if found is None:
        raise HostError(f"{request['name']} is not there any more.", remedy="Look at the server again.")
    placement, release = str(request["placement"]), str(request["release"])
    labels = found.labels
    wanted = {"estiva.installation": installation, "estiva.placement": placement, "estiva.release": release}
    if any(labels.get(name) != value for name, value in wanted.items()):
        raise HostError(f"{found.name} is not what was chosen any more.", remedy="Look at the server again.")
    target = labels.get("estiva.target", "")
    if target and not (target.isdecimal() and Target.objects.filter(pk=int(target), placement=int(placement)).exists()):
        # From before a backup was restored: the release of that number may be another one, with other secrets
        raise HostError(
            f"The deploy that made {found.name} is not on record, so its secrets can't be masked.",
            remedy="Deploy anew: what is deployed then is on record.",
        )
    return found


def secrets_of(operation: Operation) -> list[str]:
    """Those of the Release that the container was made from."""
    said = str(operation.request["release"])
    number = int(said) if said.isdecimal() else 0
    release = Release.objects.filter(placement=operation.placement_id or 0, number=number).first()
    if release is None:
        raise HostError(
            f"No release {operation.request['release']} of it is on record, so its secrets can't be masked.",
            remedy="Deploy anew: what is deployed then is on record.",
        )
    return [each.reveal() for each in open_secrets([release]).values()]


# what a server's containers take


def _usage(looking: Looking) -> str:
    host, number = host_of(looking), looking.operation.pk
    installation = installation_name()
    with door.enter(host, looking.signals) as (server, _masker):
        connection.close()
        audience, before = _Audience(number, server.now), dict[str, tuple[float, int]]()
        while True:
            rows = reading.containers(server.running(), installation)[:MOST_CONTAINERS]
            samples = {row["id"]: (server.now(), server.usage(row["id"])) for row in rows}
            values = {
                row["id"][:12]: _value(row, before.get(row["id"]), moment, usage)
                for row in rows
                for moment, usage in (samples[row["id"]],)
                if usage is not None
            }
            before = {key: (moment, usage.cpu) for key, (moment, usage) in samples.items() if usage is not None}
            queue.publish(live.wake_usage(number, values))
            if audience.has_left:
                return _NOBODY
            server.wait(USAGE_SECONDS)


def _value(row: Mapping[str, Any], before: tuple[float, int] | None, moment: float, usage: Usage) -> list[float]:
    """`[placement or 0, CPU %, memory, limit]`; the processor's share is -1 until there are two samples."""
    share = percent(before, (moment, usage.cpu)) if before else -1.0
    return [row["placement"] or 0, share, usage.memory, usage.limit]


def apart(operation_id: int, run: Callable[[], None]) -> None:
    """Run a follow on a thread of its own: it lasts for hours, and must not take a place from those who look at servers."""
    threading.Thread(target=_and_close, args=(run,), name=f"follow-{operation_id}", daemon=True).start()


def _and_close(run: Callable[[], None]) -> None:
    try:
        run()
    finally:
        connection.close()
