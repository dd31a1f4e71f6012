"""A three-service Compose application on a real server, deployed with the server's own Compose."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from parts.dockerd import DockerEngine
from parts.processes import free_port
from parts.sshd import SshServer
from tests.real_parts import Pushed, SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from tests.worker.engine.stage import ended
from worker.connections.compose import ComposeDockerHost
from worker.connections.compose_yaml import read_document
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.compose.rollout import deploy_compose
from worker.engine.compose.spec import ComposeSpec, Composition
from worker.engine.container_host import Container
from worker.engine.events import Event
from worker.engine.spec import Identity

PROJECT = "shop-production"
FILE = """
services:
  web:
    image: {web}
    ports: ["127.0.0.1:{port}:5000"]
    environment: &greeted
      SAMPLE_GREETING: ${{GREETING:-hello}}
    depends_on: [db]
    restart: unless-stopped
    stop_grace_period: 2s
  db:
    image: {db}
    environment: *greeted
    volumes: [data:/data]
    restart: unless-stopped
    stop_grace_period: 2s
  cache:
    image: {db}
    restart: unless-stopped
    stop_grace_period: 2s
volumes:
  data:
"""


@dataclass
class ComposeStage:
    """Each attempt has its own connection and the next fence; what succeeded is the next one's way back."""

    pool: Pool
    sshd: SshServer
    key: SshKey
    engine: DockerEngine
    images: SampleImages
    port: int = field(default_factory=free_port)
    fence: int = 0
    previous: Composition | None = None

    def web(self, version: str, **variant: Any) -> Pushed:
        """The image with a health check of its own."""
        variant.setdefault("healthcheck", True)
        return self.images.push(version, name="team/web", **variant)

    def text(self, web: Pushed, addition: str = "") -> str:
        """The application's file."""
        db = self.images.push("db", name="team/db")
        return FILE.format(web=web.reference, db=db.reference, port=self.port) + addition

    def spec(self, release: int, text: str, target: int | None = None, **fields: Any) -> ComposeSpec:
        """The next attempt's spec."""
        self.fence += 1
        number = target or release
        identity = Identity("it", 7, PROJECT, release, 100 + number, number, self.fence)
        kept = {key: fields.pop(key) for key in ("environment", "files", "images") if key in fields}
        wanted = Composition(release, (read_document("compose.yaml", text),), **kept)
        fields = {"wait_seconds": 20, "settle_seconds": 0.5, "previous": self.previous, **fields}
        return ComposeSpec(identity, PROJECT, wanted, host_name="web-1", **fields)

    @contextmanager
    def host(self, signals: Signals | None = None) -> Iterator[ComposeDockerHost]:
        """A connection of its own."""
        session = self.pool.session(
            address_of(self.sshd), credential_of(self.key), host_key_of(self.sshd), signals or Signals()
        )
        with session:
            yield ComposeDockerHost(session, str(self.engine.socket))

    def deploy(self, release: int, text: str, signals: Signals | None = None, **fields: Any) -> list[Event]:
        """One attempt to its end."""
        spec = self.spec(release, text, **fields)
        with self.host(signals) as host:
            events = list(deploy_compose(spec, host))
        if ended(events).verdict == "succeeded":
            self.previous = replace(spec.wanted)
        return events

    def containers(self) -> dict[str, Container]:
        """By service; more than one of a service are an error of their own."""
        with self.host() as host:
            found = host.containers({"com.docker.compose.project": PROJECT})
        services = {each.labels["com.docker.compose.service"]: each for each in found}
        assert len(services) == len(found), [each.name for each in found]
        return services

    def running(self) -> dict[str, str]:
        """Service to the Release that made its container."""
        return {name: each.labels["estiva.release"] for name, each in self.containers().items() if each.running}


def lock_file() -> Path:
    """Where the login user's commands begin."""
    return Path.home() / f".estiva-{PROJECT}.lock"
