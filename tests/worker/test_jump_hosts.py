"""What a worker makes of servers behind others: each hop's own login, and alarms at the server that they are about."""

import pytest

from deployments.models import Host
from deployments.sealing import seal
from deployments.sightings import where
from deployments.states import HostState
from tests.deployments.world import KEY, KEY_TYPE, OTHER_KEY, World, make_world
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, KeyAlarm, host_connection, secrets_of
from worker.engine.errors import HostKeyChanged

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """A shop on two servers; the second stands behind the first."""
    world = make_world(servers=2)
    first, second = Host.objects.order_by("name")
    for host in (first, second):
        trusted = {"host_key": KEY, "host_key_type": KEY_TYPE, "state": HostState.READY}
        Host.objects.filter(pk=host.pk).update(private_key=seal(f"key of {host.name}"), **trusted)
    Host.objects.filter(pk=second.pk).update(via=first)
    return world


def hosts() -> tuple[Host, Host]:
    first, second = Host.objects.order_by("name")
    return first, second


def test_each_hop_has_its_own_login(world: World) -> None:
    first, second = hosts()
    connection = host_connection(second)
    assert [hop.address.host_name for hop in connection.address.way()] == [first.name]
    assert [each.reveal() for each in secrets_of(connection)] == [f"key of {second.name}", f"key of {first.name}"]
    assert connection.address.where == where(second)


def test_a_hop_that_cannot_be_used_is_named(world: World) -> None:
    first, second = hosts()
    Host.objects.filter(pk=first.pk).update(state=HostState.KEY_CHANGED)
    with pytest.raises(KeyAlarm, match=f"{first.name} showed another host key"):
        host_connection(hosts()[1])
    Host.objects.filter(pk=first.pk).update(host_key="")
    with pytest.raises(CannotBrief, match=f"The host key of {first.name} is not confirmed"):
        host_connection(hosts()[1])
    assert second.is_trusted


def test_the_alarm_is_that_of_the_server_that_showed_the_key(world: World) -> None:
    first, second = hosts()
    error = HostKeyChanged(
        "changed", offered_type=KEY_TYPE, offered_key=OTHER_KEY, host_name=first.name, where=where(first)
    )
    sound_alarm(second.pk, where(second), error)
    first, second = hosts()
    assert (first.state, second.state) == (HostState.KEY_CHANGED, HostState.READY)
