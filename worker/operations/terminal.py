"""TERMINAL: a program with a terminal in a running container of ours. The result: `{"what", "why", "remedy", "how", "exit_code", "bytes"}`.

It is never resumed: whoever takes it over from a worker that went away sees to it that its program is gone, and says so.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.db import connection

from deployments import terminal_keys, terminals
from deployments.models import Terminal
from deployments.states import OperationStatus
from worker.brief import CannotBrief, host_connection, installation_name
from worker.brief import secrets_of as login_secrets_of
from worker.connections.terminal import TerminalHost, TerminalStream
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost
from worker.logs import open_secrets
from worker.operations import terminal_ends as ends
from worker.operations.following import ours, secrets_of
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.patience import patiently
from worker.redact import Masker
from worker.room.door import alarmed
from worker.servers import pool
from worker.terminal_input import TypedKeys
from worker.terminal_record import TerminalRecord

LOOK_SECONDS: Final = 0.5
"""How late a click that ends it, or the worker's own end, may be noticed."""

RIGHTS_SECONDS: Final = 20.0
RESIZE_SECONDS: Final = 0.2
KILLED_SECONDS: Final = 3.0
AGAIN_SECONDS: Final = 5.0
AGAIN_TIMES: Final = 6

_T = TypeVar("_T")


def serve(looking: Looking) -> Outcome:
    """Open it and stay with it, or tidy up behind a worker that went away."""
    row = _row(looking)
    try:
        login = login_secrets_of(host_connection(host_of(looking)))
    except CannotBrief:
        if not row.exec_id:
            raise
        login = ()  # its program can't be reached any more, and that is said
    masker = Masker([*(each.reveal() for each in login), *secrets_of(looking.operation)])
    with open_secrets.using(masker):
        return _Attempt(looking, row, masker).carry_out()


