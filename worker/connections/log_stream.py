"""A container's output: the request on a channel of its own, the engine's framing undone, bytes made into lines.

Nothing here waits unless asked: the parsers take what has arrived and give what is complete.
"""

import codecs
import struct
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from worker.connections.channels import ChannelSocket, ConnectionGone
from worker.engine.container_host import LogLine
from worker.engine.errors import HostError

LINE_LIMIT = 16 * 1024  # bytes of a line that are kept
_HEADER = struct.Struct(">BxxxL")
_BREAK = b"\r\n"
_READ = 1 << 16
_LONGEST_HEAD = 1 << 16
_HEX = b"0123456789abcdefABCDEF"
_MOST_DIGITS = 8
_MOST_AT_ONCE = 1 << 20  # bytes that one look at a stream takes, so that a chatty container can't hold up the engine

StreamName = Literal["stdout", "stderr"]


class HttpBody:
    """An HTTP/1.1 response fed in pieces: status line and headers, then the body, chunked or not."""

    def __init__(self) -> None:
        self.status = 0
        self.ended = False
        self._pending = bytearray()
        self._chunked = False
        self._left = 0  # bytes of the current chunk that are still to come
        self._after_chunk = False

    @property
    def is_whole(self) -> bool:
        """Nothing is missing, if the connection has ended: a body in chunks says itself where it does."""
        return self.ended or not self._chunked

    def feed(self, data: bytes) -> bytes:
        """The part of the body that is complete by now. ValueError when it isn't HTTP."""
        self._pending += data
        if not self.status and not self._read_head():
            return b""
        if not self._chunked:
            body, self._pending = bytes(self._pending), bytearray()
            return body
        return b"".join(self._chunks())

    def _read_head(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            if len(self._pending) > _LONGEST_HEAD:
                raise ValueError("not an HTTP response: its head has no end")
            return False
        first, *headers = self._pending[:end].decode("latin-1").split("\r\n")
        if not first.startswith("HTTP/1."):
            raise ValueError("not an HTTP response")
        self.status = int(first.split(" ", 2)[1])
        fields = {name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(":") for x in headers)}
        self._chunked = fields.get("transfer-encoding") == "chunked"
        del self._pending[: end + 4]
        return True

    def _chunks(self) -> list[bytes]:
        """An engine sends a chunk for every line: what is done for each is as little as possible, and nothing is moved twice."""
        data, at, parts = bytes(self._pending), 0, list[bytes]()
        left, after_chunk = self._left, self._after_chunk
        while at < len(data) and not self.ended:
            if left:
                part = data[at : at + left]
                parts.append(part)
                at += len(part)
                left -= len(part)
                after_chunk = not left
            if after_chunk:
                if len(data) - at < len(_BREAK):
                    break
                at += len(_BREAK)
                after_chunk = False
            elif not left:
                end = data.find(_BREAK, at)
                if end < 0:
                    if len(data) - at > _LONGEST_HEAD:
                        raise ValueError("not an HTTP response: a chunk without a size")
                    break
                left = _chunk_size(data[at:end])
                at = end + len(_BREAK)
                self.ended = not left
        self._left, self._after_chunk = left, after_chunk
        self._pending = bytearray(data[at:])
        return parts


def _chunk_size(head: bytes) -> int:
    """What follows a semicolon says nothing about the size."""
    text = head if len(head) <= _MOST_DIGITS else head.partition(b";")[0].strip()
    if len(text) > _MOST_DIGITS:
        raise ValueError("not an HTTP response: a chunk without a size")
    return _number(text)


@lru_cache(maxsize=1024)  # lines are alike
def _number(text: bytes) -> int:
    """Hexadecimal digits and nothing else: `int` would take a sign, too."""
    digits = text.partition(b";")[0].strip()
    if not digits or digits.strip(_HEX):
        raise ValueError("not an HTTP response: a chunk without a size")
    return int(digits, 16)


