"""One transport per server and credential, shared by everybody who works there; each worker owns only its channels.

`Pool` is made once per process. `Pool.session()` opens the transport or takes the one that is there; closing the
session closes its channels and nothing else. A transport that nobody uses is closed after a minute, a dead
one is replaced.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import paramiko
from paramiko.channel import Channel

from worker.connections.channels import ChannelSocket, Output, run_on
from worker.connections.signals import Signals
from worker.connections.ssh import HostKey, SshAddress, SshCredential, connect
from worker.connections.transport import ChannelRefused, ChannelSilent, Kind, Transport
from worker.engine.errors import HostLost

IDLE_SECONDS = 60.0
CHANNEL_SECONDS = 10.0
_Key = tuple[str, int, str, str, HostKey]


class _Shared:
    """A transport, how many sessions use it, and since when nobody does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held while connecting, so that a server gets one handshake, not one a session
        self.transport: Transport | None = None
        self.users = 0
        self.idle_since = 0.0

    @property
    def spent(self) -> bool:
        return self.transport is not None and (self.transport.doubtful or not self.transport.is_active())


class SshSession:
    """Somebody's channels on a shared transport. Used by one thread; `close` and `abort` may be called from any."""

    def __init__(
        self, transport: Transport, address: SshAddress, signals: Signals, release: Callable[[], None]
    ) -> None:
        self.transport, self.address, self.signals = transport, address, signals
        self._release = release
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
        channel = self._open("direct-tcpip", (address, port, "127.0.0.1", 0), deadline)
        return ChannelSocket(channel, self.check)

    def run(
        self, argv: Sequence[str], *, deadline: float = 10.0, limit: int = 65536, stdin: bytes | None = None
    ) -> Output:
        """Run a fixed argv on the server, with a little on its stdin. ChannelRefused, TimeoutError, or HostLost."""
        channel = self._open("session", ())
        try:
            return run_on(channel, argv, self.check, deadline, limit, stdin)
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            if self.transport.is_active():
                raise ChannelRefused(0, "sshd runs no command for this user") from error
            raise self.lost(error) from error
        finally:
            channel.close()

    def command_channel(self) -> Channel:
        """A channel for one command whose output is read while it comes; whoever asks for it closes it."""
        return self._open("session", ())

    def _open(self, kind: Kind, fields: tuple[str | int, ...], deadline: float = CHANNEL_SECONDS) -> Channel:
        self.check()
        if self._closed:
            raise HostLost(f"The session on server {self.address.host_name} is closed.")
        try:
            channel = self.transport.request_channel(kind, fields, deadline=deadline, interrupt=self.check)
        except ChannelSilent as error:
            if kind == "direct-tcpip":  # sshd itself waits for that address: says nothing about the transport
                raise TimeoutError(f"no answer in {deadline:g} s") from error
            self.transport.doubtful = True  # the next session connects anew
            raise self.lost(error) from error
        except (EOFError, paramiko.SSHException, OSError) as error:
            raise self.lost(error) from error
        with self._lock:
            self._channels = [each for each in self._channels if not each.closed]
            self._channels.append(channel)
        if not self.alive:  # aborted meanwhile
            channel.close()
        return channel

    def lost(self, error: BaseException | None = None) -> HostLost:
        """The error to raise when the connection is gone."""
        reason = self.transport.get_exception() or error
        said = str(reason) or type(reason).__name__ if reason is not None else "it was closed"
        return HostLost(
            f"The connection to server {self.address.host_name} was lost.",
            why=f"{said}. The server or its sshd was stopped, or the network between broke.",
            remedy="Nothing to do: the work is taken up again as soon as the server answers.",
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
        release, self._release = self._release, _released
        release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _released() -> None:
    """A session lets go once."""


class Pool:
    """The transports of this process."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._shared: dict[_Key, _Shared] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Timer | None = None

    def session(
        self, address: SshAddress, credential: SshCredential, host_key: HostKey, signals: Signals | None = None
    ) -> SshSession:
        """A session on the server, connecting if needed. HostLost, HostKeyChanged, AuthenticationRefused."""
        signals = signals or Signals()
        key = _key(address, credential, host_key)
        shared = self._enter(key)
        try:
            while not shared.lock.acquire(timeout=0.05):
                signals.check()
            try:
                if shared.transport is None:
                    shared.transport = connect(address, credential, host_key, signals.check)
                transport = shared.transport
            finally:
                shared.lock.release()
        except BaseException:
            self._leave(key, shared)
            raise
        return SshSession(transport, address, signals, lambda: self._leave(key, shared))

    def close(self) -> None:
        """Close every transport, whoever uses it."""
        with self._lock:
            everyone, self._shared = list(self._shared.values()), {}
            if self._sweeper is not None:
                self._sweeper.cancel()
        for shared in everyone:
            if shared.transport is not None:
                shared.transport.close()

    def _enter(self, key: _Key) -> _Shared:
        with self._lock:
            shared = self._shared.get(key)
            if shared is None or shared.spent:
                shared = self._shared[key] = _Shared()
            shared.users += 1
            return shared

    def _leave(self, key: _Key, shared: _Shared) -> None:
        with self._lock:
            shared.users -= 1
            shared.idle_since = time.monotonic()
            forgotten = shared.users == 0 and (self._shared.get(key) is not shared or shared.spent)
            if forgotten and self._shared.get(key) is shared:
                del self._shared[key]
            if self._shared:
                self._plan_sweep()
        if forgotten and shared.transport is not None:
            shared.transport.close()

    def _plan_sweep(self) -> None:
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Timer(self._idle_seconds, self._sweep)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _sweep(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._sweeper = None
            idle = {key: each for key, each in self._shared.items() if each.users == 0}
            old = {key: each for key, each in idle.items() if now - each.idle_since >= self._idle_seconds * 0.9}
            for key in old:
                del self._shared[key]
            if len(idle) > len(old):
                self._plan_sweep()
        for shared in old.values():
            if shared.transport is not None:
                shared.transport.close()


def _key(address: SshAddress, credential: SshCredential, host_key: HostKey) -> _Key:
    secret = hashlib.sha256(credential.private_key_pem.reveal().encode()).hexdigest()
    return (address.address, address.port, address.user, secret, host_key)
