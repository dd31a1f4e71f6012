"""Servers reached through others: what a way may look like, and what changing it does."""

from typing import Any

import pytest

from deployments import sightings
from deployments.errors import FieldErrors, Refused
from deployments.inventory import hosts
from deployments.models import AuditEntry, Host, Operation
from deployments.states import HostState
from tests.deployments.world import KEY, KEY_TYPE, OTHER_KEY, World, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def register(world: World, name: str, via: Host | None = None, **changes: Any) -> Host:
    """A server whose key is confirmed."""
    host, _operation = hosts.register_host(
        actor=world.actor, name=name, address=f"{name}.example.com", via=via, **changes
    )
    Host.objects.filter(pk=host.pk).update(host_key=KEY, host_key_type=KEY_TYPE, state=HostState.READY)
    host.refresh_from_db()
    return host


def chain(world: World, length: int) -> list[Host]:
    """b1, and b2 behind it, and so on."""
    made: list[Host] = []
    for number in range(1, length + 1):
        made.append(register(world, f"b{number}", made[-1] if made else None))
    return made


def test_a_server_behind_another(world: World) -> None:
    bastion = register(world, "bastion")
    host = register(world, "web-9", bastion)
    assert host.via == bastion
    assert AuditEntry.objects.get(action="host.register", object_name="web-9").after["via"] == "bastion"
    assert sightings.where(host) == ("web-9.example.com", 22, "bastion")


def test_the_next_server_must_be_trusted_and_in_use(world: World) -> None:
    stranger, _operation = hosts.register_host(actor=world.actor, name="bastion", address="192.0.2.1")
    with pytest.raises(FieldErrors, match="not confirmed yet"):
        register(world, "web-9", stranger)
    retired = register(world, "old")
    hosts.retire_host(actor=world.actor, host=retired)
    retired.refresh_from_db()
    with pytest.raises(FieldErrors, match="retired"):
        register(world, "web-9", retired)
    assert not Host.objects.filter(name="web-9").exists()


def test_no_way_leads_in_a_circle(world: World) -> None:
    first, second, third = chain(world, 3)
    with pytest.raises(FieldErrors, match="in a circle: the way to b3 leads through b1"):
        hosts.update_host(actor=world.actor, host=first, via=third)
    with pytest.raises(FieldErrors, match="Not through itself"):
        hosts.update_host(actor=world.actor, host=second, via=second)
    first.refresh_from_db()
    assert first.via is None


def test_no_way_is_longer_than_four(world: World) -> None:
    made = chain(world, 5)
    with pytest.raises(FieldErrors, match="makes 5 servers"):
        register(world, "web-9", made[-1])
    other = register(world, "b0")
    with pytest.raises(FieldErrors, match="makes 5 servers"):
        hosts.update_host(actor=world.actor, host=made[0], via=other)


def test_another_way_is_another_server(world: World) -> None:
    bastion, other = register(world, "bastion"), register(world, "other")
    host = register(world, "web-9", bastion)
    before = host.public_key
    host, operation = hosts.update_host(actor=world.actor, host=host, via=other)
    assert (host.is_trusted, host.state, host.public_key != before) == (False, HostState.NEW, True)
    assert operation is not None
    assert operation.kind == Operation.Kind.MEET
    entry = AuditEntry.objects.get(action="host.update", object_name="web-9")
    assert (entry.before["via"], entry.after["via"]) == ("bastion", "other")


def test_what_was_seen_another_way_counts_for_nothing(world: World) -> None:
    bastion = register(world, "bastion")
    host = register(world, "web-9", bastion)
    sightings.host_key_changed(host.pk, (host.address, host.port), KEY_TYPE, OTHER_KEY)
    host.refresh_from_db()
    assert host.state == HostState.READY
    assert not sightings.containers_seen(host.pk, (host.address, host.port), [{"name": "x"}])
    assert sightings.containers_seen(host.pk, sightings.where(host), [{"name": "x"}])
    sightings.host_key_changed(host.pk, sightings.where(host), KEY_TYPE, OTHER_KEY)
    host.refresh_from_db()
    assert host.state == HostState.KEY_CHANGED


def test_a_server_on_the_way_is_not_retired(world: World) -> None:
    bastion = register(world, "bastion")
    host = register(world, "web-9", bastion)
    with pytest.raises(Refused, match="The way to web-9 leads through bastion"):
        hosts.retire_host(actor=world.actor, host=bastion)
    hosts.retire_host(actor=world.actor, host=host)
    hosts.retire_host(actor=world.actor, host=bastion)


def test_those_behind_are_met_once_the_way_is_open(world: World) -> None:
    bastion = register(world, "bastion")
    host, operation = hosts.register_host(actor=world.actor, name="web-9", address="10.0.0.9", via=bastion)
    Operation.objects.filter(pk=operation.pk).update(status="failed")
    register(world, "web-8", bastion)
    for _ in range(2):
        hosts.meet_behind(bastion)
    assert [each.host for each in Operation.objects.filter(kind="meet", status="queued", host__via=bastion)].count(
        host
    ) == 1
