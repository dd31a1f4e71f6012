"""Health probes through the server's sshd: asked from where the server stands, with nothing installed there."""

import http.client
import time
import urllib.parse

import paramiko

from worker.connections.channels import ChannelSocket, ConnectionGone
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.container_host import Probe

_BODY_READ = 1024  # bytes; the rest is not asked for
_PROHIBITED = 1
_PATH_SAFE = "/?&=%:@!$'()*+,;~-._[]#"


class _Connection(http.client.HTTPConnection):
    """One request over a channel that is already open."""

    def __init__(self, address: str, port: int, sock: ChannelSocket) -> None:
        super().__init__(address, port)
        self.sock = sock  # as much of a socket as http.client needs
        self.auto_open = 0


def probe_tcp(session: SshSession, address: str, port: int, timeout: float) -> Probe:
    """Does something accept connections there, as the server sees it?"""
    opened = _open(session, address, port, timeout)
    if isinstance(opened, Probe):
        return opened
    opened.close()
    return Probe(ok=True)


def probe_http(session: SshSession, address: str, port: int, path: str, timeout: float) -> Probe:
    """One GET; `ok` with whatever status came. `timeout` seconds for the whole of it."""
    begun = time.monotonic()
    opened = _open(session, address, port, timeout)
    if isinstance(opened, Probe):
        return opened
    opened.deadline = begun + timeout
    try:
        return Probe(ok=True, status=_get(opened, address, port, path))
    except TimeoutError:
        return Probe(ok=False, problem=f"no answer in {timeout:g} s")
    except ConnectionGone as error:
        raise session.lost(error) from error
    except http.client.RemoteDisconnected:
        return Probe(ok=False, problem="the connection was closed without an answer")
    except (OSError, EOFError, paramiko.SSHException) as error:
        if not session.transport.is_active():
            raise session.lost(error) from error
        return Probe(ok=False, problem="the connection was closed in the middle of the answer")
    except (http.client.HTTPException, ValueError) as error:
        return Probe(ok=False, problem=f"the answer is not HTTP ({type(error).__name__})")
    finally:
        opened.close()


def _get(opened: ChannelSocket, address: str, port: int, path: str) -> int:
    connection = _Connection(address, port, opened)
    target = urllib.parse.quote("/" + path.lstrip("/"), safe=_PATH_SAFE).partition("#")[0]
    connection.request("GET", target, headers={"User-Agent": "estiva-health", "Accept": "*/*", "Connection": "close"})
    response = connection.getresponse()
    response.read(_BODY_READ)  # an application that breaks off in the middle of a short answer isn't healthy
    return response.status


def _open(session: SshSession, address: str, port: int, timeout: float) -> ChannelSocket | Probe:
    try:
        return session.to_address(address, port, deadline=timeout)
    except TimeoutError:
        return Probe(ok=False, problem=f"no answer in {timeout:g} s")
    except ChannelRefused as refusal:
        return _refused(refusal, session.address.host_name, address)


def _refused(refusal: ChannelRefused, host_name: str, address: str) -> Probe:
    """sshd passes on what its own connect() was told; what else it says is about the way there, not about the port."""
    said = refusal.words.lower()
    if refusal.code == _PROHIBITED:
        problem = (
            f"sshd on server {host_name} forbids forwarding to TCP addresses, so nobody can ask "
            "(sshd_config: AllowTcpForwarding yes, or local)"
        )
        return Probe(ok=False, problem=problem, unreachable=True)
    if "refused" in said:
        return Probe(ok=False, problem="connection refused")
    if "timed out" in said:
        return Probe(ok=False, problem="no answer: the connection timed out")
    problem = f"{address} is not reachable from server {host_name} ({refusal.words or 'no reason given'})"
    return Probe(ok=False, problem=problem, unreachable=True)
