"""`DockerBuildHost`: BuildKit inside the builder's own Docker Engine, by its API over SSH. No CLI, no shell, no copy here.

The context is the request's body; what goes on comes back as BuildKit's trace; secrets and registry credentials are
asked of us on a second connection (`buildkit_session`) and are part of no request.
"""

import base64
import binascii
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from worker.connections import inspected, pushing
from worker.connections.build_http import Messages, request_head
from worker.connections.build_limits import Limits
from worker.connections.buildkit_session import Answers, BuildSession, new_session_id, session_request
from worker.connections.buildkit_trace import TraceReader
from worker.connections.channels import ChannelSocket
from worker.connections.docker import DockerHost
from worker.connections.engine_errors import refusal, translated
from worker.connections.engine_http import CALL_SECONDS
from worker.connections.log_stream import HttpBody
from worker.connections.pool import SshSession
from worker.connections.socket_refusal import open_engine_socket
from worker.engine.build_events import BuildDone, BuildEvent, BuildRequest, ContextSent, RegistryAuth
from worker.engine.container_host import PullProgress, RemoteImage
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost
from worker.engine.spec import Secret

_READ = 1 << 16
_PIECE = 1 << 18  # bytes of the context in one chunk
_END_SECONDS = 20.0  # how long a cancelled build may take to end
_CANCEL_SECONDS = 10.0


class DockerBuildHost(DockerHost):
    """Implements `worker.engine.build_host.BuildHost`, beside everything that `DockerHost` does."""

    def remote_image(self, reference: str, auth: RegistryAuth | None = None) -> RemoteImage:
        """Asked of the registry by the builder's own engine."""
        if auth is None or self._keychain.for_image(reference) is not None:  # which knows namespaces, not hosts alone
            return super().remote_image(reference)
        who = {"username": auth.username, "password": auth.password.reveal()}
        with translated(self._session):
            return inspected.remote_image(self._api.inspect_distribution(reference, who))

    def build(self, request: BuildRequest, context: Iterator[bytes]) -> Iterator[BuildEvent]:
        """As `BuildHost.build` says."""
        with translated(self._session):
            info = self._api.info()
        with Limits(self._session, info, request.memory, request.cpus) as limits:
            if limits.note is not None:
                yield limits.note
            with _Conversation(self, request, limits) as conversation:
                yield from conversation.send(context)
                yield from conversation.listen()
        if limits.afterwards is not None:
            yield limits.afterwards
        yield BuildDone(conversation.image_id)

    def push(self, reference: str, *, auth: RegistryAuth | None, deadline: float) -> Iterator[PullProgress]:
        """By the builder's own engine; without `auth`, as whom the keychain knows."""
        if auth is not None:
            yield from pushing.push(self._api, self._session, reference, auth, deadline)
            return
        with self._keychain.signing_in(reference) as who:
            known = RegistryAuth(who["username"], Secret(who["password"])) if who else None
            yield from pushing.push(self._api, self._session, reference, known, deadline)

    def cancel_build(self, build_id: str) -> None:
        """End a build of that id, if there is one."""
        with translated(self._session):
            address = f"{self._api.base_url}/v{self._api.api_version}/build/cancel"
            self._api.post(address, params={"id": build_id}, timeout=_CANCEL_SECONDS).raise_for_status()

    def open_socket(self) -> ChannelSocket:
        """A channel of its own to the engine."""
        return open_engine_socket(self._session, self._socket_path)

    @property
    def session(self) -> SshSession:
        """Whose channels these are."""
        return self._session

    @property
    def api_version(self) -> str:
        """The newest that both sides know."""
        with translated(self._session):
            return str(self._api.api_version)


