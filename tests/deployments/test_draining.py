"""A drained server: nothing new is placed there, plans leave it out, what runs there stays on the list."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from deployments import catching_up, draining, requests
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.inventory import hosts
from deployments.inventory.placements import save_placement
from deployments.models import AuditEntry, Host
from tests import factories as make
from tests.deployments.world import World, make_world, place, planned, ready_host, succeed

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """A shop on two servers."""
    return make_world(servers=2)


def test_nothing_new_is_placed_there_and_what_is_placed_may_stay(world: World) -> None:
    one, two = world.hosts
    draining.drain(actor=world.actor, host=two)
    with pytest.raises(FieldErrors, match="web-2 is drained"):
        place(world.actor, world.application, world.staging, [one, two])
    kept = {"image": world.placement.image, "settings": world.placement.settings}
    save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        host_ids=[one.pk, two.pk],
        **kept,
    )
    assert set(world.placement.hosts.all()) == {one, two}


def test_plans_leave_it_out(world: World) -> None:
    before = planned(world)
    draining.drain(actor=world.actor, host=world.hosts[1])
    plan = planned(world)
    assert [row["name"] for row in plan.hosts] == ["web-1"]
    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=before, fingerprint=before.fingerprint)
    deployment = requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)
    assert [target.host_name for target in deployment.targets.all()] == ["web-1"]
    draining.undrain(actor=world.actor, host=world.hosts[1])
    assert [row["name"] for row in planned(world).hosts] == ["web-1", "web-2"]


def test_where_all_are_drained_the_reason_is_said(world: World) -> None:
    for host in world.hosts:
        draining.drain(actor=world.actor, host=host)
    with pytest.raises(Refused, match="All of its servers are drained"):
        requests.request_plan(actor=world.actor, placement=world.placement)


def test_it_says_where_else_everything_runs(world: World) -> None:
    one, two = world.hosts
    make.ran(make.release(world.placement, "2.4.1"))
    alone = place(world.actor, world.application, world.staging, [two])
    found = {row.seat.placement: row.elsewhere for row in draining.placed(two)}
    assert found == {world.placement: ["web-1"], alone: []}
    draining.drain(actor=world.actor, host=one)
    assert {row.seat.placement: row.elsewhere for row in draining.placed(two)} == {world.placement: [], alone: []}


def test_it_is_recorded_and_done_once(world: World) -> None:
    host = draining.drain(actor=world.actor, host=world.hosts[0])
    assert (host.drained_by_name, host.drained_at is not None) == ("Ana Prado", True)
    with pytest.raises(Refused, match="drained already"):
        draining.drain(actor=world.actor, host=host)
    draining.undrain(actor=world.actor, host=host)
    with pytest.raises(Refused, match="in use already"):
        draining.undrain(actor=world.actor, host=host)
    assert list(
        AuditEntry.objects.filter(action__in=("host.drain", "host.undrain")).values_list("action", flat=True)
    ) == [
        "host.undrain",
        "host.drain",
    ]


def test_a_retired_server_is_not_drained(world: World) -> None:
    bare = ready_host(world.actor, "web-9")
    hosts.retire_host(actor=world.actor, host=bare)
    with pytest.raises(Refused, match="retired"):
        draining.drain(actor=world.actor, host=bare)


def test_what_it_missed_is_not_brought_there_meanwhile(world: World) -> None:
    release = succeed(world)
    Host.objects.update(state_since=Now())  # it comes back after that
    world.placement.refresh_from_db()
    world.placement.rollout = {**world.placement.rollout, "catch_up": "auto"}
    world.placement.save(update_fields=("rollout",))
    world.placement.seats.filter(host=world.hosts[1]).update(running_release=None)  # it missed that
    seat = world.placement.seats.get(host=world.hosts[1])
    catching_up.owe(release, [seat.host])
    assert catching_up.due() == [seat.pk]
    draining.drain(actor=world.actor, host=seat.host)
    assert catching_up.due() == []
    with pytest.raises(Refused, match="web-2 is drained"):
        catching_up.catch_up(actor=world.actor, seat_id=seat.pk)
