"""Servers that forbid something: which of the many reasons it is, and what remains possible."""

import socket
from collections.abc import Callable, Iterator

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.engine.errors import HostError, HostLost, SocketRefused


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def refusal(pool: Pool, sshd: SshServer, key: SshKey, socket_path: str, user: str | None = None) -> SocketRefused:
    """How this server refuses the Docker socket."""
    with pool.session(address_of(sshd, user=user), credential_of(key), host_key_of(sshd)) as session:
        with pytest.raises(SocketRefused, match="Docker socket of server web-1") as caught:
            DockerHost(session, socket_path).facts()
        return caught.value


def test_no_docker(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    said = refusal(pool, sshd, ssh_key, "/run/no such/docker's.sock")
    assert said.reason == "absent"
    assert "apt-get install docker.io" in said.remedy


def test_a_file_that_is_no_socket(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    assert refusal(pool, sshd, ssh_key, "/etc/passwd").reason == "absent"


def test_a_user_outside_the_docker_group(
    pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey, engine: DockerEngine
) -> None:
    server = make_sshd(options={"AllowUsers": "root postgres", "UsePAM": "yes"})
    server.authorized_keys.chmod(0o644)
    said = refusal(pool, server, ssh_key, str(engine.socket), "postgres")
    assert said.reason == "permission"
    assert "usermod -aG docker postgres" in said.remedy


def test_no_commands_either(
    pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey, engine: DockerEngine
) -> None:
    for command in ("/bin/false", "/bin/true"):
        server = make_sshd(options={"AllowStreamLocalForwarding": "no", "ForceCommand": command})
        assert refusal(pool, server, ssh_key, str(engine.socket)).reason == "unknown"


def test_without_tcp_forwarding_probes_say_that_nothing_is_known(
    pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey
) -> None:
    server = make_sshd(options={"PermitOpen": "127.0.0.1:1"})
    with pool.session(address_of(server), credential_of(ssh_key), host_key_of(server)) as session:
        host = DockerHost(session, "/no/docker.sock")
        for probe in (
            host.probe_tcp("127.0.0.1", server.port, timeout=2),
            host.probe_http("127.0.0.1", server.port, "/", timeout=2),
        ):
            assert not probe.ok
            assert probe.unreachable
            assert "AllowTcpForwarding" in probe.problem
        assert host.probe_tcp("127.0.0.1", 1, timeout=2).problem == "connection refused"


def test_without_commands_the_rest_still_works(
    pool: Pool, make_sshd: Callable[..., SshServer], ssh_key: SshKey, engine: DockerEngine
) -> None:
    server = make_sshd(options={"ForceCommand": "/bin/false"})
    with pool.session(address_of(server), credential_of(ssh_key), host_key_of(server)) as session:
        host = DockerHost(session, str(engine.socket))
        assert host.facts().os_type == "linux"
        assert host.disk_free("/") is None


def test_what_answers_a_probe_without_being_http(pool: Pool, sshd: SshServer, ssh_key: SshKey) -> None:
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd)) as session:
        host = DockerHost(session, "/no/docker.sock")
        assert host.probe_tcp("127.0.0.1", sshd.port, timeout=2).ok
        odd = host.probe_http("127.0.0.1", sshd.port, "/", timeout=2)
        assert (odd.ok, odd.unreachable) == (False, False)
        assert "HTTP" in odd.problem
        with socket.create_server(("127.0.0.1", 0)) as silent:
            begun = host.now()
            mute = host.probe_http("127.0.0.1", silent.getsockname()[1], "/", timeout=0.4)
            assert 0.35 <= host.now() - begun < 2
            assert mute.problem == "no answer in 0.4 s"


def test_a_socket_that_is_not_an_engine(pool: Pool, sshd: SshServer, ssh_key: SshKey, valkey: Valkey) -> None:
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd)) as session:
        with pytest.raises((HostError, HostLost)) as caught:
            DockerHost(session, str(valkey.socket)).facts()
        assert "web-1" in str(caught.value)