class _Conversation:
    """One build: its two channels, and what the engine has said so far. Left early, it sees to it that the build ends."""

    def __init__(self, host: DockerBuildHost, request: BuildRequest, limits: Limits) -> None:
        self._host, self._request, self._limits = host, request, limits
        self._until = time.monotonic() + request.deadline
        self._id = new_session_id()
        self._trace, self._body, self._messages = TraceReader(), HttpBody(), Messages()
        self.image_id = self._said = ""
        self._sent = self._over = False
        self._answers: BuildSession | None = None
        self._sock: ChannelSocket | None = None

    def __enter__(self) -> Self:
        try:
            with translated(self._host.session):
                self._answers = self._offer_session()
                self._sock = self._host.open_socket()
                self._sock.deadline = self._until
                self._sock.sendall(request_head(self._host.api_version, self._request, self._id))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if not self._over and not isinstance(error, HostLost | LeaseLost):
                self._end()
        finally:
            self._close()

    def _offer_session(self) -> BuildSession:
        sock = self._host.open_socket()
        sock.deadline = time.monotonic() + CALL_SECONDS
        answer, first = HttpBody(), b""
        try:
            sock.sendall(session_request(self._id))
            while not answer.status:
                data = sock.recv(_READ)
                if not data:
                    raise ConnectionResetError("no answer to the request for a session")
                first += answer.feed(data)
        except BaseException:
            sock.close()
            raise
        if answer.status != 101:
            sock.close()
            raise refusal(first.decode("utf-8", "replace"), self._name, answer.status)
        return BuildSession(sock.unattended(), Answers(self._request.secrets, self._request.registry_auth), first)

    def send(self, context: Iterator[bytes]) -> Iterator[BuildEvent]:
        """The context as the request's body. What the context itself raises passes as it is."""
        done = 0
        for piece in context:
            for at in range(0, len(piece), _PIECE):
                part = piece[at : at + _PIECE]
                if not self._pass_on(b"%x\r\n" % len(part) + part + b"\r\n"):
                    return
                done += len(part)
            yield ContextSent(done, complete=False)
        if self._pass_on(b"0\r\n\r\n"):
            self._sent = True
            yield ContextSent(done, complete=True)

    def _pass_on(self, data: bytes) -> bool:
        """False when the engine takes no more: why, its answer says."""
        assert self._sock is not None  # noqa: S101 - it is open between enter and exit
        with self._in_time():
            try:
                self._sock.sendall(data)
            except BrokenPipeError:
                return False
        return True

    def listen(self) -> Iterator[BuildEvent]:
        """What goes on, up to the end. HostError with BuildKit's words when it fails."""
        while not self._over:
            with self._in_time():
                events = self._read(min(self._until, self._limits.due or self._until))
            added = list(self._limits.heed(events))  # before anybody is told: a command runs unlimited until then
            yield from (*events, *added)
        yield from self._trace.rest()
        if self._said or self._body.status >= 400:
            raise refusal(self._said or "the build was refused", self._name, self._body.status)
        if not self.image_id:
            raise HostError(
                f"Server {self._name}: the build ended without an error, and without an image.",
                why="The engine was stopped, or it is one that we don't know.",
                remedy="Look at the engine's log on the server: journalctl -u docker.",
            )

    def _read(self, until: float) -> list[BuildEvent]:
        """What comes until then (time.monotonic()), if anything does. TimeoutError at the build's own deadline."""
        assert self._sock is not None  # noqa: S101 - it is open between enter and exit
        self._sock.deadline = until
        try:
            data = self._sock.recv(_READ)
        except TimeoutError:
            if until >= self._until:
                raise
            return []
        if not data and self._body.status < 400:
            raise ConnectionResetError("the answer broke off")
        events: list[BuildEvent] = []
        for message in self._messages.feed(self._body.feed(data)):
            events += self._understand(message)
        self._over = self._body.ended or not data
        return events

    def _understand(self, message: dict[str, Any]) -> list[BuildEvent]:
        if "error" in message or "errorDetail" in message:
            self._said = str((message.get("errorDetail") or {}).get("message") or message.get("error"))
        elif self._body.status >= 400:
            self._said = str(message.get("message") or message)
        elif message.get("id") == "moby.image.id":
            self.image_id = str(message["aux"]["ID"])
        elif message.get("id") == "moby.buildkit.trace":
            try:
                return self._trace.feed(base64.b64decode(message["aux"]))
            except binascii.Error as error:
                raise ValueError(f"BuildKit's trace is not base64: {error}") from error
        return []

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        with translated(self._host.session):
            try:
                yield
            except TimeoutError as error:
                if not self._host.session.transport.is_active():
                    raise
                raise self._too_slow() from error

    @property
    def _name(self) -> str:
        return self._host.session.address.host_name

    def _too_slow(self) -> HostError:
        return HostError(
            f"Server {self._name}: the build took longer than {self._request.deadline:g} s and was ended.",
            why="It is slow, or something in it waits for an answer that doesn't come.",
            remedy="See at which step it stood; if it only needs longer, raise the deadline in the build settings.",
        )

    def _end(self) -> None:
        """Have the builder end the build, and see it end. A Cancelled that comes meanwhile asks for no more than this."""
        with suppress(Cancelled):
            self._host.session.check()
        self._host.cancel_build(self._request.build_id)
        if not self._sent or self._sock is None:
            return  # the engine still waits for the context, and notices that the channel closes
        self._until = time.monotonic() + _END_SECONDS
        try:
            with translated(self._host.session):
                while not self._over:
                    self._read(self._until)
        except HostLost as lost:
            if not self._host.session.alive:
                raise
            raise HostError(
                f"Server {self._name}: the build was told to end, but was not seen to end.",
                why=lost.why,
                remedy="Look at the server for processes that the build left; restarting Docker there ends them.",
            ) from lost

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        if self._answers is not None:
            self._answers.close()
