"""One transport per server and credential, shared by everybody who works there; each worker owns only its channels.

`Pool` is made once per process. `Pool.session()` opens the transport or takes the one that is there; closing the
session closes its channels and nothing else. A transport that nobody uses is closed after a minute, a dead
one is replaced. A server behind others is reached through their transports, which all that stand behind them share:
to a jump host each is one channel to a TCP address, which MaxSessions doesn't count.
"""

import functools
import hashlib
import threading
import time
from typing import cast

from worker.connections import beside
from worker.connections.connects import counted
from worker.connections.login import HostKey, Login, SshAddress, SshCredential
from worker.connections.session import SshSession
from worker.connections.signals import Signals
from worker.connections.ssh import connect
from worker.connections.transport import Transport
from worker.connections.way import lead_on
from worker.engine.errors import HostLost

__all__ = ["Pool", "SshSession"]

IDLE_SECONDS = 60.0
_Key = tuple[tuple[str, int, str, str, HostKey], ...]


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


class Pool:
    """The transports of this process. The servers on the way are taken from `ways`, if it is given."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, ways: "Pool | None" = None) -> None:
        self._idle_seconds = idle_seconds
        self._ways = ways or self
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
                    shared.transport = self._connect(Login(address, credential, host_key), signals)
                transport = shared.transport
            finally:
                shared.lock.release()
        except BaseException:
            self._leave(key, shared)
            raise
        more = functools.partial(self._connect, Login(address, credential, host_key), signals)
        return SshSession(transport, address, signals, lambda: self._leave(key, shared), more)

    def way_to(self, address: SshAddress, signals: Signals) -> SshSession | None:
        """A session on the server through which the way leads; None where it is reached from here."""
        if address.via is None:
            return None
        hop = address.via
        try:
            return self._ways.session(hop.address, hop.credential, hop.host_key, signals)
        except HostLost as error:
            error.on_the_way(address.host_name)
            raise

    def _connect(self, login: Login, signals: Signals) -> Transport:
        address, credential, host_key = login.address, login.credential, login.host_key
        if address.beside is not None:
            return cast("Transport", beside.connect(address))  # as much of one as sessions use
        way = self.way_to(address, signals)
        if way is None:
            with counted():
                return connect(address, credential, host_key, signals.check)
        try:
            with counted():
                transport = connect(
                    address, credential, host_key, signals.check, lambda seconds: lead_on(way, address, seconds)
                )
        except BaseException:
            way.close()
            raise
        way.signals = Signals()  # it outlives the one who asked first
        transport.way = way
        return transport

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
    return tuple(_step(each) for each in (Login(address, credential, host_key), *address.way()))


def _step(login: Login) -> tuple[str, int, str, str, HostKey]:
    here = login.address.beside
    if here is not None:
        return (here.socket, 0, "", here.engine, login.host_key)
    secret = hashlib.sha256(login.credential.private_key_pem.reveal().encode()).hexdigest()
    return (login.address.address, login.address.port, login.address.user, secret, login.host_key)
