"""Channels of an SSH connection as Python wants them: a socket-like object with deadlines, a fixed command's output."""

import io
import re
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paramiko.channel import Channel

from worker.connections.local_channels import LocalCommand
from worker.connections.parts_pipe import PartsPipe

_SLICE = 0.04  # seconds: how late a signal or a deadline may be noticed while nothing arrives
_LARGEST_READ = 1 << 16
_LARGEST_WRITE = 1 << 15  # sshd takes no more in one packet


class ConnectionGone(ConnectionResetError):
    """The transport below the channel ended: what looks like an end of stream isn't one."""


def _nothing() -> None:
    """Nobody interrupts."""


class ChannelSocket:
    """Enough of a socket for `http.client` and urllib3.

    Every blocking call ends within ~50 ms of `interrupt` raising; that exception is passed on as it is. A read that
    gets nothing for `timeout` seconds, or that is still waiting at the absolute `deadline`, raises TimeoutError.
    """

    def __init__(self, channel: Channel, interrupt: Callable[[], None], timeout: float | None = None) -> None:
        self._channel, self._interrupt, self._timeout = channel, interrupt, timeout
        self.deadline: float | None = None  # time.monotonic()
        channel.settimeout(_SLICE)

    def unattended(self) -> "ChannelSocket":
        """The same channel for a thread that no signal concerns: its calls end when the channel is closed."""
        return ChannelSocket(self._channel, _nothing, self._timeout)

    def settimeout(self, timeout: float | None) -> None:
        """Seconds of silence that a call bears; None for any."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """As set."""
        return self._timeout

    @property
    def reusable(self) -> bool:
        """Neither side has ended it, and nothing unasked-for arrived."""
        channel = self._channel
        alive = not (channel.closed or channel.eof_received or channel.eof_sent) and channel.get_transport().is_active()
        return alive and not channel.recv_ready()

    @property
    def ready(self) -> bool:
        """A read would return at once, be it with an end of stream or an error."""
        channel = self._channel
        ended = bool(channel.closed or channel.eof_received) or not channel.get_transport().is_active()
        return ended or channel.recv_ready()

    def expect_bulk(self, at_once: int) -> None:
        """Much is to come without a pause: wake a reader for so many bytes, and less often. Less comes up to 40 ms late."""
        buffer = getattr(self._channel, "in_buffer", None)
        if isinstance(buffer, PartsPipe):
            buffer.worth_waking = at_once

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end of the stream. ConnectionGone when the transport died."""
        until = self._until()
        while True:
            self._interrupt()
            try:
                received = self._channel.recv(size)
            except TimeoutError:
                if time.monotonic() >= until:
                    raise
                continue
            if not received and not self._channel.get_transport().is_active():
                raise ConnectionGone("the SSH connection ended")
            return received

    def recv_into(self, buffer: Any) -> int:
        """As a socket's."""
        view = memoryview(buffer).cast("B")
        received = self.recv(len(view))
        view[: len(received)] = received
        return len(received)

    def sendall(self, data: Any) -> None:
        """Send everything. BrokenPipeError when the other side no longer reads: its answer may still be readable."""
        view = memoryview(data).cast("B")
        until = self._until()
        while view:
            self._interrupt()
            try:
                sent = self._channel.send(view[:_LARGEST_WRITE].tobytes())
            except TimeoutError:
                if time.monotonic() >= until:
                    raise
                continue
            except OSError as error:  # paramiko: "Socket is closed"
                raise self._broken() from error
            if not sent:
                raise self._broken()
            view, until = view[sent:], self._until()

    def _broken(self) -> OSError:
        alive = self._channel.get_transport().is_active()
        return BrokenPipeError("the other side closed") if alive else ConnectionGone("the SSH connection ended")

    def _until(self) -> float:
        silence = float("inf") if self._timeout is None else time.monotonic() + self._timeout
        return silence if self.deadline is None else min(silence, self.deadline)

    def shutdown(self, how: int) -> None:
        """Only the end of writing is passed on."""
        if how != 0 and not self._channel.closed:
            self._channel.shutdown_write()

    def makefile(self, mode: str = "rb", buffering: int | None = None, **_: Any) -> io.BufferedReader:
        """A reader; `http.client` writes through `sendall`."""
        if "w" in mode:
            raise ValueError("a channel is written with sendall()")
        return io.BufferedReader(_Raw(self), _LARGEST_READ)

    def close(self) -> None:
        """Close the channel; also what is being read from it ends."""
        with suppress(EOFError, OSError):  # the transport died: so did the channel
            self._channel.close()


class _Raw(io.RawIOBase):
    def __init__(self, sock: ChannelSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command left."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def without_lines(text: bytes, count: int) -> bytes:
    """All but so many lines at the beginning."""
    return text.split(b"\n", count)[-1] if text.count(b"\n") >= count else b""


def command_line(argv: Sequence[str]) -> str:
    """The one place where words become a command line: sshd hands it to the user's shell, so each word is quoted.

    For every shell alike: fish reads a backslash within single quotes, so one stands within double quotes.
    """
    return " ".join(_in_quotes(word) if "\\" in word else shlex.quote(word) for word in argv)


def _in_quotes(word: str) -> str:
    parts = (f'"{chr(92) * 2}"' if each == chr(92) else shlex.quote(each) for each in re.split(r"(\\)", word) if each)
    return "".join(parts)


def begin(channel: Channel | LocalCommand, argv: Sequence[str]) -> None:
    """Start a fixed argv on a channel that was opened for one command."""
    if isinstance(channel, LocalCommand):
        channel.exec_words(argv)
    else:
        channel.exec_command(command_line(argv))


def run_on(
    channel: Channel,
    argv: Sequence[str],
    interrupt: Callable[[], None],
    deadline: float,
    limit: int,
    stdin: bytes | None = None,
) -> Output:
    """Run a fixed argv and read both its outputs together; at most `limit` bytes of each are kept.

    `stdin` is sent before anything is read: a few kilobytes at most. TimeoutError after `deadline` seconds, ConnectionGone when the transport died.
    """
    arrived = threading.Event()
    channel.in_buffer.set_event(arrived)
    channel.in_stderr_buffer.set_event(arrived)
    channel.settimeout(deadline)
    begin(channel, argv)
    if stdin is not None:
        channel.sendall(stdin)
        channel.shutdown_write()
    until = time.monotonic() + deadline
    out, err = bytearray(), bytearray()
    while not (ended := channel.closed) or channel.recv_ready() or channel.recv_stderr_ready():
        interrupt()
        while channel.recv_ready():
            out += channel.recv(_LARGEST_READ)[: max(0, limit - len(out))]
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(_LARGEST_READ)[: max(0, limit - len(err))]
        if time.monotonic() >= until:
            raise TimeoutError(f"no end within {deadline:g} s")
        if not ended:
            arrived.wait(_SLICE)
            arrived.clear()
    if not channel.get_transport().is_active():
        raise ConnectionGone("the SSH connection ended")
    return Output(channel.exit_status, bytes(out), bytes(err))
