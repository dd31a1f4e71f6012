"""Opening a server for the length of one Target or Operation: one shared pool of SSH transports a process."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import structlog

from worker.brief import HostConnection
from worker.connections.building import DockerBuildHost
from worker.connections.compose import ComposeDockerHost
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.connections.shipping_hub import Builder, BuilderImages, ShippingHub
from worker.connections.signals import Signals
from worker.engine.build_host import BuildHost
from worker.engine.compose.compose_host import ComposeHost
from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError, HostLost, LeaseLost

log = structlog.get_logger(__name__)


class Opener(Protocol):
    """`open_server`, or what stands in for it."""

    def __call__(
        self, connection: HostConnection, signals: Signals, image_from: HostConnection | None = None, /
    ) -> AbstractContextManager[ContainerHost]: ...


class ComposeOpener(Protocol):
    """`open_compose`, or what stands in for it."""

    def __call__(
        self, connection: HostConnection, signals: Signals, image_from: HostConnection | None = None, /
    ) -> AbstractContextManager[ComposeHost]: ...


BuildOpener = Callable[[HostConnection, Signals], AbstractContextManager[BuildHost]]


@functools.cache
def pool() -> Pool:
    """This process's."""
    return Pool()


@functools.cache
def hub() -> ShippingHub:
    """Where this process's Targets that want the same image find each other."""
    return ShippingHub(pool())


@contextmanager
def open_server(
    connection: HostConnection, signals: Signals, image_from: HostConnection | None = None
) -> Iterator[ContainerHost]:
    """Log in and hand out the server's Docker Engine; afterwards only our own channels are closed.

    `image_from` is the server that an image comes from which is in no registry. `HostLost` and its kinds where logging in
    fails, written for people.
    """
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        host = DockerHost(session, connection.docker_socket, signals, _source(image_from), connection.keychain)
        with withdrawing(host, signals):
            yield host
    finally:
        session.close()


@contextmanager
def open_compose(
    connection: HostConnection, signals: Signals, image_from: HostConnection | None = None
) -> Iterator[ComposeHost]:
    """As `open_server`, with the Compose that is there; whether there is one, it tells itself."""
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        host = ComposeDockerHost(session, connection.docker_socket, signals, _source(image_from), connection.keychain)
        with withdrawing(host, signals):
            yield host
    finally:
        session.close()


@contextmanager
def withdrawing(host: DockerHost, signals: Signals) -> Iterator[None]:
    """Where the lease is lost, what was created late doesn't stay. What can't be removed now, the server shows as left over."""
    try:
        yield
    except LeaseLost:
        if not signals.handing_back:
            try:
                for name in host.withdraw():
                    log.warning("removed what was created without the lease", container=name)
            except (HostError, HostLost, LeaseLost) as error:
                log.warning("what was created without the lease may be left", why=str(error))
        raise


def _source(image_from: HostConnection | None) -> BuilderImages | None:
    if image_from is None:
        return None
    return hub().source(
        Builder(image_from.address, image_from.credential, image_from.host_key, image_from.docker_socket)
    )


@contextmanager
def open_builder(connection: HostConnection, signals: Signals) -> Iterator[BuildHost]:
    """As `open_server`, to build there."""
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        yield DockerBuildHost(session, connection.docker_socket, signals, keychain=connection.keychain)
    finally:
        session.close()
