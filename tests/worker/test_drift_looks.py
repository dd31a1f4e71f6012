"""A look at a server while deploys come and go, and where one application there can't be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployments import claims
from deployments.inventory import applications
from deployments.models import Attention, PlacementHost
from tests.deployments.world import World, claimed, deployed, finish, make_world, only_target, place, succeed
from tests.worker.conftest import Sent
from worker.connections.fake import FakeHost
from worker.connections.fake_server import FakeServer
from worker.engine.errors import Cancelled, HostError, HostLost
from worker.operations import doubt
from worker.operations.drift import look_at_seat, look_for_drift

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
GONE = "no container of it is there"


@pytest.fixture
def world(sent: Sent) -> World:
    """One release is on record as running; on the server nothing is."""
    world = make_world()
    succeed(world)
    return world


def during(act: Callable[[], object]) -> FakeHost:
    """A server that is empty, and something happens in Estiva just before it says so."""
    host = FakeHost(FakeServer())
    host.on_call("containers", 1, "before", lambda: (act(), None)[1])
    return host


def drift() -> list[str]:
    return list(PlacementHost.objects.order_by("pk").values_list("drift", flat=True))


def test_what_is_missing_is_drift(world: World) -> None:
    look_for_drift(world.hosts[0], FakeHost(FakeServer()))
    assert GONE in drift()[0]


def test_a_deploy_that_was_claimed_during_the_look_is_no_drift(world: World) -> None:
    target = only_target(deployed(world))
    look_for_drift(world.hosts[0], during(lambda: claimed(target)))
    assert drift() == [""]


def test_one_that_began_and_ended_during_the_look_is_none_either(world: World) -> None:
    """What served before serves again: nothing on record tells that something else was there in between."""
    target = only_target(deployed(world))
    before = PlacementHost.objects.get()
    look_for_drift(world.hosts[0], during(lambda: finish(target, "failed_restored", serving_release=1)))
    now = PlacementHost.objects.get()
    assert (now.running_target, now.observed) == (before.running_target, before.observed)
    assert drift() == [""]


@pytest.mark.parametrize("is_stalled", [False, True])
def test_beside_a_deploy_that_is_at_work_a_look_at_one_seat_writes_nothing(world: World, is_stalled: bool) -> None:
    claim = claimed(only_target(deployed(world)))
    if is_stalled:
        claims.hand_back_target(claim, reason="The server is away.", delay_seconds=60)
    seat = PlacementHost.objects.select_related("running_release", "placement__application").get()
    _sight, difference = look_at_seat(seat, FakeHost(FakeServer()))
    assert GONE in str(difference["words"])
    assert drift() == [""]


class Refusing(FakeHost):
    """A server that refuses to tell of one placement's containers."""

    def __init__(self, placement: int, error: Exception) -> None:
        super().__init__(FakeServer())
        self.placement, self.error = placement, error

    def containers(self, labels: Any) -> Any:
        if labels.get("estiva.placement") == str(self.placement):
            raise self.error
        return super().containers(labels)


@pytest.fixture
def two(world: World) -> World:
    """Another placement on the same server, with a release on record."""
    other = applications.create_environment(actor=world.actor, name="demo")
    succeed(world, placement=place(world.actor, world.application, other, world.hosts))
    return world


@pytest.mark.parametrize("error", [HostError("no such filter", status=500), KeyError("State")])
def test_one_that_can_not_be_looked_at_keeps_no_other_from_it(two: World, error: Exception) -> None:
    look_for_drift(two.hosts[0], Refusing(two.placement.pk, error))
    first, second = drift()
    assert first == ""
    assert GONE in second


@pytest.mark.parametrize("error", [HostLost("gone"), Cancelled("too late")])
def test_a_server_that_is_lost_is_lost_for_all(two: World, error: Exception) -> None:
    with pytest.raises(type(error)):
        look_for_drift(two.hosts[0], Refusing(two.placement.pk, error))
    assert drift() == ["", ""]


def in_doubt(world: World) -> list[Attention]:
    """Each placement's next deploy ended without anybody seeing how."""
    for seat in PlacementHost.objects.order_by("pk").select_related("placement"):
        finish(only_target(deployed(world, placement=seat.placement)), "needs_attention")
    return list(Attention.objects.order_by("pk"))


@pytest.mark.parametrize("error", [HostError("no such filter", status=500), KeyError("State")])
def test_nor_does_a_doubt(two: World, error: Exception) -> None:
    first, second = in_doubt(two)
    doubt.look_at_doubts(two.hosts[0], Refusing(first.placement_id, error))
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.seen_at is None
    assert second.seen_at is not None


def test_but_a_server_that_is_lost_does(two: World) -> None:
    first, second = in_doubt(two)
    with pytest.raises(HostLost):
        doubt.look_at_doubts(two.hosts[0], Refusing(first.placement_id, HostLost("gone")))
    second.refresh_from_db()
    assert second.seen_at is None
