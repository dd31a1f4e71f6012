"""The engine beside the worker: reached over its own socket, on this machine, without SSH and without keys.

`connect` gives what a session takes for an SSH transport, so that everything above is one code: channels to the engine's
socket and to TCP addresses are sockets of this machine, and a command is a fixed argv in a process of its own, without a
shell and without the worker's environment. Only the one socket that the operator named can be opened.
"""

import errno
import ipaddress
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.connections.local_channels import LocalChannel, LocalCommand, LocalStream
from worker.connections.login import SshAddress
from worker.connections.transport import ChannelRefused, ChannelSilent, Kind
from worker.engine.errors import HostLost, SocketRefused

_PROHIBITED, _CONNECT_FAILED = 1, 2  # RFC 4254, 5.1
_SLICE = 0.05  # seconds
_INFO_SECONDS = 10.0
_LARGEST_ANSWER = 4_000_000  # bytes
_LONGEST_NAME = 400


class NoEngine(Exception):
    """Nothing that can be worked with answers at the socket; the message says why."""


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """What answers at the socket. `identity` tells it from every other engine.

    `whole`: its containers' network is this process's own, so that health checks reach them; not so in a container.
    """

    identity: str
    name: str
    version: str
    whole: bool


class LocalTransport:
    """As much of `worker.connections.transport.Transport` as sessions use. It ends when it is closed, and only then."""

    def __init__(self, socket_path: str, folder: str = "/") -> None:
        self._socket_path, self._folder = socket_path, folder
        self._closed = False
        self._lock = threading.Lock()
        self._channels: list[LocalChannel] = []
        self.doubtful = False
        self.ran_commands = True
        self.greeting: int | None = 0  # no shell is asked, so none greets
        self.dialled: dict[str, str] = {}
        self.host_key_name = ""  # nobody's: it is asked what it is each time
        self.way = None

    def is_active(self) -> bool:
        """Nobody closed it."""
        return not self._closed

    def get_exception(self) -> Exception | None:
        """Nothing ends it by itself."""
        return None

    def close(self) -> None:
        """End what is open."""
        self._closed = True
        with self._lock:
            channels, self._channels = self._channels, []
        for each in channels:
            each.close()

    def request_channel(
        self, kind: Kind, fields: tuple[str | int, ...], *, deadline: float, interrupt: Callable[[], None]
    ) -> LocalChannel:
        """Open one within `deadline` seconds. ChannelRefused in sshd's own manner; ChannelSilent; EOFError when closed."""
        if self._closed:
            raise EOFError("the connection is closed")
        if kind == "session":
            channel: LocalChannel = LocalCommand(self, self._folder)
        elif kind == "direct-tcpip":
            channel = LocalStream(self, _to_address(str(fields[0]), int(fields[1]), deadline, interrupt))
        elif str(fields[0]) != self._socket_path:
            raise ChannelRefused(_PROHIBITED, "this is not the socket that ESTIVA_LOCAL_ENGINE names")
        else:
            channel = LocalStream(self, _to_socket(self._socket_path, deadline, interrupt))
        with self._lock:
            self._channels = [each for each in self._channels if not each.closed]
            self._channels.append(channel)
        return channel


def connect(address: SshAddress) -> LocalTransport:
    """To the engine beside this worker; `HostLost` where another one answers there than the address names."""
    here = address.beside
    if here is None:
        raise ValueError(f"{address.host_name} is reached over SSH.")
    try:
        found = look(here.socket)
    except NoEngine as error:
        raise unreachable(address.host_name, str(error)) from error
    if found.identity != here.engine:
        raise HostLost(
            f"Beside this worker is another engine than server {address.host_name}. Nothing was sent to it.",
            why=f"Known: {here.engine}. Found: {found.identity}. Docker was installed anew there, the machine was renamed, "
            "or the worker was moved.",
            remedy="If that is as it should be, retire this server and add the engine that is found now.",
        )
    return LocalTransport(here.socket, here.folder)


