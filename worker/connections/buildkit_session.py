"""What a builder may ask of us while it builds: secrets and registry credentials, by gRPC on a connection that it was given.

The engine is gRPC's client here and we are its server: HTTP/2 (by the `h2` library) on the hijacked `POST /session`. One thread
answers until the connection ends. Nothing else of the worker can be reached through it.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from worker.connections.channels import ChannelSocket
from worker.connections.protobuf import bytes_field, fields, number_field, text_of
from worker.engine.build_events import RegistryAuth
from worker.engine.spec import Secret

_HEALTH = "/grpc.health.v1.Health/Check"
_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - the name of a call
_CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"
METHODS = (_HEALTH, _SECRET, _CREDENTIALS)
_OK, _INVALID, _NOT_FOUND, _EXHAUSTED, _UNIMPLEMENTED = 0, 3, 5, 8, 12  # gRPC's status codes
_SERVING = number_field(1, 1)
_LARGEST_REQUEST = 1 << 20  # bytes: real ones have some dozens
_READ = 1 << 16
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Refusal(Exception):
    """The answer is no, with a gRPC status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(slots=True)
class Answers:
    """What there is to give."""

    secrets: Mapping[str, Secret] = field(default_factory=dict)
    registries: Mapping[str, RegistryAuth] = field(default_factory=dict)

    def to(self, method: str, request: bytes) -> bytes:
        """The answering message; `Refusal`, or ValueError when the request isn't understood."""
        if method == _HEALTH:
            return _SERVING
        if method == _SECRET:
            return self._secret(request)
        if method == _CREDENTIALS:
            return self._credentials(request)
        raise Refusal(_UNIMPLEMENTED, "not offered")  # so that it tries the next way

    def _secret(self, request: bytes) -> bytes:
        wanted = _first_text(request)
        found = self.secrets.get(wanted)
        if found is None:
            raise Refusal(_NOT_FOUND, f"secret {wanted} not found")
        return bytes_field(1, found.reveal().encode())

    def _credentials(self, request: bytes) -> bytes:
        registry = _first_text(request)
        names = _HUB if registry in _HUB else (registry,)
        found = next((self.registries[name] for name in names if name in self.registries), None)
        if found is None:
            return b""  # as anybody
        return bytes_field(1, found.username.encode()) + bytes_field(2, found.password.reveal().encode())


@dataclass(slots=True)
class _Call:
    method: str
    request: bytearray = field(default_factory=bytearray)


class GrpcServer:
    """The server's side of one HTTP/2 connection, without its I/O: bytes in, bytes out."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._calls: dict[int, _Call] = {}
        self._waiting: dict[int, bytes] = {}  # what the other side has no room for yet

    def feed(self, data: bytes) -> bytes:
        """What to send, now that these bytes came. `h2.exceptions.ProtocolError` ends the connection."""
        for event in self._http.receive_data(data):
            self._take(event)
        return self._http.data_to_send()

    def greeting(self) -> bytes:
        """What to send first."""
        return self._http.data_to_send()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                named = {str(name): str(value) for name, value in event.headers}
                self._calls[event.stream_id] = _Call(named.get(":path", ""))
            case h2.events.DataReceived():
                self._receive(event)
            case h2.events.StreamEnded():
                self._answer(event.stream_id)
            case h2.events.StreamReset():
                self._calls.pop(event.stream_id, None)
                self._waiting.pop(event.stream_id, None)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for stream in list(self._waiting):
                    self._send(stream)
            case _:
                return

    def _receive(self, event: h2.events.DataReceived) -> None:
        self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        call = self._calls.get(event.stream_id)
        if call is None:
            return
        call.request += event.data or b""
        if len(call.request) > _LARGEST_REQUEST:
            del self._calls[event.stream_id]
            self._refuse(event.stream_id, Refusal(_EXHAUSTED, "the request is too large"))

    def _answer(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is None:
            return
        try:
            answer = self._answers.to(call.method, _message(bytes(call.request)))
        except Refusal as refusal:
            self._refuse(stream, refusal)
        except ValueError:
            self._refuse(stream, Refusal(_INVALID, "the request is not understood"))
        else:
            self._http.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
            self._waiting[stream] = b"\0" + len(answer).to_bytes(4, "big") + answer
            self._send(stream)

    def _send(self, stream: int) -> None:
        """As much as the other side has room for; the status with the last of it."""
        left = self._waiting[stream]
        while left:
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            if room <= 0:
                break
            self._http.send_data(stream, left[:room])
            left = left[room:]
        self._waiting[stream] = left
        if not left:
            del self._waiting[stream]
            self._http.send_headers(stream, [("grpc-status", str(_OK))], end_stream=True)

    def _refuse(self, stream: int, refusal: Refusal) -> None:
        head = [(":status", "200"), ("content-type", "application/grpc")]
        status = [("grpc-status", str(refusal.status)), ("grpc-message", _percent(refusal.words))]
        self._http.send_headers(stream, [*head, *status], end_stream=True)


class BuildSession:
    """Answers the builder on a channel, from a thread of its own, until `close`."""

    def __init__(self, sock: ChannelSocket, answers: Answers, first: bytes = b"") -> None:
        self._sock, self._server, self._first = sock, GrpcServer(answers), first
        self._thread = threading.Thread(target=self._serve, name="build-session", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connection; returns when the thread has ended."""
        self._sock.close()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            self._sock.sendall(self._server.greeting())
            data = self._first or self._sock.recv(_READ)
            while data:
                self._sock.sendall(self._server.feed(data))
                data = self._sock.recv(_READ)
        except (OSError, EOFError, h2.exceptions.ProtocolError):
            self._sock.close()  # the builder notices, and the build says that its session is gone


def session_request(session_id: str) -> bytes:
    """The request that turns a connection to the engine into the builder's way to ask us."""
    lines = [
        "POST /session HTTP/1.1",
        "Host: docker",
        "User-Agent: estiva",
        "Connection: Upgrade",
        "Upgrade: h2c",
        f"X-Docker-Expose-Session-Uuid: {session_id}",
        "X-Docker-Expose-Session-Name: estiva",
        "X-Docker-Expose-Session-Sharedkey: ",
        *(f"X-Docker-Expose-Session-Grpc-Method: {method}" for method in METHODS),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def new_session_id() -> str:
    """Nobody guesses it: who knows it could ask for the build's secrets."""
    return secrets.token_hex(16)


def _message(framed: bytes) -> bytes:
    """The one message of a gRPC request, out of its frame."""
    if len(framed) < 5 or framed[0] or int.from_bytes(framed[1:5], "big") != len(framed) - 5:
        raise ValueError("not one uncompressed message")
    return framed[5:]


def _first_text(message: bytes) -> str:
    return next((text_of(value) for number, value in fields(message) if number == 1), "")


def _percent(words: str) -> str:
    return "".join(c if " " <= c <= "~" and c != "%" else "".join(f"%{b:02X}" for b in c.encode()) for c in words)