class _Attempt:
    """One claim of it."""

    def __init__(self, looking: Looking, row: Terminal, masker: Masker) -> None:
        self._looking, self._row, self._signals = looking, row, looking.signals
        self._record = TerminalRecord(row, looking.operation.fence, masker, self._signals.patience)
        self._woken = threading.Event()
        self._exec_id, self._exit_code = row.exec_id, row.exit_code
        self._begun_in = ""  # when its container was started; not known to whoever takes it over
        self._size: tuple[int, int] | None = tuple(looking.operation.request["size"])
        self._sized_at = self._typed_at = self._allowed_at = time.monotonic()

    def carry_out(self) -> Outcome:
        """Until its end is on record and its program is gone."""
        if self._row.outcome:
            return self._outcome()
        if self._looking.operation.attempts > 1:
            self._end(Terminal.End.WORKER, self._seen_gone())
        else:
            self._end(*self._live())
        return self._outcome()

    def _live(self) -> tuple[str, bool]:
        """How it ended, and whether its program was seen to be gone."""
        try:
            with self._reached() as server:
                return self._converse(server)
        except (HostError, HostLost) as error:
            self._error = error
            if not self._exec_id:
                return Terminal.End.FAILED, True
            return Terminal.End.LOST, self._seen_gone()
        except Cancelled:  # while it was being reached
            return self._asked(), not self._exec_id or self._seen_gone()

    _error: HostError | HostLost | None = None

    def _converse(self, server: TerminalHost) -> tuple[str, bool]:
        container = self._begin(server)
        stream = server.start_terminal(self._exec_id, self._woken.set)
        try:
            with TypedKeys(self._row.pk, self._woken) as keys:
                how = self._until_end(server, stream, keys)
            self._signals.shield()
            gone = server.end_terminal(container, self._exec_id, self._begun_in)
        except LeaseLost:
            self._save_what_was_said(stream)
            raise
        finally:
            self._record.wrote(stream.available(), final=True)
            stream.close()
        state = server.terminal_state(self._exec_id)
        self._exit_code = state.exit_code if state is not None and how == Terminal.End.ITSELF else None
        return how, gone

    def _begin(self, server: TerminalHost) -> str:
        """The container's id; by then the program is known to the engine, and that is on record."""
        request = self._looking.operation.request
        found = ours(server.container(request["id"]), installation_name(), request)
        if not found.running:
            raise HostError(f"{found.name} does not run: {found.status}.", remedy="Start it, or look at its log.")
        self._begun_in = found.started_at
        self._exec_id = server.prepare_terminal(found.id, self._row.command)
        self._record.flush(exec_id=self._exec_id, begun_at=ends.now())
        return found.id

    def _until_end(self, server: TerminalHost, stream: TerminalStream, keys: TypedKeys) -> str:
        connection.close()  # this takes hours, and connections are fewer than terminals
        while True:
            self._woken.clear()
            is_over = stream.ended  # asked first: what came before the end is taken below
            self._record.wrote(stream.available())
            self._record.flush_if_due()
            if is_over:
                return self._why_over(server)
            try:
                self._signals.check()
            except Cancelled:
                return self._asked()
            if how := self._pass_on(server, stream, keys) or self._not_for_ever():
                return how
            self._woken.wait(min(LOOK_SECONDS, self._record.due_in, RESIZE_SECONDS if self._size else LOOK_SECONDS))

    def _pass_on(self, server: TerminalHost, stream: TerminalStream, keys: TypedKeys) -> str:
        """What was typed goes to the program; "" unless that is its end."""
        for each in keys.available():
            if each.text:
                self._typed_at = time.monotonic()
                try:
                    stream.send(each.text.encode("utf-8", "replace"))
                except TimeoutError:
                    self._error = HostError("The program takes no more of what is typed.", why="It reads nothing.")
                    return Terminal.End.LOST
                except ConnectionError:
                    return ""  # it ends: the stream tells
            if each.size:
                self._size, self._sized_at = terminals.bounded(*each.size), time.monotonic()
        if self._size and server.resize_terminal(self._exec_id, *self._size):
            self._record.sized(*self._size)
            self._size = None
        elif self._size and time.monotonic() > self._sized_at + ends.RESIZING_SECONDS:
            self._size = None
        if not keys.are_lost:
            return ""
        self._error = HostError(
            "What was typed last may not have arrived.", why="Redis was restarted, and has lost it."
        )
        return Terminal.End.LOST

    def _not_for_ever(self) -> str:
        """Whether it may go on: "", or what ends it."""
        now = time.monotonic()
        if self._record.is_full:
            return Terminal.End.FULL
        if now > self._typed_at + terminals.IDLE_SECONDS:
            return Terminal.End.IDLE
        if now < self._allowed_at + RIGHTS_SECONDS:
            return ""
        self._allowed_at = now
        try:
            return self._asked_of_database(lambda: terminals.still_allowed(self._row))
        finally:
            connection.close()

    def _asked_of_database(self, ask: Callable[[], _T]) -> _T:
        """One that is away for a moment ends nothing here: the program would go on unseen."""
        return patiently(ask, self._signals.patience)

    def _now(self) -> Terminal:
        return self._asked_of_database(lambda: _row(self._looking))

    def _why_over(self, server: TerminalHost) -> str:
        """An end of stream proves nothing: the program's state does, and the container's."""
        state = server.terminal_state(self._exec_id)
        if state.is_running if state is not None else server.lives_on(self._row.container_id, self._begun_in):
            self._error = HostError(
                f"The engine on {self._row.host_name} broke the terminal off.", why="It was restarted, or is too busy."
            )
            return Terminal.End.LOST
        if state is None:
            return Terminal.End.CONTAINER
        until = server.now() + KILLED_SECONDS
        while (container := server.container(self._row.container_id)) is not None and container.running:
            if state.exit_code not in ends.KILLED or server.now() > until:
                return Terminal.End.ITSELF
            server.wait(RESIZE_SECONDS)  # its programs are killed a moment before the container has stopped
        return Terminal.End.CONTAINER

    def _asked(self) -> str:
        """Somebody ended it, or its time is over."""
        return self._now().end_requested_why or Terminal.End.LIMIT

    def _seen_gone(self) -> bool:
        """On a connection of its own: there may be none, or it was lost. The container may be gone, and with it the program."""
        if not self._exec_id:
            return True
        self._signals.shield()
        for times_left in reversed(range(AGAIN_TIMES)):
            try:
                with self._reached() as server:
                    return server.end_terminal(self._row.container_id, self._exec_id, self._begun_in)
            except (HostError, CannotBrief):
                return False
            except HostLost:
                if times_left:
                    self._signals.wait(AGAIN_SECONDS)
        return False

    @contextmanager
    def _reached(self) -> Iterator[TerminalHost]:
        host = host_of(self._looking)
        to = host_connection(host)
        with alarmed(host):
            session = pool().session(to.address, to.credential, to.host_key, self._signals)
            with session:
                yield TerminalHost(session, to.docker_socket, self._signals)

    def _save_what_was_said(self, stream: TerminalStream) -> None:
        """This worker ends, and gives the terminal back: while it still may, it writes down what it has."""
        self._record.wrote(stream.available(), final=True)
        try:
            self._record.flush()
        except LeaseLost:
            return  # it may not

    def _end(self, how: str, gone: bool) -> None:
        told = ends.told(self._now(), how, gone=gone, exit_code=self._exit_code, error=self._error)
        self._record.flush(ended_how=how, exit_code=self._exit_code, outcome=self._record.clean(told))

    def _outcome(self) -> Outcome:
        row = self._now()
        terminal_keys.close(row.pk)
        told = {key: row.outcome[key] for key in ("what", "why", "remedy")}
        extra = {"exit_code": row.exit_code} if row.exit_code is not None else {}
        result = {**told, **extra, "how": row.ended_how, "bytes": row.record_bytes}
        return Outcome(OperationStatus(row.outcome["status"]), result)


def _row(looking: Looking) -> Terminal:
    """As it stands now."""
    return Terminal.objects.select_related("operation").get(pk=looking.operation.pk)
