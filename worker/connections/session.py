"""Somebody's channels on a shared SSH transport."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

import paramiko
from paramiko.channel import Channel

from worker.connections.channels import ChannelSocket, Output, run_on, without_lines
from worker.connections.login import SshAddress
from worker.connections.signals import Signals
from worker.connections.transport import ChannelRefused, ChannelSilent, Kind, Transport
from worker.engine.errors import ConnectionLost, HostLost

CHANNEL_SECONDS = 10.0
_LONGEST_GREETING = 65536
_PAUSES = (0.01, 0.02, 0.04, 0.08)  # seconds


class SshSession:
    """Somebody's channels on a shared transport. Used by one thread; `close` and `abort` may be called from any."""

    def __init__(
        self,
        transport: Transport,
        address: SshAddress,
        signals: Signals,
        release: Callable[[], None],
        more: Callable[[], Transport],
    ) -> None:
        self.transport, self.address, self.signals = transport, address, signals
        self._release, self._more = release, more
        self._spare: list[Transport] = []  # for commands, where sshd allows few on one connection
        self._channels: list[Channel] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def alive(self) -> bool:
        """Neither closed nor lost."""
        return not self._closed and self.transport.is_active()

    def check(self) -> None:
        """Raise what somebody asked for: `Cancelled`, `LeaseLost`, or nothing."""
        self.signals.check()

    def to_unix_socket(self, path: str) -> ChannelSocket:
        """A channel to a unix socket on the server (OpenSSH PROTOCOL, 2.4). ChannelRefused when sshd says no."""
        return ChannelSocket(self._open("direct-streamlocal@openssh.com", (path, "", 0)), self.check)

    def to_address(self, address: str, port: int, *, deadline: float = CHANNEL_SECONDS) -> ChannelSocket:
        """A channel to a TCP address as the server sees it. ChannelRefused; TimeoutError after `deadline` seconds."""
        return ChannelSocket(self.to_port(address, port, deadline=deadline), self.check)

    def to_port(self, address: str, port: int, *, deadline: float = CHANNEL_SECONDS) -> Channel:
        """As `to_address`, the bare channel."""
        return self._open("direct-tcpip", (address, port, "127.0.0.1", 0), deadline)

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float = 10.0,
        limit: int = 65536,
        stdin: bytes | None = None,
        may_greet: bool = False,
    ) -> Output:
        """Run a fixed argv on the server, with a little on its stdin. ChannelRefused, TimeoutError, or HostLost.

        `may_greet`: what the user's shell says before it does no harm, and nobody has to find out how much that is.
        """
        greeting = 0 if may_greet else self.greeting()
        said = self._run(argv, deadline, limit, stdin)
        return replace(said, stdout=without_lines(said.stdout, greeting)) if greeting else said

    def greeting(self) -> int:
        """How many lines the user's shell prints before what a command prints; asked once a connection."""
        if self.transport.greeting is None:
            said = self._run(["true"], CHANNEL_SECONDS, _LONGEST_GREETING, None)
            self.transport.greeting = said.stdout.count(b"\n") if said.exit_code == 0 else 0
        return self.transport.greeting

    def _run(self, argv: Sequence[str], deadline: float, limit: int, stdin: bytes | None) -> Output:
        channel = self.command_channel()
        try:
            return run_on(channel, argv, self.check, deadline, limit, stdin)
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            if self.transport.is_active():
                raise ChannelRefused(0, "sshd runs no command for this user") from error
            raise self.lost(error) from error
        finally:
            channel.close()

    def command_channel(self) -> Channel:
        """A channel for one command whose output is read while it comes; whoever asks for it closes it.

        sshd's MaxSessions counts these alone. Where it allows no more on a connection that had some, one more
        connection is made for it, and kept for the next.
        """
        for pause in (*_PAUSES, 0.0):
            for transport in (self.transport, *self._spare):
                try:
                    return self._open("session", (), on=transport)
                except ChannelRefused:
                    if not self.transport.ran_commands:
                        raise  # it allows none at all
            self.signals.wait(pause)  # sshd counts a command for a moment after it has told its end
        spare = self._more()
        with self._lock:
            self._spare.append(spare)
        if self._closed:
            spare.close()
        return self._open("session", (), on=spare)

    def _open(
        self,
        kind: Kind,
        fields: tuple[str | int, ...],
        deadline: float = CHANNEL_SECONDS,
        on: Transport | None = None,
    ) -> Channel:
        self.check()
        if self._closed:
            raise HostLost(f"The session on server {self.address.host_name} is closed.")
        transport = on or self.transport
        try:
            channel = transport.request_channel(kind, fields, deadline=deadline, interrupt=self.check)
        except ChannelSilent as error:
            if kind == "direct-tcpip":  # sshd itself waits for that address: says nothing about the transport
                raise TimeoutError(f"no answer in {deadline:g} s") from error
            self.transport.doubtful = True  # the next session connects anew
            raise self.lost(error) from error
        except (EOFError, paramiko.SSHException, OSError) as error:
            transport.doubtful = True  # it may not have noticed itself yet
            raise self.lost(error) from error
        with self._lock:
            self._channels = [each for each in self._channels if not each.closed]
            self._channels.append(channel)
        if not self.alive:  # aborted meanwhile
            channel.close()
        return channel

    def lost(self, error: BaseException | None = None) -> ConnectionLost:
        """The error to raise when the connection is gone. Its remedy is shown where nobody tries again by himself."""
        way = self.transport.way
        if way is not None and not way.alive:
            lost = way.lost(error)
            lost.on_the_way(self.address.host_name)
            return lost
        reason = self.transport.get_exception() or error
        said = str(reason) or type(reason).__name__ if reason is not None else "it was closed"
        return ConnectionLost(
            f"The connection to server {self.address.host_name} was lost.",
            why=f"{said}. The server or its sshd was stopped, or the network between broke.",
            remedy="Try again. If it stays so, see whether the server is up, and whether the network between holds.",
        )

    def abort(self) -> None:
        """Close the channels now; whoever waits on one gets an end or an error. Further channels are refused."""
        self._closed = True
        with self._lock:
            channels, self._channels = self._channels, []
        for channel in channels:
            with suppress(EOFError, OSError, paramiko.SSHException):  # the transport died: so did the channel
                channel.close()

    def close(self) -> None:
        """Close the channels and let go of the transport."""
        self.abort()
        with self._lock:
            spare, self._spare = self._spare, []
        for each in spare:
            each.close()
        release, self._release = self._release, _released
        release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _released() -> None:
    """A session lets go once."""
