"""Opening a server for the length of one Target or Operation: one shared pool of SSH transports a process."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from worker.brief import HostConnection
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.engine.container_host import ContainerHost

Opener = Callable[[HostConnection, Signals], AbstractContextManager[ContainerHost]]


@functools.cache
def pool() -> Pool:
    """This process's."""
    return Pool()


@contextmanager
def open_server(connection: HostConnection, signals: Signals) -> Iterator[ContainerHost]:
    """Log in and hand out the server's Docker Engine; afterwards only our own channels are closed.

    `HostLost` and its kinds where that fails, written for people.
    """
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        yield DockerHost(session, connection.docker_socket, signals)
    finally:
        session.close()
