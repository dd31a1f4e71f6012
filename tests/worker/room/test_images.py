"""Unused images of ours: exactly those that were shown go, and never what a rollback or anybody else needs."""

from __future__ import annotations

import pytest

from deployments import room, room_images
from deployments.errors import Refused
from deployments.models import Deployment, Operation, Placement
from tests import factories as make
from tests.worker.room.conftest import IMAGE, Room
from worker.brief import installation_name
from worker.connections.fake_room import FakeRoom
from worker.keeper import Keeper
from worker.operations import running

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def kept(room: Room, release: int, name: str = "storefront-production", repository: str = IMAGE) -> str:
    """An image that Estiva pulled for a Release; its id."""
    reference = room.server.images.publish(repository, f"of-{name}-{release}")
    image = room.server.images.store(reference)
    room.server.images.tag(reference, f"estiva/{installation_name()}/{name}:{release}")
    return image.id


def three_releases(room: Room) -> list[str]:
    """Releases 1, 2 and 3 ran; the last two are kept."""
    Placement.objects.update(keep_releases=2)
    for _ in range(2):
        make.ran(make.release(room.world.placement, "2.4.1", image=f"{IMAGE}:2.4.1"))
    room.world.placement.releases.update(image=f"{IMAGE}:2.4.1")
    return [kept(room, number) for number in (1, 2, 3)]


def listed(room_: Room, keeper: Keeper) -> list[room_images.Unused]:
    """What is unused, as the page shows it."""
    look = room.look_around(actor=room_.world.actor, host=room_.world.hosts[0])
    running.run(look.pk, keeper)
    look.refresh_from_db()
    return room_images.unused(look.result["images"])


def remove(room: Room, keeper: Keeper, *ids: str) -> Operation:
    """Ana clicks."""
    operation = room_images.request_removal(actor=room.world.actor, host=room.world.hosts[0], chosen=ids)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


def test_exactly_what_was_shown_goes(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    old, *_rest = three_releases(room)
    stray = kept(room, 4, "long-gone")
    found = listed(room, keeper)
    assert {each.id for each in found} == {old}, "an image pulled under a name that is not on record stays"
    before = set(room.server.images.local)
    operation = remove(room, keeper, old)
    assert operation.result["left"] == []
    assert operation.result["bytes"] == 10_000_000
    assert before - set(room.server.images.local) == {old}
    assert stray in room.server.images.local
    assert listed(room, keeper) == []


def test_what_was_built_for_nobody_known_goes_too(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    built = room.server.images.build("built")
    room.server.images.local[built] = room.server.images.built[built]
    room.server.images.tag(built, f"estiva/{installation_name()}/long-gone:4")
    assert [each.id for each in listed(room, keeper)] == [built]


def test_others_images_are_not_shown(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    old, *_rest = three_releases(room)
    room.server.images.tag(old, "somebodys/name:1")
    room.server.images.store(room.server.images.publish("postgres", "15"))
    room.server.images.build("other")
    assert listed(room, keeper) == []


def test_while_a_deployment_is_open_nothing_of_it_goes(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    old, *_rest = three_releases(room)
    Deployment.objects.filter(pk=Deployment.objects.latest("pk").pk).update(status="queued")
    assert listed(room, keeper) == []
    with pytest.raises(Refused, match="not what it was"):
        remove(room, keeper, old)


def test_what_came_into_use_meanwhile_stays(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    old, *_rest = three_releases(room)
    listed(room, keeper)
    operation = room_images.request_removal(actor=room.world.actor, host=room.world.hosts[0], chosen=[old])
    room.server.create("somebodys", {"Image": old})
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert [why for _name, why in operation.result["left"]] == ["a container uses it"]
    assert old in room.server.images.local


def test_what_got_another_name_meanwhile_stays(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    old, *_rest = three_releases(room)
    listed(room, keeper)
    operation = room_images.request_removal(actor=room.world.actor, host=room.world.hosts[0], chosen=[old])
    room.server.images.tag(old, "somebodys/name:1")
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert [why for _name, why in operation.result["left"]] == ["it bears other names than were shown"]


def test_nothing_but_what_is_listed_can_be_asked_for(room: Room, doors: list[FakeRoom], keeper: Keeper) -> None:
    _old, needed, _newest = three_releases(room)
    listed(room, keeper)
    for chosen in ([needed], [], ["sha256:made-up"]):
        with pytest.raises(Refused):
            remove(room, keeper, *chosen)
