"""Servers behind others: each hop with a key and a credential of its own, and errors that name the hop."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from parts.dockerd import DockerEngine
from parts.processes import free_port
from parts.sshd import SshServer
from tests.real_parts import SshKey
from tests.worker.connections.real_server import credential_of, host_key_of
from worker.connections import ssh
from worker.connections.docker import DockerHost
from worker.connections.login import Login, SshAddress
from worker.connections.pool import Pool, SshSession
from worker.connections.signals import Signals
from worker.connections.way import lead_on
from worker.engine.errors import AuthenticationRefused, Cancelled, HostKeyChanged, HostLost

MakeSshd = Callable[..., SshServer]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def login(name: str, sshd: SshServer, key: SshKey, via: Login | None = None) -> Login:
    """How to log in to this sshd, through another one."""
    address = SshAddress(name, sshd.address, sshd.port, sshd.user, via)
    return Login(address, credential_of(key), host_key_of(sshd))


def opened(pool: Pool, to: Login) -> SshSession:
    return pool.session(to.address, to.credential, to.host_key, Signals())


def test_an_engine_behind_two_jump_hosts(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, engine: DockerEngine
) -> None:
    outer, inner, last = make_sshd(), make_sshd(), make_sshd()
    outer_login = login("outer", outer, ssh_key)
    inner_login = login("inner", inner, ssh_key, outer_login)
    with opened(pool, login("web-1", last, ssh_key, inner_login)) as session:
        host = DockerHost(session, str(engine.socket))
        assert host.facts().os_type == "linux"
        assert host.probe_tcp("127.0.0.1", last.port, timeout=2).ok
        assert host.disk_free("/") is not None
        outer.kill_connections()
        with pytest.raises(HostLost, match="On the way to server") as caught:
            host.facts()
        assert "outer" in caught.value.message
    with opened(pool, login("web-1", last, ssh_key, inner_login)) as session:
        assert DockerHost(session, str(engine.socket)).facts().os_type == "linux"


def test_forty_servers_share_one_connection_to_a_jump_host(pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey) -> None:
    bastion = make_sshd(options={"MaxSessions": "1", "MaxStartups": "2:100:2"})
    way = login("bastion", bastion, ssh_key)
    behind: list[Login] = []
    for tens in range(4):  # an sshd at ten addresses is ten servers to whom they are told
        port, addresses = free_port(), [f"127.0.{tens + 1}.{number}" for number in range(1, 11)]
        listening = "\nListenAddress ".join(f"{at}:{port}" for at in ("127.0.0.1", *addresses))
        sshd = make_sshd(port=port, options={"ListenAddress": listening})
        places = [SshAddress(f"web-{at}", at, port, sshd.user, way) for at in addresses]
        behind += [Login(each, credential_of(ssh_key), host_key_of(sshd)) for each in places]
    with ThreadPoolExecutor(40) as many:
        sessions = list(many.map(lambda each: opened(pool, each), behind))
    try:
        assert {each.run(["true"]).exit_code for each in sessions} == {0}
        assert bastion.log.read_text().count("Accepted publickey") == 1
    finally:
        for each in sessions:
            each.close()


def test_a_changed_key_of_a_jump_host_is_told_as_its_own(pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey) -> None:
    bastion, behind = make_sshd(), make_sshd()
    way = login("bastion", bastion, ssh_key)
    target = login("web-1", behind, ssh_key, way)
    bastion.change_host_key()
    already, untouched = bastion.log.read_text(), behind.log.read_text()
    with pytest.raises(HostKeyChanged, match="On the way to server web-1: Server bastion shows") as caught:
        opened(pool, target)
    assert (caught.value.host_name, caught.value.where) == ("bastion", way.address.where)
    assert caught.value.offered_key == host_key_of(bastion).base64
    assert "publickey" not in bastion.log.read_text().removeprefix(already)
    assert behind.log.read_text() == untouched


def test_a_changed_key_behind_a_jump_host_is_told_of_the_one_behind(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey
) -> None:
    bastion, behind = make_sshd(), make_sshd()
    target = login("web-1", behind, ssh_key, login("bastion", bastion, ssh_key))
    behind.change_host_key()
    with pytest.raises(HostKeyChanged, match=r"^Server web-1 shows") as caught:
        opened(pool, target)
    assert (caught.value.host_name, caught.value.where) == ("web-1", target.address.where)
    assert "publickey" not in behind.log.read_text()


def test_errors_name_the_hop(pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, sshd: SshServer) -> None:
    stranger = make_sshd()
    stranger.revoke_all()
    with pytest.raises(AuthenticationRefused, match="On the way to server web-1: Server bastion refused the login"):
        opened(pool, login("web-1", sshd, ssh_key, login("bastion", stranger, ssh_key)))
    strict = make_sshd(options={"AllowTcpForwarding": "no"})
    with pytest.raises(HostLost, match="sshd on server bastion forbids leading on") as forbidden:
        opened(pool, login("web-1", sshd, ssh_key, login("bastion", strict, ssh_key)))
    assert "sshd_config of bastion" in forbidden.value.remedy
    closed = SshAddress("web-1", "127.0.0.1", free_port(), "root", login("bastion", sshd, ssh_key))
    with pytest.raises(HostLost, match=r"Server web-1 does not answer at .* through bastion") as down:
        pool.session(closed, credential_of(ssh_key), host_key_of(sshd))
    assert "bastion was told: Connection refused" in down.value.why


def test_meeting_through_a_jump_host_sends_no_credential(pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey) -> None:
    bastion, behind = make_sshd(), make_sshd()
    address = login("web-1", behind, ssh_key, login("bastion", bastion, ssh_key)).address
    way = pool.way_to(address, Signals())
    assert way is not None
    with way:
        offered = ssh.offered_host_key(lead_on(way, address, 5), address)
    assert offered.key == host_key_of(behind)
    assert "publickey" not in behind.log.read_text()


def test_a_silent_server_behind_a_jump_host_is_noticed(
    make_sshd: MakeSshd, ssh_key: SshKey, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    monkeypatch.setattr(ssh, "KEEPALIVE_SECONDS", 0.2)
    bastion, behind = make_sshd(), make_sshd()
    with opened(pool, login("web-1", behind, ssh_key, login("bastion", bastion, ssh_key))) as session:
        assert session.run(["true"]).exit_code == 0
        monkeypatch.setattr(session.transport, "_send_user_message", lambda message: None)  # as if nothing arrived
        ended = threading.Event()
        for _ in range(100):
            if not session.alive or ended.wait(0.05):
                break
        assert not session.alive
        with pytest.raises(HostLost):
            session.run(["true"])


def test_waiting_for_a_jump_host_can_be_given_up(pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey) -> None:
    target = login("web-1", make_sshd(), ssh_key, login("bastion", make_sshd(), ssh_key))
    signals = Signals()
    signals.cancelled.set()
    with pytest.raises(Cancelled):
        pool.session(target.address, target.credential, target.host_key, signals)
