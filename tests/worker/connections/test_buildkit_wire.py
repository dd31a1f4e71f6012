"""BuildKit's wire: protocol buffers, the trace as events, and gRPC answers, spoken to by a real HTTP/2 client."""

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections.buildkit_session import METHODS, Answers, GrpcServer, session_request
from worker.connections.buildkit_trace import TraceReader
from worker.connections.log_stream import LINE_LIMIT
from worker.connections.protobuf import bytes_field, fields, number_field, number_of, text_of
from worker.engine.build_events import (
    BuildEvent,
    RegistryAuth,
    VertexEnded,
    VertexLine,
    VertexProgress,
    VertexStarted,
)
from worker.engine.spec import Secret

GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 2**64 - 1) | st.binary(max_size=300))))
def test_what_is_written_is_read(message: list[tuple[int, int | bytes]]) -> None:
    wire = b"".join(
        number_field(number, value) if isinstance(value, int) else bytes_field(number, value)
        for number, value in message
    )
    assert list(fields(wire)) == message


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(wire: bytes) -> None:
    try:
        list(fields(wire))
        TraceReader().feed(wire)
    except ValueError:
        return


@pytest.mark.parametrize(
    "wire", [b"\x0a", b"\x0a\x05abc", b"\x08", b"\x08\x80", b"\x08" + b"\x80" * 11, b"\x0b", b"\x0d\x01"]
)
def test_a_broken_message_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError):
        list(fields(wire))


def test_negative_numbers_and_broken_text() -> None:
    ((_, value),) = fields(b"\x08" + b"\xff" * 9 + b"\x01")
    assert number_of(value) == -1
    assert text_of(b"a\xffb") == "a�b"
    with pytest.raises(ValueError):
        number_of(b"1")
    with pytest.raises(ValueError):
        text_of(1)


def at(seconds: float) -> bytes:
    whole = int(seconds)
    return number_field(1, whole) + number_field(2, round((seconds - whole) * 1e9))


def vertex(
    name: str,
    started: float | None = None,
    completed: float | None = None,
    *,
    inputs: tuple[str, ...] = (),
    cached: bool = False,
    error: str = "",
) -> bytes:
    message = bytes_field(1, f"id of {name}".encode())
    message += b"".join(bytes_field(2, f"id of {each}".encode()) for each in inputs)
    message += bytes_field(3, name.encode())
    message += number_field(4, 1) if cached else b""
    message += bytes_field(5, at(started)) if started is not None else b""
    message += bytes_field(6, at(completed)) if completed is not None else b""
    return bytes_field(1, message + (bytes_field(7, error.encode()) if error else b""))


def log(name: str, text: bytes, *, stream: int = 1, when: float = 0.0) -> bytes:
    owner = bytes_field(1, f"id of {name}".encode())
    return bytes_field(3, owner + bytes_field(2, at(when)) + number_field(3, stream) + bytes_field(4, text))


def told(events: list[BuildEvent]) -> list[tuple[str, ...]]:
    shown: list[tuple[str, ...]] = []
    for each in events:
        match each:
            case VertexStarted():
                shown.append(("start", each.name))
            case VertexEnded():
                shown.append(("end", each.name, f"{each.seconds:.1f}", "cached" if each.cached else each.error))
            case VertexLine():
                shown.append((each.stream, each.text))
            case _:
                shown.append((type(each).__name__,))
    return shown


def test_a_part_that_is_taken_up_again_ends_once_with_all_its_time() -> None:
    trace = TraceReader()
    events = trace.feed(vertex("FROM", 10.0, 10.2))
    events += trace.feed(vertex("FROM", 10.3))
    events += trace.feed(vertex("FROM", 10.3, 12.3))
    assert told(events) == [("start", "FROM")]
    events = trace.feed(vertex("RUN", 12.4, inputs=("FROM",)))
    assert told(events) == [("end", "FROM", "2.2", ""), ("start", "RUN")]
    assert told(trace.feed(vertex("RUN", 12.4, 13.0, inputs=("FROM",)))) == []
    assert told(trace.rest()) == [("end", "RUN", "0.6", "")]


def test_an_end_is_told_once_the_builder_speaks_of_later_moments() -> None:
    trace = TraceReader()
    trace.feed(vertex("one", 10.0, 11.0, inputs=("base",)) + vertex("other", 10.0, inputs=("base",)))
    assert told(trace.feed(log("other", b"busy\n", when=11.5))) == [("stdout", "busy")]
    assert told(trace.feed(log("other", b"busy\n", when=12.5))) == [("stdout", "busy"), ("end", "one", "1.0", "")]


def test_a_cached_part_only_ends_and_an_error_ends_at_once() -> None:
    trace = TraceReader()
    events = trace.feed(vertex("COPY", 10.0, 10.0, cached=True) + vertex("RUN", 10.1, inputs=("COPY",)))
    assert told(events) == [("end", "COPY", "0.0", "cached"), ("start", "RUN")]
    failed = vertex("RUN", 10.1, 10.4, inputs=("COPY",), error="exit code: 3")
    assert told(trace.feed(failed)) == [("end", "RUN", "0.3", "exit code: 3")]
    assert trace.feed(failed) == []
    assert trace.rest() == []


