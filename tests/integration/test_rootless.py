"""Rootless Docker behind a real sshd: found, deployed to, and never judged by what answers at a container's address elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from parts import rootless
from parts.dockerd import DockerEngine
from parts.packages import ensure
from parts.sshd import SshServer
from tests.integration.engine_stage import HEALTH, IMPATIENT, RealStage, last
from tests.real_parts import Pushed, SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from tests.worker.engine.stage import lines
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.connections.socket_search import FoundSocket, sockets_elsewhere
from worker.engine.errors import SocketRefused
from worker.engine.events import Verdict
from worker.engine.spec import DeploySpec, HealthSpec


@dataclass(frozen=True)
class Rootless:
    """The engine's user and socket, and the sshd that lets the user in."""

    user: str
    socket: Path
    sshd: SshServer


@dataclass
class RootlessStage(RealStage):
    """As `RealStage`, as the engine's user; the registry is reached where the engine's network has the machine."""

    server: Rootless | None = None

    @contextmanager
    def host(self, signals: Signals | None = None) -> Iterator[DockerHost]:
        """A connection of its own."""
        assert self.server is not None
        address = address_of(self.server.sshd, user=self.server.user)
        key = host_key_of(self.server.sshd)
        with self.pool.session(address, credential_of(self.key), key, signals or Signals()) as session:
            yield DockerHost(session, str(self.server.socket))

    def spec(self, release: int, image: Pushed, target: int | None = None, patience: float | None = None) -> DeploySpec:
        """The next attempt's spec."""
        given = super().spec(release, image, target, patience)
        there = given.image.reference.replace("127.0.0.1:", f"{rootless.MACHINE}:")
        return replace(given, image=replace(given.image, reference=there))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def server(folder: Path, ssh_key: SshKey) -> Iterator[Rootless]:
    if ensure(rootless.PROGRAMS):
        pytest.skip("what rootless Docker needs is not installed and can't be")
    with rootless.rootless_engine(folder / "rootless") as (user, socket):
        options = {"AllowUsers": f"root {user.pw_name}", "UsePAM": "yes"}
        with SshServer(folder / "rootless-sshd", options=options) as sshd:
            sshd.authorize(ssh_key.public)
            sshd.authorized_keys.chmod(0o644)
            yield Rootless(user.pw_name, socket, sshd)


@pytest.fixture
def stage(
    pool: Pool, server: Rootless, ssh_key: SshKey, engine: DockerEngine, sample_images: SampleImages
) -> RootlessStage:
    return RootlessStage(pool, server.sshd, ssh_key, engine, sample_images, server=server)


def test_it_is_found_and_says_what_it_is(pool: Pool, server: Rootless, ssh_key: SshKey) -> None:
    address = address_of(server.sshd, user=server.user)
    with pool.session(address, credential_of(ssh_key), host_key_of(server.sshd)) as session:
        with pytest.raises(SocketRefused):
            DockerHost(session, "/var/run/no-docker.sock").facts()
        assert sockets_elsewhere(session, "/run/no-docker.sock") == [FoundSocket(str(server.socket), "rootless Docker")]
        facts = DockerHost(session, str(server.socket)).facts()
    assert facts.name.endswith(", rootless")
    assert "PidsLimit" in facts.absent  # without cgroups of its own nothing is limited, and the plan says so


def test_one_two_and_a_sick_one_that_gives_way(stage: RootlessStage) -> None:
    stage.stop_first()
    assert last(stage.deploy(1, stage.images.push("1"))).verdict == Verdict.SUCCEEDED
    assert "Version 1" in stage.answer()
    assert last(stage.deploy(2, stage.images.push("2"))).verdict == Verdict.SUCCEEDED
    assert "Version 2" in stage.answer()
    assert stage.running() == [2]
    sick = last(stage.deploy(3, stage.images.push("3", behaviour="never_healthy", tag="sick"), patience=IMPATIENT))
    assert sick.verdict == Verdict.FAILED_RESTORED, sick
    assert "HTTP 503" in sick.what
    assert "Version 2" in stage.answer()
    assert len(stage.containers()) == 1


@pytest.mark.parametrize(
    ("begin", "health", "why"),
    [
        (RealStage.start_first, HEALTH, "is not published"),
        (RealStage.stop_first, replace(HEALTH, kind="tcp"), "also where nothing listens"),
    ],
)
def test_what_it_could_not_be_asked_is_refused_before_anything_is_touched(
    stage: RootlessStage, begin: Callable[..., RealStage], health: HealthSpec, why: str
) -> None:
    before, stage.fence = stage.containers(), 100
    begin(stage, health=health)
    events = stage.deploy(4, stage.images.push("1"))
    assert last(events).verdict == Verdict.FAILED_UNTOUCHED
    assert why in last(events).what, lines(events)
    assert stage.containers() == before
