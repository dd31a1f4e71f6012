"""Bytes from the engine become the lines a container wrote, however they were cut on the way."""

import itertools
import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections.channels import ChannelSocket, ConnectionGone
from worker.connections.log_stream import LINE_LIMIT, HttpBody, LineDecoder, LogStream
from worker.engine.container_host import LogLine

STREAMS = {"stdout": 1, "stderr": 2}


def frame(stream: str, content: bytes) -> bytes:
    return struct.pack(">BxxxL", STREAMS[stream], len(content)) + content


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places (taken modulo its length)."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


def decoded(pieces: list[bytes], *, tty: bool = False) -> list[LogLine]:
    decoder = LineDecoder(tty=tty)
    return [line for piece in pieces for line in decoder.feed(piece)] + decoder.rest()


LINES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30)
WRITTEN = st.lists(st.tuples(st.sampled_from(("stdout", "stderr")), LINES), max_size=20)


@given(WRITTEN, st.lists(st.integers(0, 5000), max_size=30), st.lists(st.integers(0, 5000), max_size=10))
def test_lines_survive_any_cutting(written: list[tuple[str, str]], cuts: list[int], frame_cuts: list[int]) -> None:
    data = b"".join(
        frame(stream, piece)
        for stream, text in written
        for piece in cut(f"{text}\n".encode(), frame_cuts)  # a line may come in several frames
    )
    found = decoded(cut(data, cuts))
    for stream in STREAMS:
        wanted = [text.removesuffix("\r") for name, text in written if name == stream]
        assert [line.text for line in found if line.stream == stream] == wanted


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_no_bytes_break_it_and_how_they_are_cut_does_not_matter(data: bytes, cuts: list[int]) -> None:
    assert decoded(cut(data, cuts), tty=True) == decoded([data], tty=True)
    assert decoded(cut(frame("stderr", data), cuts)) == decoded([frame("stderr", data)])


def test_streams_are_kept_apart_within_a_line() -> None:
    data = frame("stdout", b"half ") + frame("stderr", b"oops\n") + frame("stdout", b"line\n")
    assert decoded([data]) == [LogLine("stderr", "oops"), LogLine("stdout", "half line")]


def test_progress_with_carriage_returns_stays_one_line() -> None:
    assert decoded([frame("stdout", b"10%\r50%\r100%\ndone")]) == [
        LogLine("stdout", "10%\r50%\r100%"),
        LogLine("stdout", "done"),
    ]


def test_a_terminals_line_ends_are_taken_off() -> None:
    assert decoded([b"one\r\ntwo\r", b"\nthree"], tty=True) == [
        LogLine("stdout", "one"),
        LogLine("stdout", "two"),
        LogLine("stdout", "three"),
    ]


def test_invalid_utf8_is_replaced() -> None:
    assert decoded([frame("stdout", b"a\xff\xc3(b\n")]) == [LogLine("stdout", "a\ufffd\ufffd(b")]


@pytest.mark.parametrize("letter", ["x", "é", "🐴"])
def test_a_long_line_is_cut_with_a_mark(letter: str) -> None:
    text = letter * 20_000
    (line, after) = decoded([frame("stdout", f"{text}\nnext\n".encode())])
    kept, _, mark = line.text.partition("… [cut: ")
    assert len(kept.encode()) <= LINE_LIMIT
    assert kept == letter * len(kept)
    assert int(mark.removesuffix(" bytes]")) == len(text.encode()) - len(kept.encode())
    assert after.text == "next"


def test_a_line_at_the_limit_is_whole() -> None:
    assert decoded([frame("stdout", b"x" * LINE_LIMIT + b"\n")]) == [LogLine("stdout", "x" * LINE_LIMIT)]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=10), st.lists(st.integers(0, 2000), max_size=20))
def test_a_chunked_body_survives_any_cutting(chunks: list[bytes], cuts: list[int]) -> None:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = HttpBody()
    assert b"".join(body.feed(piece) for piece in cut(HEAD + coded, cuts)) == b"".join(chunks)
    assert (body.status, body.ended) == (200, True)


@pytest.mark.parametrize("extension", [b"", b";a=b", b' ; said="' + b"x" * 200 + b'"'])
def test_what_is_said_beside_a_chunks_size_and_after_the_last_one_is_passed_over(extension: bytes) -> None:
    coded = HEAD + b"5%s\r\nhello\r\n00000006%s\r\n world\r\n0%s\r\nX: y\r\n\r\n" % ((extension,) * 3)
    for place in range(len(coded)):
        body = HttpBody()
        assert b"".join(body.feed(piece) for piece in cut(coded, [place])) == b"hello world"
        assert body.ended


def test_a_body_without_chunks_passes_as_it_is() -> None:
    body = HttpBody()
    assert body.feed(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\nab") == b"ab"
    assert body.feed(b"cd") == b"cd"
    assert (body.status, body.ended) == (101, False)


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(ValueError, match="not an HTTP response"):
        HttpBody().feed(b"-ERR unknown command\r\n\r\n")


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"-5\r\n",
        HEAD + b"fffffffffff\r\n",
        HEAD + b"\r\n",
        HEAD + b"5" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000,
    ],
    ids=["below zero", "endless", "nothing", "no end of a size", "no end of the head"],
)
def test_what_would_never_end_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match="not an HTTP response"):
        HttpBody().feed(said)


class Channel:
    """What arrives, piece by piece; then the connection breaks, or ends."""

    deadline: float | None = None

    def __init__(self, *pieces: bytes, breaks: bool) -> None:
        self._pieces, self._breaks, self.ready = list(pieces), breaks, True

    def sendall(self, request: bytes) -> None:
        """Nobody reads it."""

    def recv(self, size: int) -> bytes:
        """The next piece."""
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise ConnectionGone
        return b""


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("breaks", [True, False])
def test_half_a_line_at_which_the_connection_ended_is_no_line(breaks: bool) -> None:
    """It would count as one, and the line itself, which comes whole from the next stream, be passed over."""
    channel = Channel(HEAD + chunk(frame("stdout", b"one\n")), chunk(frame("stdout", b"tw")), breaks=breaks)
    stream = LogStream(cast("ChannelSocket", channel), b"", tty=False)
    assert [each.text for each in stream.available()] == ["one"]
    assert stream.ended


def test_a_last_line_without_a_newline_is_one() -> None:
    whole = HEAD + chunk(frame("stdout", b"one\ntw")) + b"0\r\n\r\n"
    stream = LogStream(cast("ChannelSocket", Channel(whole, breaks=True)), b"", tty=False)
    assert [each.text for each in stream.available()] == ["one", "tw"]
    assert stream.ended