def test_lines_are_put_together_per_part_and_stream() -> None:
    trace = TraceReader()
    trace.feed(vertex("RUN", 1.0))
    events = trace.feed(
        log("RUN", b"hal") + log("RUN", b"err", stream=2) + log("RUN", b"lo\r\nund") + log("RUN", b"or\n", stream=2)
    )
    assert told(events) == [("stdout", "hallo"), ("stderr", "error")]
    umlaut = "ü".encode()
    assert trace.feed(log("RUN", umlaut[:1])) == []
    assert told(trace.feed(log("RUN", umlaut[1:] + b"\n"))) == [("stdout", "undü")]
    trace.feed(log("RUN", b"last"))
    assert told(trace.feed(vertex("RUN", 1.0, 2.0)) + trace.rest()) == [("stdout", "last"), ("end", "RUN", "1.0", "")]


def test_a_line_without_end_is_cut_and_says_so() -> None:
    trace = TraceReader()
    events = trace.feed(log("RUN", b"x" * LINE_LIMIT)) + trace.feed(log("RUN", b"yyyyy\nnext\n"))
    assert told(events) == [("stdout", "x" * LINE_LIMIT + "… [cut: 5 bytes]"), ("stdout", "next")]


def test_transfers_are_progress() -> None:
    status = bytes_field(1, b"sha256:ab") + bytes_field(2, b"id of FROM") + bytes_field(3, b"downloading")
    status += number_field(4, 5) + number_field(5, 20)
    assert TraceReader().feed(bytes_field(2, status)) == [VertexProgress("id of FROM", "downloading sha256:ab", 5, 20)]


class Client:
    """An engine's side: gRPC calls on HTTP/2."""

    def __init__(self, server: GrpcServer, window: int | None = None) -> None:
        self.server = server
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        if window is not None:
            self.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.body, self.status, self.words = b"", "", ""
        self._take(server.greeting())

    def call(self, method: str, message: bytes, framed: bytes | None = None) -> tuple[str, bytes]:
        """The gRPC status, and the answer without its frame."""
        stream = self.http.get_next_available_stream_id()
        self.body, self.status, self.words = b"", "", ""
        head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", method), ("te", "trailers")]
        self.http.send_headers(stream, head)
        self.http.send_data(
            stream, framed if framed is not None else b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True
        )
        self._exchange()
        return self.status, self.body[5:]

    def _exchange(self) -> None:
        while data := self.http.data_to_send():
            self._take(self.server.feed(data))

    def _take(self, data: bytes) -> None:
        for event in self.http.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.body += event.data or b""
                self.http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                named = {str(name): str(value) for name, value in event.headers}
                self.status, self.words = named.get("grpc-status", ""), named.get("grpc-message", "")


ANSWERS = Answers(
    {"token": Secret("tönern")},
    {"docker.io": RegistryAuth("ann", Secret("pw")), "reg.test:5000": RegistryAuth("bob", Secret("x"))},
)


@pytest.fixture
def engine() -> Client:
    return Client(GrpcServer(ANSWERS))


def test_health_secrets_and_credentials(engine: Client) -> None:
    assert engine.call("/grpc.health.v1.Health/Check", b"") == ("0", b"\x08\x01")
    assert engine.call(GET_SECRET, bytes_field(1, b"token")) == ("0", bytes_field(1, "tönern".encode()))
    assert engine.call(CREDENTIALS, bytes_field(1, b"reg.test:5000")) == (
        "0",
        bytes_field(1, b"bob") + bytes_field(2, b"x"),
    )
    assert engine.call(CREDENTIALS, bytes_field(1, b"registry-1.docker.io"))[1].startswith(bytes_field(1, b"ann"))
    assert engine.call(CREDENTIALS, bytes_field(1, b"other.test")) == ("0", b"")


def test_what_there_is_not_is_refused_and_the_connection_goes_on(engine: Client) -> None:
    assert engine.call(GET_SECRET, bytes_field(1, "tökén".encode()))[0] == "5"
    assert engine.words == "secret t%C3%B6k%C3%A9n not found"
    assert engine.call("/moby.filesync.v1.Auth/FetchToken", b"")[0] == "12"
    assert engine.call("/moby.filesync.v1.FileSync/DiffCopy", b"")[0] == "12"
    assert engine.call(GET_SECRET, b"\x0a\x40short")[0] == "3"
    assert engine.call(GET_SECRET, b"", framed=b"\0\0\0\0\x09short")[0] == "3"
    assert engine.call("/grpc.health.v1.Health/Check", b"")[0] == "0"


@pytest.mark.parametrize("window", [1, 1000, 65535])
def test_a_large_secret_waits_for_room(window: int) -> None:
    secret = "s" * (3000 if window == 1 else 200_000)
    engine = Client(GrpcServer(Answers({"token": Secret(secret)})), window)
    assert engine.call(GET_SECRET, bytes_field(1, b"token")) == ("0", bytes_field(1, secret.encode()))


def test_a_request_without_end_is_refused() -> None:
    engine = Client(GrpcServer(ANSWERS))
    stream = engine.http.get_next_available_stream_id()
    engine.http.send_headers(
        stream, [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", GET_SECRET)]
    )
    sent = 0
    while not engine.status and sent < 1 << 22:
        engine.http.send_data(stream, b"x" * 16000)
        sent += 16000
        engine._exchange()
    assert engine.status == "8"
    assert sent < 1 << 21


def test_the_request_for_a_session_names_what_is_offered() -> None:
    head = session_request("0123").decode()
    assert head.startswith("POST /session HTTP/1.1\r\n")
    assert head.endswith("\r\n\r\n")
    assert all(f"X-Docker-Expose-Session-Grpc-Method: {each}\r\n" in head for each in METHODS)
    assert "X-Docker-Expose-Session-Uuid: 0123\r\n" in head


def test_a_secret_is_not_in_what_answers_print() -> None:
    assert "tönern" not in repr(ANSWERS)
    assert "pw" not in repr(ANSWERS)
