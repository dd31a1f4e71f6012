"""Transports are shared, channels are not."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parts.dockerd import DockerEngine
from parts.processes import descendants
from parts.sshd import SshServer
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool, SshSession
from worker.connections.room import ask_machine
from worker.connections.signals import Signals
from worker.engine.errors import ConnectionLost, HostLost, LeaseLost


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def session_on(pool: Pool, server: SshServer, key: SshKey, signals: Signals | None = None) -> SshSession:
    return pool.session(address_of(server), credential_of(key), host_key_of(server), signals)


def logins(server: SshServer) -> int:
    return server.log.read_text().count("Accepted publickey")


def sockets_of(server: SshServer) -> int:
    """The sockets that sshd's sessions hold, as the kernel counts them."""
    files = [each for pid in descendants(server.process.pid) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(str(each.readlink()).startswith("socket:") for each in files)


def test_sessions_share_a_transport_and_close_only_their_own(
    pool: Pool, make_sshd: Callable[..., SshServer], engine: DockerEngine, ssh_key: SshKey
) -> None:
    server = make_sshd()
    with session_on(pool, server, ssh_key) as one:
        first = DockerHost(one, str(engine.socket))
        first.facts()
        held = sockets_of(server)
        with session_on(pool, server, ssh_key) as other:
            assert other.transport is one.transport
            second = DockerHost(other, str(engine.socket))
            second.facts()
            channel = other.to_unix_socket(str(engine.socket))
            assert sockets_of(server) == held + 2
        with pytest.raises(HostLost, match="closed"):
            second.facts()
        assert channel.ready
        first.facts()
    assert one.transport.is_active()
    assert all(channel.closed for channel in one.transport._channels.values())
    waiting = threading.Event()
    for _ in range(100):  # sshd closes its side a moment later
        if sockets_of(server) == held - 1:
            break
        waiting.wait(0.02)
    assert sockets_of(server) == held - 1
    assert logins(server) == 1


def test_a_crowd_makes_one_handshake(
    pool: Pool, make_sshd: Callable[..., SshServer], engine: DockerEngine, ssh_key: SshKey
) -> None:
    server = make_sshd()

    def work(_: int) -> int:
        with session_on(pool, server, ssh_key) as session:
            host = DockerHost(session, str(engine.socket))
            return sum(host.container("nobody") is None for _ in range(5))

    with ThreadPoolExecutor(20) as crowd:
        assert list(crowd.map(work, range(20))) == [5] * 20
    assert logins(server) == 1


def test_handshakes_stay_below_what_sshd_bears(make_sshd: Callable[..., SshServer], ssh_key: SshKey) -> None:
    server = make_sshd(options={"MaxStartups": "10:100:10"})
    pools = [Pool() for _ in range(24)]
    with ThreadPoolExecutor(24) as crowd:
        sessions = list(crowd.map(lambda pool: session_on(pool, server, ssh_key), pools))
    assert all(session.alive for session in sessions)
    assert "drop connection" not in server.log.read_text()
    for pool in pools:
        pool.close()


def test_an_idle_transport_is_closed_and_a_used_one_is_not(sshd: SshServer, ssh_key: SshKey) -> None:
    pool = Pool(idle_seconds=0.3)
    used = session_on(pool, sshd, ssh_key)
    with session_on(pool, sshd, ssh_key):
        pass
    used.transport.join(0.6)
    assert used.transport.is_active()
    used.close()
    with session_on(pool, sshd, ssh_key) as again:
        assert again.transport is used.transport
    again.transport.join(10)
    assert not again.transport.is_active()
    pool.close()


def test_a_dead_transport_is_replaced(pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey) -> None:
    server = make_sshd()
    broken = session_on(pool, server, ssh_key)
    server.kill_connections()
    broken.transport.join(10)
    assert not broken.alive
    with session_on(pool, server, ssh_key) as fresh:
        assert fresh.alive
        broken.close()
        broken.close()
        assert fresh.alive
        assert fresh.run(["echo", "a b; $(id)"]).stdout == b"a b; $(id)\n"


def test_a_transport_that_has_not_noticed_its_end_is_used_by_nobody_new(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_on(pool, sshd, ssh_key) as broken:
        monkeypatch.setattr(broken.transport, "_send_user_message", _reset)
        with pytest.raises(ConnectionLost, match="was lost"):
            broken.run(["true"])
        assert broken.transport.is_active()
        with session_on(pool, sshd, ssh_key) as fresh:
            assert fresh.run(["true"]).exit_code == 0


def _reset(_message: object) -> None:
    raise ConnectionResetError("reset by peer")


def test_other_keys_and_other_servers_are_kept_apart(
    pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey
) -> None:
    one, other = make_sshd(), make_sshd()
    assert session_on(pool, one, ssh_key).transport is not session_on(pool, other, ssh_key).transport


def test_both_outputs_are_read_together_and_limited(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    with session_on(pool, sshd, ssh_key) as session:
        script = "head -c 10000000 /dev/zero | tr '\\0' x >&2; head -c 10000000 /dev/zero; exit 7"
        said = session.run(["sh", "-c", script], deadline=20, limit=1000)
        assert (said.exit_code, said.stdout, said.stderr) == (7, b"\0" * 1000, b"x" * 1000)
        with pytest.raises(TimeoutError):
            session.run(["sleep", "30"], deadline=0.3)
        assert session.run(["true"]).exit_code == 0


def test_forty_calls_are_quick(pool: Pool, sshd: SshServer, engine: DockerEngine, ssh_key: SshKey) -> None:
    with session_on(pool, sshd, ssh_key) as session:
        host = DockerHost(session, str(engine.socket))
        host.facts()
        begun = host.now()
        for _ in range(40):
            assert host.container("nobody") is None
        assert host.now() - begun < 1.0  # 40 ms of stall a call would be 1.6 s


def test_a_server_says_what_its_load_is_measured_by(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    with session_on(pool, sshd, ssh_key) as session:
        said = ask_machine(session)
    assert said.cores == os.cpu_count()
    assert said.load is not None
    assert said.memory_total is not None


def test_a_session_does_not_begin_for_one_who_lost_the_lease(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    signals = Signals()
    signals.lost.set()
    with (
        session_on(pool, sshd, ssh_key),  # the transport is there
        session_on(pool, sshd, ssh_key, signals) as session,
        pytest.raises(LeaseLost),
    ):
        session.run(["true"])


def test_the_first_channel_of_a_connection_is_not_held_back(
    sshd: SshServer, engine: DockerEngine, ssh_key: SshKey
) -> None:
    """sshd's host keys go before its answer, and the answer waits until they are acknowledged: 40 ms, each time."""
    seconds = []
    for _ in range(6):
        pool = Pool()
        try:
            with session_on(pool, sshd, ssh_key) as session:
                begun = time.monotonic()
                session.to_unix_socket(str(engine.socket))
                seconds.append(time.monotonic() - begun)
        finally:
            pool.close()
    assert min(seconds) < 0.03, seconds