def unreachable(name: str, why: str) -> HostLost:
    """The error to raise when its socket can't be opened; one that the worker may not open won't mend by waiting."""
    message = f"The engine beside the worker, server {name}, can't be reached."
    if os.strerror(errno.EACCES) in why:
        remedy = "Add the worker's user to the group that the socket belongs to, then restart the worker."
        return SocketRefused(message, reason="permission", why=why, remedy=remedy)
    return HostLost(message, why=why, remedy="On the machine of that worker: systemctl status docker.")


def look(socket_path: str) -> LocalEngine:
    """Who answers at the socket. NoEngine, with the reason."""
    info = _asked(socket_path, "/info")
    identity, name, root = str(info.get("ID") or ""), str(info.get("Name") or ""), str(info.get("DockerRootDir") or "")
    if not identity or not root or "buildahVersion" in str(info):
        raise NoEngine(f"What answers at {socket_path} is no Docker Engine.")
    whole = _is_ours(_asked(socket_path, "/networks/bridge", missing_ok=True))
    return LocalEngine(
        # engines of one machine, and machines copied from one image, may have the same ID
        f"{identity}@{name}:{root}"[:_LONGEST_NAME],
        name,
        str(info.get("ServerVersion") or ""),
        whole,
    )


def _asked(socket_path: str, path: str, *, missing_ok: bool = False) -> Mapping[str, Any]:
    until = time.monotonic() + _INFO_SECONDS
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    answer = bytearray()
    try:
        sock.settimeout(_INFO_SECONDS)
        sock.connect(socket_path)
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\nUser-Agent: estiva\r\n\r\n".encode("ascii"))
        while data := sock.recv(1 << 16):
            answer += data
            if len(answer) > _LARGEST_ANSWER or time.monotonic() > until:
                raise NoEngine(f"{socket_path}: the answer to {path} does not end.")
    except OSError as error:
        raise NoEngine(f"{socket_path}: {error.strerror or error}.") from error
    finally:
        sock.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if missing_ok and status == [b"404"]:
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise NoEngine(f"What answers at {socket_path} is no Docker Engine.") from error
    if status != [b"200"] or not isinstance(found, dict):
        raise NoEngine(f"{socket_path}: the engine answered {b' '.join(status).decode('ascii', 'replace')} to {path}.")
    return found


def _is_ours(bridge: Mapping[str, Any]) -> bool:
    """Is the bridge's own address one of this network namespace? Only then is a container's address the same one here.

    What would be sent to an address of one's own bears it as its source, too. Nothing is sent.
    """
    for each in (bridge.get("IPAM") or {}).get("Config") or ():
        try:
            address = ipaddress.ip_address(str(each.get("Gateway") or ""))
        except ValueError:
            continue
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((str(address), 9))
            except OSError:
                return False
            return bool(probe.getsockname()[0] == str(address))
    return False


def _to_socket(path: str, deadline: float, interrupt: Callable[[], None]) -> socket.socket:
    return _connected(socket.AF_UNIX, path, deadline, interrupt)


def _to_address(address: str, port: int, deadline: float, interrupt: Callable[[], None]) -> socket.socket:
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ChannelRefused(_CONNECT_FAILED, str(error.strerror or error)) from error
    family, _, _, _, where = found[0]
    return _connected(family, where, deadline, interrupt)


def _connected(
    family: socket.AddressFamily | int, where: Any, deadline: float, interrupt: Callable[[], None]
) -> socket.socket:
    """Waits a slice at a time, so that a signal is noticed."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    until = time.monotonic() + deadline
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    try:
        code = sock.connect_ex(where)
        while code in (errno.EINPROGRESS, errno.EAGAIN):  # the second: the queue of a unix socket is full
            interrupt()
            if time.monotonic() >= until:
                raise ChannelSilent(f"no answer within {deadline:g} s")
            if code == errno.EAGAIN:
                threading.Event().wait(_SLICE)
                code = sock.connect_ex(where)
            elif poll.poll(_SLICE * 1000):
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise ChannelRefused(_CONNECT_FAILED, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
