"""An authenticated SSH connection whose host key was compared before any credential was offered.

The registration wizard takes the steps one by one (`resolve`, `open_socket`, `offered_host_key`); everybody else takes
a session from `worker.connections.pool.Pool`, which calls `connect`. All errors are `HostLost` or one of its
subclasses, written for people.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko
from paramiko.channel import Channel

from worker.connections.address import CONNECT_SECONDS, nobody, open_socket, resolve
from worker.connections.doors import Doors
from worker.connections.keys import load_private_key
from worker.connections.login import HostKey, Login, SshAddress, SshCredential
from worker.connections.transport import Transport
from worker.engine.errors import AuthenticationRefused, HostKeyChanged, HostLost

__all__ = [
    "CONNECT_SECONDS",
    "HostKey",
    "Login",
    "OfferedKey",
    "SshAddress",
    "SshCredential",
    "connect",
    "offered_host_key",
    "open_socket",
    "resolve",
]

KEEPALIVE_SECONDS = 12  # of silence; what is lost is told after three times as long, well within 45 s
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_FASTEST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")  # in bulk, twice what paramiko's own first choice does
_doors = Doors()


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """What a server shows before anybody logs in."""

    key: HostKey
    banner: str  # "SSH-2.0-OpenSSH_9.2p1 …"


Stream = socket.socket | Channel
"""What an SSH connection runs over: TCP from here, or a channel through another server."""
StreamOpener = Callable[[float], Stream]
"""Opens one within so many seconds."""


def offered_host_key(
    sock: Stream,
    address: SshAddress,
    interrupt: Callable[[], None] = nobody,
    deadline: float = CONNECT_SECONDS,
) -> OfferedKey:
    """The key that the server shows, without logging in. Closes the socket."""
    with _doors.through(address.where, interrupt):
        transport = _negotiate(sock, address, None, interrupt, deadline)
    try:
        return OfferedKey(_shown_key(transport), transport.remote_version)
    finally:
        transport.close()


def connect(
    address: SshAddress,
    credential: SshCredential,
    pinned: HostKey,
    interrupt: Callable[[], None] = nobody,
    opener: StreamOpener | None = None,
) -> Transport:
    """An authenticated transport to the server that holds the pinned key. Of handshakes with one sshd four run at once.

    `opener` leads there through another server; without one it is reached from here.
    """
    opener = opener or (lambda seconds: open_socket(address, interrupt, seconds))
    key = load_private_key(credential, address.host_name)
    with _doors.through(address.where, interrupt):
        transport = _begin(address, pinned.type, interrupt, opener)
        try:
            _require_pinned(_shown_key(transport), pinned, address)
            _authenticate(transport, key, address, interrupt)
        except BaseException:
            transport.close()
            raise
    transport.stay_awake(KEEPALIVE_SECONDS)
    return transport


def _begin(address: SshAddress, pinned_type: str, interrupt: Callable[[], None], opener: StreamOpener) -> Transport:
    """Key exchange, tried again where the server hangs up before its first word: so sshd turns away a crowd."""
    until = time.monotonic() + CONNECT_SECONDS
    for pause in (0.2, 0.5, 1.0, None):
        left = until - time.monotonic()
        try:
            return _negotiate(opener(left), address, pinned_type, interrupt, left)
        except TurnedAway:
            if pause is None or left < pause:
                raise
            _await(threading.Event(), pause, interrupt)
    raise AssertionError("the last round returns or raises")


def _negotiate(
    sock: Stream, address: SshAddress, pinned_type: str | None, interrupt: Callable[[], None], deadline: float
) -> Transport:
    """Key exchange; the pinned key's type is asked for first, since a server may have several."""
    try:
        transport = Transport(sock)
    except (paramiko.SSHException, OSError) as error:
        sock.close()
        raise _not_ssh(address, error) from error
    try:
        options = transport.get_security_options()
        options.ciphers = (*_FASTEST, *(each for each in options.ciphers if each not in _FASTEST))
        if pinned_type is not None:
            first = [
                each for each in (_RSA if pinned_type == "ssh-rsa" else (pinned_type,)) if each in options.key_types
            ]
            options.key_types = (*first, *(each for each in options.key_types if each not in first))
        done = threading.Event()
        transport.start_client(event=done)
        _await(done, deadline, interrupt)
        if not (done.is_set() and transport.is_active()):
            raise _not_ssh(address, transport.get_exception(), silent=done.is_set() and not transport.remote_version)
    except BaseException:
        transport.close()
        raise
    return transport


def _await(done: threading.Event, seconds: float, interrupt: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while not done.wait(min(0.05, max(0.0, until - time.monotonic()))) and time.monotonic() < until:
        interrupt()


class TurnedAway(HostLost):
    """The server accepted the connection and closed it before it said what it is."""


def _not_ssh(address: SshAddress, error: Exception | None, *, silent: bool = False) -> HostLost:
    return (TurnedAway if silent else HostLost)(
        f"Server {address.host_name} accepted the connection at {address} but no SSH session could be begun.",
        why=str(error) if error and str(error) else f"No answer within {CONNECT_SECONDS:g} s.",
        remedy="Is it sshd that listens there? If many connect at once, raise MaxStartups in its configuration.",
    )


def _shown_key(transport: Transport) -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.get_base64())


def _require_pinned(shown: HostKey, pinned: HostKey, address: SshAddress) -> None:
    if shown == pinned:
        return
    raise HostKeyChanged(
        f"Server {address.host_name} shows another host key than the one that was trusted. Nothing was sent to it.",
        offered_type=shown.type,
        offered_key=shown.base64,
        host_name=address.host_name,
        where=address.where,
        why=f"Trusted: {pinned.type} {pinned.fingerprint}. Shown: {shown.type} {shown.fingerprint}. "
        "The server was reinstalled, or somebody stands between.",
        remedy="Find out which. Only if the new key is known to be right, trust it on the server's page.",
    )


def _authenticate(transport: Transport, key: paramiko.PKey, address: SshAddress, interrupt: Callable[[], None]) -> None:
    """Offer the one key; no other way of logging in is ever tried."""
    done = threading.Event()
    transport.auth_publickey(address.user, key, event=done)
    _await(done, CONNECT_SECONDS, interrupt)
    if transport.is_authenticated():
        return
    error = transport.get_exception()
    if not done.is_set() or (not transport.is_active() and not isinstance(error, paramiko.AuthenticationException)):
        raise HostLost(
            f"Server {address.host_name} closed the connection or fell silent during the login as {address.user}.",
            why=str(error or f"No answer within {CONNECT_SECONDS:g} s."),
            remedy="Look into sshd's log on the server.",
        )
    raise AuthenticationRefused(
        f"Server {address.host_name} refused the login as {address.user} with Estiva's key.",
        why=_refusal(error),
        remedy=f"Put the server's public key line, as its page shows it, into ~{address.user}/.ssh/authorized_keys, "
        "readable by that user alone (chmod 600, and 700 for the folder).",
    )


def _refusal(error: Exception | None) -> str:
    if isinstance(error, paramiko.BadAuthenticationType):
        return f"sshd allows {', '.join(error.allowed_types)} only: PubkeyAuthentication is off for this user."
    return "The key is not in the user's authorized_keys, the user does not exist, or sshd forbids this user to log in."
