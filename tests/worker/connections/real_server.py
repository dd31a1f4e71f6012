"""A connection to the run's own sshd and Docker Engine, for the tests on real parts."""

from collections.abc import Iterator
from contextlib import contextmanager

from parts.dockerd import DockerEngine
from parts.processes import free_port
from parts.sample_image import Behaviour
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from worker.connections.beside import look
from worker.connections.docker import DockerHost
from worker.connections.login import Beside
from worker.connections.pool import Pool, SshSession
from worker.connections.signals import Signals
from worker.connections.ssh import HostKey, SshAddress, SshCredential
from worker.engine.spec import Secret


def address_of(sshd: SshServer, *, user: str | None = None) -> SshAddress:
    """Where the throwaway sshd is."""
    return SshAddress("web-1", sshd.address, sshd.port, user or sshd.user)


def credential_of(key: SshKey) -> SshCredential:
    """A key as Estiva holds it."""
    return SshCredential(Secret(key.private))


def host_key_of(sshd: SshServer) -> HostKey:
    """The key to pin."""
    kind, blob = sshd.host_key_line().split()
    return HostKey(kind, blob)


class RealServer:
    """A server as the worker meets it. `image` pushes variants of the sample application."""

    def __init__(self, session: SshSession, engine: DockerEngine, images: SampleImages) -> None:
        self.session, self.engine, self.images = session, engine, images
        self.signals = session.signals
        self.host = DockerHost(session, str(engine.socket))

    def image(self, behaviour: Behaviour = "plain", *, healthcheck: bool = False) -> str:
        """`name@digest` in the registry."""
        # Content of its own: an image that other tests use under another name could not be removed here.
        mine = {"SAMPLE_GREETING": "for the connections' tests"}
        tag = f"{behaviour}-{healthcheck}"
        return self.images.push(behaviour=behaviour, healthcheck=healthcheck, tag=tag, variables=mine).pinned

    def windows_image(self) -> str:
        """`name@digest` for windows/amd64."""
        return self.images.windows_only().pinned

    def free_port(self) -> int:
        """The server is this machine."""
        return free_port()

    def pause(self, name: str) -> None:
        """By the engine's own call."""
        status, said = self.engine.api.request("POST", f"/containers/{name}/pause", b"", {})
        assert status == 204, said


@contextmanager
def connected_beside(pool: Pool, engine: DockerEngine, images: SampleImages) -> Iterator[RealServer]:
    """The same engine as the one beside the worker, without SSH; closed at the end."""
    socket = str(engine.socket)
    address = SshAddress("web-1", "", 0, "", beside=Beside(look(socket).identity, socket))
    with pool.session(address, SshCredential(Secret("")), HostKey("", ""), Signals()) as session:
        yield RealServer(session, engine, images)


@contextmanager
def connected(
    pool: Pool, sshd: SshServer, key: SshKey, engine: DockerEngine, images: SampleImages
) -> Iterator[RealServer]:
    """A session, closed at the end."""
    session = pool.session(address_of(sshd), credential_of(key), host_key_of(sshd), Signals())
    with session:
        yield RealServer(session, engine, images)
