"""Nothing but connections: Estiva's and the OpenSSH client's, to many servers at once, and many to one server at once.

An OpenSSH client that is told to keep its connection (-f -N) ends its start once it is logged in: that is timed, as with `xargs -P`, which is
told how many to start at once. Estiva's worker has no program to start: it opens the same, an authenticated connection and nothing on it, on threads.
"""

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bench.seats import Login
from parts.processes import PartError, run
from parts.sshd import SshServer
from worker.connections.pool import Pool
from worker.connections.ssh import HostKey, SshAddress, SshCredential, connect
from worker.engine.spec import Secret

REFUSED = re.compile(r"\bdrop connection #\d+")  # one line each; that throttling begins or ends is a line of its own
SECONDS = 60


class Refusals:
    """Handshakes that sshds refused because too many strangers stood before them, by their own logs."""

    def __init__(self, servers: Sequence[SshServer]) -> None:
        self._servers = servers

    def during(self, act: Callable[[], float]) -> tuple[float, int]:
        """What it gives, and how many were refused meanwhile."""
        before = {each: each.log.stat().st_size for each in self._servers}
        told = act()
        return told, sum(self._since(each, size) for each, size in before.items())

    @staticmethod
    def _since(server: SshServer, size: int) -> int:
        with server.log.open("rb") as log:
            log.seek(size)
            return refused(log.read().decode(errors="replace"))


def refused(log: str) -> int:
    """How many handshakes were refused by what an sshd says at LogLevel VERBOSE."""
    return len(REFUSED.findall(log))


class Estivas:
    """As a worker does it."""

    def __init__(self, login: Login) -> None:
        self._credential = SshCredential(Secret(login.key.read_text()))

    def open(self, servers: Sequence[SshServer]) -> float:
        """Seconds until there is a session on each; each server has one connection, however often it is named."""
        pool = Pool()
        try:
            with ThreadPoolExecutor(len(servers)) as threads:
                begun = time.monotonic()
                asked = [threads.submit(pool.session, _address(each), self._credential, _key(each)) for each in servers]
                opened = [each.result() for each in asked]
                spent = time.monotonic() - begun
            for session in opened:
                session.close()
        finally:
            pool.close()
        return spent

    def open_each(self, servers: Sequence[SshServer]) -> float:
        """As `open`, a handshake each: so many accounts on one server, say."""
        with ThreadPoolExecutor(len(servers)) as threads:
            begun = time.monotonic()
            asked = [threads.submit(connect, _address(each), self._credential, _key(each)) for each in servers]
            opened = [each.result() for each in asked]
            spent = time.monotonic() - begun
        for transport in opened:
            transport.close()
        return spent


class Clients:
    """OpenSSH clients."""

    def __init__(self, folder: Path, login: Login) -> None:
        self._folder, self._login = folder, login

    def open(self, servers: Sequence[SshServer], at_once: int) -> float:
        """Seconds until each is logged in, so many of them at once; PartError where one was refused."""
        spent, failed = self.attempt(servers, at_once)
        if failed:
            raise PartError(f"{failed} of {len(servers)} OpenSSH clients could not log in.")
        return spent

    def attempt(self, servers: Sequence[SshServer], at_once: int, *, shared: bool = True) -> tuple[float, int]:
        """As `open`; seconds, and how many could not. Unless `shared`, each has a connection of its own."""
        begun = time.monotonic()
        with ThreadPoolExecutor(at_once) as threads:
            codes = list(threads.map(lambda number: self._one(number, servers[number], shared), range(len(servers))))
        spent = time.monotonic() - begun
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: self._leave(number, servers[number], shared), range(len(servers))))
        return spent, sum(code != 0 for code in codes)

    def _one(self, number: int, server: SshServer, shared: bool) -> int:
        return subprocess.run(
            self._to(number, server, shared, "-f", "-N"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=SECONDS,
        ).returncode

    def _leave(self, number: int, server: SshServer, shared: bool) -> None:
        with suppress(PartError):  # it may never have come in
            run(self._to(number, server, shared, "-O", "exit"))

    def _to(self, number: int, server: SshServer, shared: bool, *words: str) -> list[str]:
        options = self._login.options(self._folder, "" if shared else f".{number}")
        return ["ssh", *options, *words, "-p", str(server.port), f"{server.user}@{server.address}"]


def _address(server: SshServer) -> SshAddress:
    return SshAddress("bench", server.address, server.port, server.user)


def _key(server: SshServer) -> HostKey:
    return HostKey(*server.host_key_line().split())
