"""A small stage for the engine's tests: one Placement, one in-memory server, and what a person would see of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.connections.fake_container import FakeContainer
from worker.engine.events import Ended, Event, Line, StepEnded, StepStarted, Wrote
from worker.engine.rollout import deploy
from worker.engine.spec import (
    ContainerSpec,
    DeploySpec,
    HealthSpec,
    Identity,
    ImageSpec,
    PortSpec,
    VolumeSpec,
)

SHOP = "registry.test/shop"
HTTP = HealthSpec(kind="http", port=5000, interval=0.2, passes=2, deadline=10)
STOP_FIRST = ContainerSpec(
    ports=(PortSpec(5000, 5000),), volumes=(VolumeSpec("shop-data", "/data"),), health=HTTP, stop_timeout=5
)
START_FIRST = ContainerSpec(network="shop-net", network_aliases=("shop",), health=HTTP, stop_timeout=5)
FIXED = {"stop-first": STOP_FIRST, "start-first": START_FIRST}

NEVER_HEALTHY = Behaviour(healthy_after=None)
EXITS = Behaviour(exits_after=0.3, exit_code=3, healthy_after=None)


@dataclass
class Stage:
    """A server and the specs of the Releases that are brought to it; every attempt gets the next fence."""

    container: ContainerSpec = STOP_FIRST
    server: FakeServer = field(default_factory=FakeServer)
    fence: int = 0
    incumbent_target: int | None = None
    touched: bool = False  # an attempt said so

    def publish(self, release: int, behaviour: Behaviour | None = None, **fields: Any) -> str:
        """Push the image of a Release."""
        return self.server.images.publish(SHOP, str(release), behaviour=behaviour or Behaviour(), **fields)

    def spec(self, release: int, target: int | None = None) -> DeploySpec:
        """The next attempt's spec for a Release; its Target is by default numbered like it."""
        self.fence += 1
        reference = self.server.images.published[f"{SHOP}:{release}"].digest
        identity = Identity(
            installation="test",
            placement=7,
            placement_name="shop-production",
            release=release,
            deployment=100 + (target or release),
            target=target or release,
            fence=self.fence,
            incumbent_target=self.incumbent_target,
        )
        return DeploySpec(
            identity=identity,
            image=ImageSpec(reference=f"{SHOP}@{reference}", digest=reference, tag=str(release)),
            container=self.container,
            incumbent_health=HTTP,
            incumbent_networks=self.container.networks if self.incumbent_target else (),
            keep_releases=tuple(range(max(1, release - 4), release + 1)),
            host_name=self.server.name,
            touched=self.touched,
        )

    def deploy(self, release: int, host: FakeHost | None = None) -> list[Event]:
        """One attempt; what it said."""
        events = list(deploy(self.spec(release), host or FakeHost(self.server)))
        if ended(events).verdict == "succeeded":
            self.incumbent_target = release
        return events

    def serving_first(self, release: int = 1, behaviour: Behaviour | None = None, **fields: object) -> "Stage":
        """Start the play with this Release serving."""
        self.publish(release, behaviour, **fields)
        assert ended(self.deploy(release)).verdict == "succeeded"
        return self

    def containers(self) -> list[FakeContainer]:
        """All on the server."""
        return list(self.server.containers.values())

    def serving(self) -> list[int]:
        """The Releases whose containers run and are healthy."""
        return [
            int(each.body["Labels"]["estiva.release"])
            for each in self.containers()
            if each.status == "running" and each.behaviour.healthy_at(each.age(self.server.now))
        ]

    def names(self) -> list[str]:
        """All containers' names."""
        return sorted(each.name for each in self.containers())


def interrupted(events: Iterator[Event], into: list[Event], error: type[Exception]) -> None:
    """Run an attempt that is expected to be cut off; what it said until then goes into `into`."""
    try:
        into.extend(events)  # keeps what came before the error
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def ended(events: list[Event]) -> Ended:
    """The last event."""
    last = events[-1]
    assert isinstance(last, Ended), last
    return last


def lines(events: list[Event]) -> list[str]:
    """The log's text."""
    several = [
        (event,) if isinstance(event, Line) else event.lines for event in events if isinstance(event, Line | Wrote)
    ]
    return [line.text for each in several for line in each]


def wrote(events: Iterable[Event], stream: str = "") -> list[str]:
    """What containers wrote, or what they wrote there."""
    several = [each for event in events if isinstance(event, Wrote) for each in event.lines]
    return [each.text for each in several if stream in ("", each.stream)]


def steps(events: list[Event]) -> list[tuple[str, str]]:
    """The steps and how each ended; fails where they aren't properly closed."""
    found: list[tuple[str, str]] = []
    current: str | None = None
    for event in events:
        if isinstance(event, StepStarted):
            assert current is None, f"{event.step} begins inside {current}"
            current = event.step
        elif isinstance(event, StepEnded):
            assert current == event.step, f"{event.step} ends inside {current}"
            found.append((event.step, event.result))
            current = None
    assert current is None, f"{current} was not closed"
    return found


def health(**fields: object) -> HealthSpec:
    """The usual HTTP check with differences."""
    return replace(HTTP, **fields)  # type: ignore[arg-type]
