"""A Placement of the sample application on a real server, and connections that break where a test wants them to."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from parts.dockerd import DockerEngine
from parts.podman import Podman
from parts.processes import free_port
from parts.rootless_podman import RootlessPodman
from parts.sshd import SshServer
from tests.real_parts import Pushed, SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from tests.worker.engine.stage import ended
from worker.connections.docker import DockerHost
from worker.connections.fake import CHANGING
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.container_host import Container, ContainerHost
from worker.engine.events import Ended, Event
from worker.engine.rollout import deploy
from worker.engine.spec import ContainerSpec, DeploySpec, HealthSpec, Identity, ImageSpec, PortSpec, VolumeSpec

HEALTH = HealthSpec(kind="http", port=5000, path="/healthz", interval=0.2, passes=2, deadline=15, timeout=1)
IMPATIENT = 1.0  # where a version never gets well: nobody need wait long to see it
LABELS = {"estiva.installation": "it", "estiva.placement": "7"}


class Breaking:
    """A host whose nth change (pulls not counted) runs an action before or after it, which may raise. Everything else goes through."""

    def __init__(
        self, host: ContainerHost, n: int = 0, when: str = "before", action: Callable[[], None] | None = None
    ) -> None:
        self._host, self._n, self._when, self._action = host, n, when, action
        self.changes: list[str] = []
        self._counting = threading.Lock()  # some changes are made at the same time

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._host, name)
        if name not in CHANGING - {"pull"}:
            return call

        def counted(*arguments: Any, **options: Any) -> Any:
            with self._counting:
                self.changes.append(name)
                struck = len(self.changes) == self._n and self._action is not None
            if struck and self._when == "before" and self._action:
                self._action()
            answer = call(*arguments, **options)
            if struck and self._when == "after" and self._action:
                self._action()
            return answer

        return counted


@dataclass
class RealStage:
    """One Placement; each attempt has its own connection and the next fence."""

    pool: Pool
    sshd: SshServer
    key: SshKey
    engine: DockerEngine | Podman | RootlessPodman
    images: SampleImages
    container: ContainerSpec = ContainerSpec()  # noqa: RUF009 - frozen
    port: int = field(default_factory=free_port)
    fence: int = 0
    incumbent_target: int | None = None

    def stop_first(self, **fields: Any) -> "RealStage":
        """A published port and a volume."""
        self.container = ContainerSpec(
            ports=(PortSpec(5000, self.port, "127.0.0.1"),),
            volumes=(VolumeSpec("shop-data", "/data"),),
            health=HEALTH,
            stop_timeout=2,
        )
        self.container = replace(self.container, **fields)
        return self

    def start_first(self, **fields: Any) -> "RealStage":
        """A network with an alias."""
        self.container = ContainerSpec(network="shop-net", network_aliases=("shop",), health=HEALTH, stop_timeout=2)
        self.container = replace(self.container, **fields)
        return self

    @contextmanager
    def host(self, signals: Signals | None = None) -> Iterator[DockerHost]:
        """A connection of its own."""
        session = self.pool.session(
            address_of(self.sshd), credential_of(self.key), host_key_of(self.sshd), signals or Signals()
        )
        with session:
            yield DockerHost(session, str(self.engine.socket))

    def spec(self, release: int, image: Pushed, target: int | None = None, patience: float | None = None) -> DeploySpec:
        """The next attempt's spec; `patience`: how many seconds the new version has to get well."""
        self.fence += 1
        identity = Identity(
            "it", 7, "shop-production", release, 100 + release, target or release, self.fence, self.incumbent_target
        )
        reference = ImageSpec(image.pinned, image.digest, image.tag)
        keep = tuple(range(max(1, release - 1), release + 1))
        container = self.container
        if patience is not None:
            container = replace(container, health=replace(container.health, deadline=patience))
        return DeploySpec(identity, reference, container, HEALTH, keep, host_name="web-1")

    def deploy(
        self, release: int, image: Pushed, signals: Signals | None = None, patience: float | None = None
    ) -> list[Event]:
        """One attempt to its end."""
        with self.host(signals) as host:
            events = list(deploy(self.spec(release, image, patience=patience), host))
        if ended(events).verdict == "succeeded":
            self.incumbent_target = release
        return events

    def containers(self) -> list[Container]:
        """What is on the server for this Placement."""
        with self.host() as host:
            return list(host.containers(LABELS))

    def running(self) -> list[int]:
        """The Releases that run."""
        return [int(each.labels["estiva.release"]) for each in self.containers() if each.running]

    def answer(self) -> str:
        """What the published port says."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=3) as page:
                return str(page.read().decode())
        except (urllib.error.URLError, OSError) as error:
            return f"no answer: {error}"


def last(events: list[Event]) -> Ended:
    """The verdict."""
    return ended(events)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Wait for something that an engine does in its own time."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
