"""A fixed argv on a server, with input on its stdin and its lines read while they come."""

import codecs
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from paramiko.channel import Channel

from worker.connections.channels import ChannelSocket, ConnectionGone, begin
from worker.engine.compose.compose_host import ComposeLine

_SLICE = 0.04  # seconds: how late a signal or the deadline may be noticed
_LARGEST_READ = 1 << 16
_LONGEST_LINE = 1 << 16  # characters


class Command:
    """Runs once, when iterated. `exit_code` is known afterwards.

    The iteration raises what `interrupt` raises, TimeoutError after `deadline` seconds, ConnectionGone when the
    transport died. None of these ends the command on the server: closing a channel doesn't.
    """

    def __init__(
        self,
        channel: Channel,
        argv: Sequence[str],
        stdin: bytes,
        interrupt: Callable[[], None],
        deadline: float,
        greeting: int = 0,
    ) -> None:
        self._channel, self._argv, self._stdin = channel, argv, stdin
        self._interrupt, self._deadline, self._greeting = interrupt, deadline, greeting
        self.exit_code = -1

    def __iter__(self) -> Iterator[ComposeLine]:
        channel, until = self._channel, time.monotonic() + self._deadline
        arrived = threading.Event()
        channel.in_buffer.set_event(arrived)
        channel.in_stderr_buffer.set_event(arrived)
        channel.settimeout(self._deadline)
        begin(channel, self._argv)
        self._send(until)
        readers = (
            _Lines("stdout", channel.recv_ready, channel.recv, self._greeting),
            _Lines("stderr", channel.recv_stderr_ready, channel.recv_stderr),
        )
        while not (ended := channel.closed) or any(each.ready() for each in readers):
            self._interrupt()
            for each in readers:
                yield from each.read()
            if time.monotonic() >= until:
                raise TimeoutError(f"no end within {self._deadline:g} s")
            if not ended:
                arrived.wait(_SLICE)
                arrived.clear()
        for each in readers:
            yield from each.rest()
        if not channel.get_transport().is_active():
            raise ConnectionGone("the SSH connection ended")
        self.exit_code = channel.exit_status

    def _send(self, until: float) -> None:
        sock = ChannelSocket(self._channel, self._interrupt)
        sock.deadline = until
        try:
            sock.sendall(self._stdin)
            sock.shutdown(1)
        except BrokenPipeError:
            return  # it ended without reading on: what it says of that is still to be read


class _Lines:
    """One of the two outputs, cut into lines, without the `greeting` lines of the user's shell; invalid UTF-8 is replaced, an endless line is cut."""

    def __init__(
        self,
        stream: Literal["stdout", "stderr"],
        ready: Callable[[], bool],
        receive: Callable[[int], bytes],
        greeting: int = 0,
    ) -> None:
        self._greeting = greeting
        self._stream, self.ready, self._receive = stream, ready, receive
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def read(self) -> Iterator[ComposeLine]:
        while self.ready():
            *whole, self._begun = (self._begun + self._decoder.decode(self._receive(_LARGEST_READ))).split("\n")
            if len(self._begun) > _LONGEST_LINE and self._stream == "stderr":
                whole, self._begun = [*whole, self._begun], ""
            skipped = min(self._greeting, len(whole))
            self._greeting -= skipped
            for text in whole[skipped:]:
                yield self._line(text)

    def rest(self) -> Iterator[ComposeLine]:
        left = self._begun + self._decoder.decode(b"", final=True)
        if left:
            yield self._line(left)

    def _line(self, text: str) -> ComposeLine:
        return ComposeLine(self._stream, text.rstrip("\r"))
