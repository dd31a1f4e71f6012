"""What a worker makes of servers behind others: each hop's own login, and alarms at the server that they are about."""

from collections.abc import Callable

import pytest

from deployments.inventory import hosts as inventory
from deployments.models import Host, Operation
from deployments.sealing import seal
from deployments.sightings import where
from deployments.states import HostState
from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.deployments.world import KEY, KEY_TYPE, OTHER_KEY, World, make_world
from tests.real_parts import SshKey
from worker import servers
from worker.alarms import sound_alarm
from worker.brief import CannotBrief, KeyAlarm, host_connection, secrets_of
from worker.engine.errors import HostKeyChanged
from worker.keeper import Keeper
from worker.operations import running

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


def sshd_as(host: Host, server: SshServer, key: SshKey) -> None:
    """This row is about that sshd, and logs in with that key; nobody trusts it yet."""
    Host.objects.filter(pk=host.pk).update(
        address=server.address,
        port=server.port,
        user=server.user,
        private_key=seal(key.private),
        host_key="",
        host_key_type="",
        state=HostState.NEW,
    )


def run(operation: Operation, keeper: Keeper) -> Operation:
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


@pytest.mark.real
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_met_trusted_and_checked_through_a_real_jump_host(
    world: World, keeper: Keeper, make_sshd: Callable[..., SshServer], ssh_key: SshKey, engine: DockerEngine
) -> None:
    gate, behind = make_sshd(), make_sshd()
    first, second = hosts()
    for host, server in ((first, gate), (second, behind)):
        sshd_as(host, server, ssh_key)
        Host.objects.filter(pk=host.pk).update(docker_socket=str(engine.socket))
    actor = world.actor

    waits = run(inventory.meet(actor=actor, host=second), keeper)
    assert (waits.status, "is not confirmed" in waits.result["what"]) == ("failed", True)
    run(inventory.meet(actor=actor, host=first), keeper)
    for host, server in ((first, gate), (second, behind)):
        host.refresh_from_db()
        assert host.offered_key == server.host_key_line().split()[1]
        if host == second:
            assert "publickey" not in server.log.read_text()
        checked = run(inventory.trust_host(actor=actor, host=host, key=host.offered_key), keeper)
        assert checked.status == "succeeded", checked.result
        for each in Operation.objects.filter(kind="meet", status="queued"):
            run(each, keeper)  # what the first check asked for: those behind it are met
    assert [each.state for each in hosts()] == [HostState.READY, HostState.READY]

    servers.pool().close()
    gate.change_host_key()
    broken = run(inventory.check(actor=actor, host=hosts()[1]), keeper)
    first, second = hosts()
    assert f"Server {first.name} shows another host key" in broken.result["what"]
    assert (first.state, second.state) == (HostState.KEY_CHANGED, HostState.UNREACHABLE)
    assert first.name in second.state_text
    again = run(inventory.check(actor=actor, host=second), keeper)
    assert "Nothing is sent to it" in again.result["what"]
