"""Opening a server for the server room."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from deployments import sightings
from deployments.models import Host
from worker.alarms import sound_alarm
from worker.brief import HostConnection, host_connection, secrets_of
from worker.connections.room import RoomDockerHost
from worker.connections.signals import Signals
from worker.engine.errors import HostKeyChanged
from worker.logs import open_secrets
from worker.redact import Masker
from worker.room.server_room import ServerRoom
from worker.servers import pool

RoomOpener = Callable[[HostConnection, Signals], AbstractContextManager[ServerRoom]]


@contextmanager
def open_room(connection: HostConnection, signals: Signals) -> Iterator[ServerRoom]:
    """Log in, or share the connection that is there; afterwards only our own channels are closed."""
    session = pool().session(connection.address, connection.credential, connection.host_key, signals)
    try:
        yield RoomDockerHost(session, connection.docker_socket, signals)
    finally:
        session.close()


@contextmanager
def enter(host: Host, signals: Signals, secrets: Iterable[str] = ()) -> Iterator[tuple[ServerRoom, Masker]]:
    """A server of the record, with the masker of its login and of `secrets`; a host key that changed raises the alarm."""
    connection = host_connection(host)
    masker = Masker([*(each.reveal() for each in secrets_of(connection)), *secrets])
    with alarmed(host), open_secrets.using(masker), open_room(connection, signals) as server:
        yield server, masker


@contextmanager
def alarmed(host: Host) -> Iterator[None]:
    """Whoever logs in there inside this raises the alarm where its host key has changed."""
    try:
        yield
    except HostKeyChanged as error:
        sound_alarm(host.pk, sightings.where(host), error)
        raise