class CutLine:
    """The bytes of one stream since its last newline; what exceeds the limit is counted, not kept."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.cut = 0

    def add(self, part: bytes) -> None:
        room = LINE_LIMIT - len(self.kept)
        self.kept += part[:room]
        self.cut += max(0, len(part) - room)

    def take(self) -> str:
        if self.cut:
            # an incomplete character at the cut is dropped with the rest, not shown as damaged
            text = codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self.kept))
            lost = self.cut + len(self.kept) - len(text.encode())
            text = f"{text}… [cut: {max(lost, self.cut)} bytes]"
        else:
            text = self.kept.decode("utf-8", "replace")
        self.kept, self.cut = bytearray(), 0
        return text


class LineDecoder:
    """The engine's log stream as lines: frames per stream, or plain bytes where the container has a terminal."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._header = bytearray()
        self._left = 0
        self._stream: StreamName = "stdout"
        self._lines: dict[StreamName, CutLine] = {"stdout": CutLine(), "stderr": CutLine()}

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines completed by these bytes. `\\r` stays; a terminal's `\\r\\n` is a newline."""
        done: list[LogLine] = []
        if self._tty:
            self._take(data, done)
            return done
        at = 0
        while at < len(data):
            if not (self._left or self._header) and len(data) - at >= _HEADER.size:  # nearly always
                kind, self._left = _HEADER.unpack_from(data, at)
                self._stream = "stderr" if kind == 2 else "stdout"
                at += _HEADER.size
            elif not self._left:
                missing = _HEADER.size - len(self._header)
                self._header += data[at : at + missing]
                at += missing
                if len(self._header) < _HEADER.size:
                    break
                kind, self._left = _HEADER.unpack(self._header)
                self._stream = "stderr" if kind == 2 else "stdout"
                self._header.clear()
            part = data[at : at + self._left]
            at += len(part)
            self._left -= len(part)
            self._take(part, done)
        return done

    def rest(self) -> list[LogLine]:
        """At the end of the stream: lines without a newline."""
        return [LogLine(name, line.take()) for name, line in self._lines.items() if line.kept]

    def _take(self, part: bytes, done: list[LogLine]) -> None:
        line = self._lines[self._stream]
        *whole, last = part.split(b"\n")
        for each in whole:
            if not line.kept and len(each) <= LINE_LIMIT:  # nearly always
                done.append(LogLine(self._stream, each.removesuffix(b"\r").decode("utf-8", "replace")))
                continue
            line.add(each)
            if line.kept.endswith(b"\r") and not line.cut:
                del line.kept[-1:]
            done.append(LogLine(self._stream, line.take()))
        if last:
            line.add(last)


class LogStream:
    """Lines from a channel on which `request` was sent. Implements `worker.engine.container_host.Follow`."""

    def __init__(self, sock: ChannelSocket, request: bytes, *, tty: bool) -> None:
        self._sock, self._body, self._decoder = sock, HttpBody(), LineDecoder(tty=tty)
        self._lines: list[LogLine] = []
        self._ended = False
        self.arrived = 0  # bytes
        sock.sendall(request)

    @property
    def ended(self) -> bool:
        """The stream is over; why is for the container's state to say."""
        self._take_what_is_there()
        return self._ended and not self._lines

    def await_answer(self, deadline: float) -> None:
        """Wait for the engine's status; HostError with what it said when it refuses. `deadline` in seconds."""
        self._sock.deadline = time.monotonic() + deadline
        while not self._body.status and not self._ended:
            self._read()
        if self._body.status >= 400 or not self._body.status:
            while not self._ended and not self._body.ended:
                self._read()
            raise HostError(self._refusal.decode("utf-8", "replace"), status=self._body.status)
        self._sock.deadline = None

    def available(self) -> Sequence[LogLine]:
        """The lines since the last call, without waiting."""
        self._take_what_is_there()
        lines, self._lines = self._lines, []
        return lines

    def _take_what_is_there(self) -> None:
        taken = 0
        while not self._ended and taken < _MOST_AT_ONCE and self._sock.ready:
            taken += self._read()

    def all(self, deadline: float) -> list[LogLine]:
        """Every line up to the end of the stream. TimeoutError, ConnectionGone."""
        self._sock.deadline = time.monotonic() + deadline
        while not self._ended:
            self._read()
        return list(self.available())

    def close(self) -> None:
        """Close the channel; the engine notices at its next write."""
        self._ended = True
        self._sock.close()

    _refusal = b""

    def _read(self) -> int:
        broke = False
        try:
            data = self._sock.recv(_READ)
        except ConnectionGone:
            if not self._body.status:
                raise
            data, broke = b"", True  # a follow just ends: whoever asks for the container's state next learns the rest
        self.arrived += len(data)
        body = self._body.feed(data)
        if self._body.status >= 400:
            self._refusal += body
        else:
            self._lines += self._decoder.feed(body)
        if not data or self._body.ended:
            self._ended = True
            if self._body.is_whole and not broke:
                self._lines += self._decoder.rest()
        return len(data)
