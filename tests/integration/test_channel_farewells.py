"""Channels that end on both sides at once: sshd ends a connection over which anything comes for a channel it has closed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from parts.sshd import SshServer
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.pool import Pool, SshSession
from worker.connections.signals import Signals

CHANNELS = 150
WRITERS = 4  # on one connection, as the deploys of one server have


@pytest.fixture
def ends_at_once(folder: Path) -> Iterator[str]:
    """A unix socket whose server hangs up as soon as it has heard something."""
    path = folder / "ends.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(50)

    def serve() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listening.accept()
                with suppress(ConnectionResetError):
                    sock.recv(8)
                sock.close()

    threading.Thread(target=serve, daemon=True).start()
    yield str(path)
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    path.unlink()


def test_a_writer_that_is_hung_up_on_costs_the_connection_nothing(
    sshd: SshServer, ssh_key: SshKey, ends_at_once: str
) -> None:
    pool = Pool()
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd), Signals()) as session:
        threads = [threading.Thread(target=write, args=(session, ends_at_once)) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.transport.is_active(), sshd.log.read_text()[-400:]
    pool.close()


def write(session: SshSession, path: str) -> None:
    """Write to each channel until it breaks."""
    for _ in range(CHANNELS):
        if not session.transport.is_active():
            return
        with closing(session.to_unix_socket(path)) as sock, suppress(BrokenPipeError):
            while True:
                sock.sendall(b"more")
