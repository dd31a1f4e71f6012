"""A small stage for Compose deploys: three services, one in-memory server, and what a person would see of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.connections.fake import Behaviour
from worker.connections.fake_compose import FakeComposeHost, FakeComposeServer
from worker.engine.compose.rollout import deploy_compose
from worker.engine.compose.spec import ComposeSpec, Composition, Document
from worker.engine.events import Event
from worker.engine.spec import Identity

PROJECT = "shop-production"
LABELS = {"estiva.installation": "test", "estiva.placement": "7"}


def three(tag: str = "1", **web: Any) -> dict[str, Any]:
    """web needs db; cache stands alone."""
    return {
        "services": {
            "web": {
                "image": f"registry.test/web:{tag}",
                "depends_on": ["db"],
                "ports": ["8080:5000"],
                "restart": "always",
            }
            | web,
            "db": {"image": "registry.test/db:1", "volumes": ["data:/data"], "restart": "always"},
            "cache": {"image": "registry.test/cache:1", "restart": "always"},
        },
        "volumes": {"data": None},
    }


@dataclass
class Stage:
    """Each attempt gets the next fence; a Release that succeeded is the next one's way back."""

    server: FakeComposeServer = field(default_factory=FakeComposeServer)
    fence: int = 0
    previous: Composition | None = None

    def __post_init__(self) -> None:
        for name in ("db", "cache", "web"):
            self.publish(name, "1")

    def publish(self, name: str, tag: str, behaviour: Behaviour | None = None, **fields: Any) -> str:
        """Push an image; the web has a health check of its own."""
        fields.setdefault("has_healthcheck", name == "web")
        return self.server.images.publish(f"registry.test/{name}", tag, behaviour=behaviour or Behaviour(), **fields)

    def composition(self, release: int, tree: Mapping[str, Any], **fields: Any) -> Composition:
        """Pinned as a plan would have done it."""
        fields.setdefault("images", self._pins(tree))
        return Composition(release, (Document("compose.yaml", tree),), **fields)

    def _pins(self, tree: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        published = self.server.images.published
        pins = []
        for name, body in tree["services"].items():
            image = published.get(body.get("image", ""))
            if image is not None:
                pins.append((name, f"{body['image'].rpartition(':')[0]}@{image.digest}"))
        return tuple(pins)

    def spec(self, release: int, tree: Mapping[str, Any], target: int | None = None, **fields: Any) -> ComposeSpec:
        """The next attempt's spec."""
        self.fence += 1
        number = target or release
        identity = Identity("test", 7, PROJECT, release, 100 + number, number, self.fence)
        kept = {key: fields.pop(key) for key in ("environment", "files", "profiles", "images") if key in fields}
        wanted = self.composition(release, tree, **kept)
        fields.setdefault("previous", self.previous)
        return ComposeSpec(identity, PROJECT, wanted, wait_seconds=10, settle_seconds=1, host_name="web-1", **fields)

    def deploy(
        self, release: int, tree: Mapping[str, Any], host: FakeComposeHost | None = None, **fields: Any
    ) -> list[Event]:
        """One attempt to its end."""
        spec = self.spec(release, tree, **fields)
        events = list(deploy_compose(spec, host or FakeComposeHost(self.server)))
        if getattr(events[-1], "verdict", "") == "succeeded":
            self.previous = spec.wanted
        return events

    def serving(self) -> dict[str, str]:
        """Service to the tag or digest's image of the containers that run and are healthy."""
        found = {}
        tags = {
            image.id: name.rpartition(":")[2] for name, image in self.server.images.published.items() if "@" not in name
        }
        for each in self.server.containers.values():
            if each.running and each.health(self.server.now) in ("", "healthy"):
                found[each.body["Labels"]["com.docker.compose.service"]] = tags[each.image.id]
        return found

    def ids(self) -> dict[str, str]:
        """Service to container ID."""
        return {each.body["Labels"]["com.docker.compose.service"]: each.id for each in self.server.containers.values()}


ALL_ONE = {"web": "1", "db": "1", "cache": "1"}
ALL_TWO = {"web": "2", "db": "1", "cache": "1"}
