"""Where a server is, and a TCP connection to it that can be given up at any moment."""

import errno
import os
import select
import socket
import time
from collections.abc import Callable

from worker.connections.login import SshAddress
from worker.engine.errors import HostLost

CONNECT_SECONDS = 10.0
_DEAD_PEER_SECONDS = 24  # unacknowledged data for so long: the peer is gone; it begins with the first sign asked for
_SLICE_MS = 40
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it


def nobody() -> None:
    """Nobody interrupts."""


class PromptSocket(socket.socket):
    """Acknowledges at once what it reads.

    sshd doesn't set TCP_NODELAY for forwarded connections: its second small message in a row waits until the first is
    acknowledged, which a kernel puts off for up to 40 ms. So waited the first answer of every connection (sshd's host keys go
    before it), and a line of a log behind another.
    """

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As a socket's."""
        data = super().recv(size, flags)
        if _QUICK_ACK is not None:
            self.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)  # holds for a moment only: said after each read
        return data


def resolve(address: SshAddress) -> list[str]:
    """The IP addresses a name stands for."""
    return list(dict.fromkeys(str(each[4][0]) for each in _look_up(address)))


def open_socket(
    address: SshAddress, interrupt: Callable[[], None] = nobody, deadline: float = CONNECT_SECONDS
) -> socket.socket:
    """A TCP connection to the server's SSH port, within `deadline` seconds. What `interrupt` raises is passed on."""
    until, failed = time.monotonic() + deadline, OSError("it has no address")
    for family, kind, protocol, _, where in _look_up(address):
        sock = PromptSocket(family, kind, protocol)
        try:
            _connect(sock, where, until, interrupt)
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
        else:
            return _tuned(sock)
    why, remedy = _words(failed, address, deadline)
    raise HostLost(f"Server {address.host_name} does not answer at {address}.", why=why, remedy=remedy) from failed


def _look_up(address: SshAddress) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        return list(socket.getaddrinfo(address.address, address.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise HostLost(
            f"The address {address.address} of server {address.host_name} can't be resolved.",
            why=str(error),
            remedy="Check the spelling and the name server that the worker uses, or enter an IP address.",
        ) from error


def _connect(sock: socket.socket, where: tuple[object, ...], until: float, interrupt: Callable[[], None]) -> None:
    """As `socket.connect`, but it looks up from its waiting now and then."""
    sock.setblocking(False)
    code = sock.connect_ex(where)
    if code == errno.EINPROGRESS:
        ready = select.poll()
        ready.register(sock, select.POLLOUT)
        while not ready.poll(_SLICE_MS):
            interrupt()
            if time.monotonic() >= until:
                raise TimeoutError("no answer")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    sock.setblocking(True)


def _tuned(sock: socket.socket) -> socket.socket:
    # paramiko never sets it: without it every small request waits up to 40 ms for an acknowledgement
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # paramiko's keepalive expects no answer; this makes the unanswered ones count
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_SECONDS * 1000)
    return sock


def _words(error: OSError, address: SshAddress, deadline: float) -> tuple[str, str]:
    if isinstance(error, ConnectionRefusedError):
        return "The port is closed: connection refused.", f"Is sshd running there, and on port {address.port}?"
    if isinstance(error, TimeoutError):
        return f"No answer within {deadline:g} s.", "Is the server up, and does a firewall let the worker through?"
    return str(error.strerror or error), "Check the network between the worker and the server."
