"""The docker SDK's client over channels to the engine's socket: no process on the server, no shell, no local settings.

The SDK's own `ssh://` cannot pin a host key, cannot be interrupted and never recovers from a drop, so it isn't used.
"""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import docker
from docker.auth import AuthConfig
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.response import BaseHTTPResponse

from worker.connections.channels import ChannelSocket
from worker.connections.pool import SshSession
from worker.connections.socket_refusal import open_engine_socket
from worker.engine.container_host import EngineFacts

OUR_API_VERSION = "1.45"
OLDEST_API_VERSION = "1.40"
CALL_SECONDS = 60  # silence that an ordinary call bears
STREAM_SECONDS = 120.0  # silence that a pull bears
_KEPT = 8  # channels
_MOST_KNOWN = 2_000
_BASE_URL = "http://docker:80"  # a name only: the adapter leads everything to the channel

T = TypeVar("T")
Kind = tuple[str, str, str, str]
_KNOWN: dict[Kind, Mapping[str, Any]] = {}
"""What engines said of themselves in `/version`, for the life of this process."""

_REMEMBERED: dict[Kind, tuple[float, EngineFacts]] = {}
"""And in `/info`, for which an engine runs two programs as well: where its files are, what it can do. Since when."""

_LATELY = 600.0  # seconds


class _ChannelConnection(HTTPConnection):
    """An HTTP connection whose socket is a channel."""

    def __init__(self, session: SshSession, socket_path: str) -> None:
        super().__init__("docker")
        self._session, self._socket_path = session, socket_path
        self._channel: ChannelSocket | None = None

    def connect(self) -> None:
        """Open the channel; its errors are the engine's own and pass as they are."""
        self._channel = open_engine_socket(self._session, self._socket_path)
        self._channel.settimeout(self.timeout)
        self.sock = self._channel

    @property
    def is_connected(self) -> bool:
        """May a next request use it? (urllib3's own way needs a file number, which a channel hasn't.)"""
        return self.sock is not None and self._channel is not None and self._channel.reusable


class _ChannelPool(HTTPConnectionPool):
    """Keeps channels open between calls, so that a call costs one round trip."""

    def __init__(self, session: SshSession, socket_path: str) -> None:
        super().__init__("docker", maxsize=_KEPT, block=False)
        self._session, self._socket_path = session, socket_path

    def _new_conn(self) -> _ChannelConnection:
        return _ChannelConnection(self._session, self._socket_path)

    def urlopen(self, method: str, url: str, *rest: Any, **how: Any) -> BaseHTTPResponse:
        """A question that the engine left without any answer is asked once more, on another channel.

        One that was kept may have been ended by the other side at that very moment. What changes something may have been
        done nonetheless: that is for the caller to look at.
        """
        try:
            return super().urlopen(method, url, *rest, **how)
        except ProtocolError:
            if method not in ("GET", "HEAD"):
                raise
            return super().urlopen(method, url, *rest, **how)


class _ChannelAdapter(HTTPAdapter):
    """Sends every request through the one pool."""

    def __init__(self, session: SshSession, socket_path: str) -> None:
        super().__init__(max_retries=0)
        self._channels = _ChannelPool(session, socket_path)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """There is one engine behind this adapter, whatever the address says."""
        return self._channels

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """The SDK sets no deadline where it streams: such a stream, too, has to say something now and then."""
        silence = STREAM_SECONDS if timeout is None else timeout
        return super().send(request, stream, (10.0, silence), verify, cert)

    def close(self) -> None:
        """Close the channels."""
        self._channels.close()
        super().close()


class EngineClient(docker.APIClient):
    """Speaks the newest API version that both sides know.

    What lies in the worker's home is not the servers' business: no ~/.docker/config.json, no netrc, no proxy variables.
    """

    def __init__(self, session: SshSession, socket_path: str) -> None:
        super().__init__(base_url=_BASE_URL, version=OLDEST_API_VERSION, timeout=CALL_SECONDS)
        self.trust_env = False
        self._auth_configs = AuthConfig({})
        self._general_configs: dict[str, Any] = {}
        self.mount("http://", _ChannelAdapter(session, socket_path))
        ping = self.get(f"{_BASE_URL}/_ping", timeout=CALL_SECONDS)
        self._raise_for_status(ping)
        self._kind = _kind(session, socket_path, ping.headers)
        known = ping.headers.get("Api-Version") or self.engine.get("ApiVersion", OLDEST_API_VERSION)
        self._version = _older(str(known), OUR_API_VERSION)

    @cached_property
    def engine(self) -> Mapping[str, Any]:
        """What `/version` says. For that an engine runs two programs, so one of the same kind on the same server isn't asked again."""
        if self._kind is None:
            return cast("Mapping[str, Any]", self.version(api_version=False))
        found = _KNOWN.get(self._kind)
        if found is None:
            found = self.version(api_version=False)
            _keep(_KNOWN, self._kind, found)
        return found

    @property
    def remembered(self) -> EngineFacts | None:
        """What such an engine here said of itself lately, without what changes by the moment."""
        at, facts = _REMEMBERED.get(self._kind, (0.0, None)) if self._kind else (0.0, None)
        return facts if time.monotonic() - at < _LATELY else None

    def remember(self, facts: EngineFacts) -> None:
        """For whoever comes next, on another connection."""
        if self._kind is not None:
            _keep(_REMEMBERED, self._kind, (time.monotonic(), facts))

    if TYPE_CHECKING:  # without types in the stubs

        def _raise_for_status(self, response: Response) -> None: ...
        def inspect_distribution(self, image: str, auth_config: Any = None) -> Any: ...
        def history(self, image: str) -> Any: ...
        def inspect_image(self, image: str) -> Any: ...
        def create_container_from_config(self, config: Any, name: Any = None, platform: Any = None) -> Any: ...


def _kind(session: SshSession, socket_path: str, said: Mapping[str, str]) -> Kind | None:
    """Which machine, which socket, which engine of which version; None where that isn't told."""
    machine = session.transport.host_key_name
    engine, speaks = said.get("Server", ""), said.get("Api-Version", "")
    return (machine, socket_path, engine, speaks) if machine and engine and speaks else None


def _keep(memory: dict[Kind, T], kind: Kind, value: T) -> None:
    """Never more than so many: whoever is forgotten is asked again."""
    if len(memory) >= _MOST_KNOWN:
        memory.clear()
    memory[kind] = value


def _older(one: str, other: str) -> str:
    return min(one, other, key=lambda version: [int(part) for part in version.split(".") if part.isdigit()])
