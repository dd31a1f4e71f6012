"""An in-memory server with a container of ours and one of somebody else's, and a record that knows of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from worker.connections.fake_images import Behaviour
from worker.connections.fake_server import FakeServer
from worker.connections.signals import Signals

if TYPE_CHECKING:
    from tests.deployments.world import World
    from tests.worker.conftest import Sent
    from worker.connections.fake_room import FakeRoom

IMAGE = "registry.example.com/storefront"
NAME = "storefront-production-r1.f1"


@dataclass
class Room:
    """A shop, its server, and what runs there. `doors` are those that were opened."""

    world: World
    server: FakeServer
    doors: list[FakeRoom]

    @property
    def container(self) -> dict[str, Any]:
        """Ours, as it was last listed."""
        return self.listed(NAME)

    def listed(self, name: str) -> dict[str, Any]:
        """A container as `worker.room.reading` lists it."""
        from worker.brief import installation_name
        from worker.connections.fake_room import FakeRoom
        from worker.room import reading

        found = reading.room(FakeRoom(self.server).listing(), installation_name())
        return next(each for each in found["containers"] if each["name"] == name)

    def status(self, name: str = NAME) -> str:
        """How a container is."""
        return self.server.find(name).status


@pytest.fixture
def room(sent: Sent, transactional_db: None, django_db_serialized_rollback: None) -> Room:
    """Release 1 of the shop runs on web-1, beside somebody's database."""
    from deployments.models import PlacementHost
    from tests import factories as make
    from tests.deployments.world import make_world
    from worker.brief import installation_name

    world = make_world()
    make.ran(make.release(world.placement, "2.4.1"))
    assert PlacementHost.objects.get().running_release is not None
    server = FakeServer("web-1")
    server.images.publish(IMAGE, "2.4.1", behaviour=Behaviour())
    image = server.images.store(f"{IMAGE}:2.4.1")
    labels = {
        "estiva.installation": installation_name(),
        "estiva.placement": str(world.placement.pk),
        "estiva.release": "1",
        "estiva.target": str(PlacementHost.objects.get().running_target_id),
        "estiva.restart": "no",
    }
    for name, more in ((NAME, labels), ("somebodys-database", {})):
        server.create(name, {"Image": image.id, "Labels": more})
        server.start(name)
    return Room(world, server, [])


@pytest.fixture
def doors(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[FakeRoom]:
    """The worker finds the in-memory server behind every door."""
    from worker.connections.fake_room import FakeRoom
    from worker.room import door

    @contextmanager
    def opened(_connection: object, signals: Signals) -> Iterator[FakeRoom]:
        room.doors.append(FakeRoom(room.server, signals))
        yield room.doors[-1]

    monkeypatch.setattr(door, "open_room", opened)
    return room.doors
