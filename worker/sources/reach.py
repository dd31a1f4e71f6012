"""How far the worker may be led by what others wrote: a submodule's address, a Git LFS server's answer, `.lfsconfig`.

The repository's own server is where a person said it is, within or without. Whoever can push, and whoever runs that
server, could send the worker on to what only the worker reaches; so every other server is a public one, or allowed by
name or network in ESTIVA_GIT_ALLOWED_HOSTS.
"""

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from worker.sources.errors import GitRefused

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """`own` is the repository's host; `allowed` are names, `.suffixes` of names, addresses and networks."""

    own: str
    allowed: tuple[str, ...] = ()

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Those to connect to, and no others; () where any will do. GitRefused where one of them is out of reach."""
        host = host.strip("[]").lower()
        if self._knows(host):
            return ()
        try:
            found = addresses_of(host, port)
        except (OSError, UnicodeError) as error:
            if get_environ_proxies(f"https://{host}:{port}/"):
                return ()  # a proxy connects, and knows names that the worker doesn't
            raise GitRefused(
                "unreachable",
                f"There is no server called {host}.",
                why=str(error),
                remedy="Check the address, and the worker's name server.",
            ) from error
        if not all(self.permits(host, each) for each in found):
            raise self.refusal(host)
        return found

    def permits(self, host: str, address: str) -> bool:
        """A server of that name at this address may be spoken to."""
        host = host.strip("[]").lower()
        return self._knows(host) or self._is_open(ipaddress.ip_address(address.partition("%")[0]))

    def refusal(self, host: str) -> GitRefused:
        """Why not."""
        return GitRefused(
            "unsafe",
            f"{host} is not spoken to: it is in a network of the worker's own, and the repository is on {self.own}.",
            why="The repository, or its server, names it; that could lead the worker to what nobody else may reach.",
            remedy="If it is meant, let an admin add it to ESTIVA_GIT_ALLOWED_HOSTS.",
        )

    def _knows(self, host: str) -> bool:
        names = (each.lower() for each in self.allowed)
        return host == self.own or any(host == each or (each.startswith(".") and host.endswith(each)) for each in names)

    def _is_open(self, address: _Address) -> bool:
        meant = _embedded(address)
        if any(meant in each for each in self._networks() if each.version == meant.version):
            return True
        return all(each.is_global and not each.is_multicast for each in (address, meant))

    def _networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        found = []
        for each in self.allowed:
            try:
                found.append(ipaddress.ip_network(each, strict=False))
            except ValueError:  # a name
                continue
        return found


def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """Every address that the name stands for, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _embedded(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one leads to, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def new_session(reach: Reach) -> requests.Session:
    """HTTP without this user's own passwords (.netrc), with the certificates that the worker was told to trust.

    Whom it is connected to is looked at before anything is said, since a name may stand for another address by then.
    """
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE") or True
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(reach))
    return session


class _Adapter(HTTPAdapter):
    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Connections that look whom they got; those to a proxy are made elsewhere."""
        super().init_poolmanager(*arguments, **options)
        pools = {"http": (HTTPConnectionPool, HTTPConnection), "https": (HTTPSConnectionPool, HTTPSConnection)}
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__,
                (pool,),
                {"ConnectionCls": type(plain.__name__, (_Looking, plain), {"reach": self._reach})},
            )
            for scheme, (pool, plain) in pools.items()
        }


class _Looking:
    reach: ClassVar[Reach]
    host: str

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        if self.reach.permits(self.host, str(connected.getpeername()[0])):
            return connected
        connected.close()
        raise self.reach.refusal(self.host)
