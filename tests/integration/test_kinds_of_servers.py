"""Servers unlike others: no forwarding to sockets, one session at a time, odd shells, no SFTP."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parts.account import account
from parts.dockerd import DockerEngine
from parts.packages import ensure
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.channels import command_line
from worker.connections.dialing import CLIENTS, NoDial, dial
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool, SshSession
from worker.connections.socket_search import sockets_elsewhere
from worker.engine.errors import SocketRefused

MakeSshd = Callable[..., SshServer]
HOSTILE = (
    "$(touch CANARY)",
    "`touch CANARY`",
    "x; touch CANARY",
    "x' ; touch CANARY ; '",
    'x" ; touch CANARY ; "',
    "x\\'; touch CANARY; #",
    "x\\",
    "x | touch CANARY",
    "(touch CANARY)",
    "x & touch CANARY &",
    "--help",
    "-oProxyCommand=touch CANARY",
    "{a,b}$HOME~*",
)
NO_SOCKETS = {"AllowStreamLocalForwarding": "no"}


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def opened(pool: Pool, sshd: SshServer, key: SshKey, user: str | None = None) -> SshSession:
    return pool.session(address_of(sshd, user=user), credential_of(key), host_key_of(sshd))


@pytest.mark.parametrize("sessions", ["10", "1"])
def test_without_socket_forwarding_the_docker_client_dials(
    pool: Pool,
    make_sshd: MakeSshd,
    ssh_key: SshKey,
    tidy_engine: DockerEngine,
    sample_images: SampleImages,
    sessions: str,
) -> None:
    server = make_sshd(options={**NO_SOCKETS, "MaxSessions": sessions})
    pinned = sample_images.push().pinned
    with opened(pool, server, ssh_key) as session:
        host = DockerHost(session, str(tidy_engine.socket))
        list(host.pull(pinned, platform=None, deadline=60))
        host.create("web", {"Image": pinned})
        host.start("web")
        follower = host.follow("web")  # holds a session of its own meanwhile
        assert host.container("web") is not None
        assert host.disk_free("/") is not None
        follower.close()
        host.remove("web")
        assert host.container("web") is None


def test_without_client_and_forwarding_both_ways_out_are_named(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, engine: DockerEngine, tmp_path: Path
) -> None:
    for name in ("test", "true"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    server = make_sshd(options={**NO_SOCKETS, "SetEnv": f"PATH={tmp_path}"})
    with opened(pool, server, ssh_key) as session, pytest.raises(SocketRefused) as caught:
        DockerHost(session, str(engine.socket)).facts()
    assert "no docker client" in caught.value.why
    assert "AllowStreamLocalForwarding" in caught.value.remedy
    assert "docker-cli" in caught.value.remedy


def test_an_engine_that_is_down_is_told_by_the_client(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, make_engine: Callable[..., DockerEngine]
) -> None:
    engine = make_engine()
    engine.kill_daemon()
    with opened(pool, make_sshd(options=NO_SOCKETS), ssh_key) as session, pytest.raises(SocketRefused) as caught:
        DockerHost(session, str(engine.socket)).facts()
    assert "dial-stdio` said there" in caught.value.why


def test_one_session_at_a_time_and_no_sftp(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, engine: DockerEngine
) -> None:
    server = make_sshd(options={"MaxSessions": "1", "Subsystem": "none /bin/false"})
    with opened(pool, server, ssh_key) as one, opened(pool, server, ssh_key) as other:
        assert one.run(["true"]).exit_code == 0
        busy = one.command_channel()
        busy.exec_command("cat")
        assert other.run(["echo", "hello"]).stdout == b"hello\n"
        assert other.run(["echo", "again"]).stdout == b"again\n"
        busy.close()
        assert DockerHost(one, str(engine.socket)).facts().os_type == "linux"
    assert server.log.read_text().count("Accepted publickey") == 2  # one more connection, kept for the next command


@pytest.fixture(params=["bash that talks", "fish"])
def odd_user(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Somebody with another shell, who may use the engine's socket."""
    if request.param == "fish" and ensure(["fish"]):
        pytest.skip("fish is not installed and can't be")
    home = folder / f"home-{request.param.split()[0]}"
    shell = str(shutil.which("fish")) if request.param == "fish" else "/bin/bash"
    with account(home, login=shell) as user:
        said = "echo 'Welcome!'; echo 'HTTP is fun.'\n"
        config = home / (".config/fish/config.fish" if request.param == "fish" else ".bashrc")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(said)
        yield user.pw_name


@pytest.fixture
def open_socket(engine: DockerEngine) -> Iterator[Path]:
    """The engine's socket, for everybody as long as the test lasts: others are about who may not use it."""
    mode = engine.socket.stat().st_mode & 0o777
    engine.socket.chmod(0o666)
    yield engine.socket
    engine.socket.chmod(mode)


def test_a_shell_that_is_odd(
    pool: Pool, make_sshd: MakeSshd, ssh_key: SshKey, open_socket: Path, odd_user: str
) -> None:
    server = make_sshd(options={"AllowUsers": f"root {odd_user}", "UsePAM": "yes", **NO_SOCKETS})
    server.authorized_keys.chmod(0o644)
    odd = "it's a \\ 'b\\' \\\\ \"c\" $HOME `id` ; * é"
    with opened(pool, server, ssh_key, odd_user) as session:
        assert session.run(["printf", "%s|", odd, "\\'", "end\\"]).stdout.decode() == f"{odd}|\\'|end\\|"
        host = DockerHost(session, str(open_socket))
        assert host.facts().os_type == "linux"
        assert host.disk_free("/") is not None
        assert sockets_elsewhere(session, "/run/nowhere.sock") == []
        canary = Path(f"/tmp/{odd_user}-canary")
        for hostile in HOSTILE:
            path = "/run/" + hostile.replace("CANARY", str(canary))
            with pytest.raises(SocketRefused):
                DockerHost(session, path).facts()
            for client in CLIENTS:
                with pytest.raises(NoDial):
                    dial(session, path, client)
            assert session.run(["printf", "%s", path]).stdout.decode() == path
        assert not canary.exists(), "something of a field was executed"


def test_a_command_line_is_the_same_for_every_shell() -> None:
    assert command_line(["df", "-Pk", "/a b"]) == "df -Pk '/a b'"
    assert command_line(["x\\y'z"]) == "x\"\\\\\"'y'\"'\"'z'"
