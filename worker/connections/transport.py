"""paramiko's transport with the one channel it lacks, and with refusals kept apart per channel."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import paramiko
from paramiko.channel import Channel
from paramiko.common import cMSG_CHANNEL_CLOSE, cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST
from paramiko.message import Message
from paramiko.transport import ChannelMap

from worker.connections.orderly_channel import OrderlyChannel
from worker.connections.parts_pipe import PartsPipe

if TYPE_CHECKING:
    from worker.connections.session import SshSession

# every failure reaches somebody as an error of ours; paramiko would log it again, with a traceback
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_MOST_UNANSWERED = 2
Kind = Literal["direct-streamlocal@openssh.com", "direct-tcpip", "session"]


class ChannelRefused(Exception):
    """sshd answered no. `code` and `words` are its own (RFC 4254, 5.1)."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class ChannelSilent(Exception):
    """No answer to the request for a channel, within its deadline: the transport can't be relied on."""


class Transport(paramiko.Transport):
    """Used by many threads at once, each with channels of its own.

    `doubtful`: it left a request unanswered, so nobody new should rely on it. `way`: what it runs through, closed with it.
    `ran_commands`: sshd has allowed one at least. `greeting`: how many lines the user's shell says before a command's
    own; None until somebody looked. `dialled`: sockets that sshd doesn't open, and whose client does instead.
    """

    if TYPE_CHECKING:  # what the type stubs leave out
        _channels: ChannelMap

        def _send_message(self, data: Message) -> None: ...
        def _send_user_message(self, data: Message) -> None: ...
        def _sanitize_window_size(self, size: int | None) -> int: ...
        def _sanitize_packet_size(self, size: int | None) -> int: ...
        def _next_channel(self) -> int: ...

    def __init__(self, sock: object) -> None:
        self._refused: dict[int, tuple[int, str]] = {}
        self._abandoned: set[int] = set()
        self._unanswered = 0
        self.doubtful = self.ran_commands = False
        self.greeting: int | None = None
        self.dialled: dict[str, str] = {}
        self.way: SshSession | None = None
        super().__init__(sock)  # type: ignore[arg-type]

    def is_active(self) -> bool:
        """Neither it nor what it runs through has ended; the latter is known a moment earlier."""
        if self.way is not None and not self.way.transport.is_active():
            return False
        return super().is_active() and not getattr(self.sock, "closed", False)

    def close(self) -> None:
        """End it, and let go of what it runs through."""
        super().close()
        if self.way is not None:
            self.way.close()

    @property
    def host_key_name(self) -> str:
        """Of which machine this is the sshd: its key, which was checked; "" before."""
        return "" if self.host_key is None else self.host_key.get_base64()

    def stay_awake(self, seconds: int) -> None:
        """Ask the server for a sign of life after so many seconds of silence; the third that stays out ends the transport.

        paramiko's own keepalive wants no answer, and behind a jump host no TCP timer of ours counts.
        """
        self.packetizer.set_keepalive(seconds, self._ask_for_a_sign)

    def _ask_for_a_sign(self) -> None:
        """Runs on paramiko's own thread, where an error ends the transport."""
        if self._unanswered >= _MOST_UNANSWERED:
            raise EOFError("the server gave no sign of life")
        self._unanswered += 1
        question = Message()
        question.add_byte(cMSG_GLOBAL_REQUEST)
        question.add_string("keepalive@openssh.com")
        question.add_boolean(True)
        self._send_user_message(question)

    def _parse_request_success(self, message: Message) -> None:
        self._unanswered = 0

    def _parse_request_failure(self, message: Message) -> None:
        self._unanswered = 0

    def _parse_channel_open_failure(self, message: Message) -> None:
        """paramiko keeps one error for the whole transport; with many threads it would be read by the wrong one."""
        number = message.get_int()
        self._refused[number] = (message.get_int(), message.get_text())
        with self.lock:
            self._channels.delete(number)
            opened = self.channel_events.pop(number, None)
        if opened is not None:
            opened.set()

    def _parse_channel_open_success(self, message: Message) -> None:
        """A channel that nobody waits for any more is closed at once, else it would stay open on the server."""
        number, at_the_server = message.get_int(), message.get_int()
        if number in self._abandoned:
            self._abandoned.discard(number)
            farewell = Message()
            farewell.add_byte(cMSG_CHANNEL_CLOSE)
            farewell.add_int(at_the_server)
            self._send_message(farewell)
            return
        message.rewind()
        super()._parse_channel_open_success(message)  # type: ignore[misc]  # missing in the stubs

    def request_channel(
        self, kind: Kind, fields: tuple[str | int, ...], *, deadline: float, interrupt: Callable[[], None]
    ) -> Channel:
        """Open a channel within `deadline` seconds; `fields` are those of its kind, texts and numbers.

        ChannelRefused, ChannelSilent, or EOFError when the connection is gone.
        """
        window, packet = self._sanitize_window_size(None), self._sanitize_packet_size(None)
        message, opened = Message(), threading.Event()
        with self.lock:
            number = self._next_channel()
            message.add_byte(cMSG_CHANNEL_OPEN)
            message.add_string(kind)
            for field in (number, window, packet, *fields):
                message.add_int(field) if isinstance(field, int) else message.add_string(field)
            channel: Any = OrderlyChannel(number)
            channel.in_buffer = PartsPipe()
            self._channels.put(number, channel)
            self.channel_events[number] = opened
            self.channels_seen[number] = True
            channel._set_transport(self)
            channel._set_window(window, packet)
        self._send_user_message(message)
        self._await_channel(number, opened, deadline, interrupt)
        self.ran_commands = self.ran_commands or kind == "session"
        opened_channel: Channel = channel
        return opened_channel

    def _await_channel(
        self, number: int, opened: threading.Event, deadline: float, interrupt: Callable[[], None]
    ) -> None:
        until = time.monotonic() + deadline
        try:
            while self.is_active() and not opened.wait(0.05):
                if time.monotonic() >= until:
                    raise ChannelSilent(f"no answer within {deadline:g} s")
                interrupt()
        except BaseException:
            self._abandoned.add(number)
            self.channel_events.pop(number, None)
            raise
        if not self.is_active():
            raise EOFError("the connection is gone")
        if number in self._refused:
            raise ChannelRefused(*self._refused.pop(number))
