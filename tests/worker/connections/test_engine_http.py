"""The engine's client over channels that are kept between calls: one that died unnoticed costs no answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from worker.connections.engine_http import EngineClient
from worker.connections.pool import SshSession

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"ApiVersion":"1.41"}'


class Channel(socket.socket):
    """A socket whose death wasn't noticed."""

    reusable = True


class Engine:
    """Answers the first request of a connection, and ends it at the second, unanswered."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.asked: list[bytes] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            with sock:
                self.asked.append(sock.recv(4096).split(b"\r\n")[0])
                sock.sendall(ANSWER)
                self.asked.append(sock.recv(4096).split(b"\r\n")[0])

    def session(self) -> SshSession:
        """As much of a session as a client needs."""
        server = SimpleNamespace(beside=None), SimpleNamespace(dialled={})
        return cast("SshSession", SimpleNamespace(address=server[0], transport=server[1], to_unix_socket=self._open))

    def _open(self, path: str) -> Any:
        channel = Channel(socket.AF_UNIX)
        channel.connect(path)
        return channel

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """On a socket of its own."""
    found = Engine(tmp_path / "docker.sock")
    yield found
    found.close()


def test_a_question_on_a_channel_that_died_meanwhile_is_asked_once_more(engine: Engine) -> None:
    client = EngineClient(engine.session(), engine.path)
    assert client.version(api_version=False)["ApiVersion"] == "1.41"  # after the one that it was made with
    client.close()
    assert [each for each in engine.asked if each] == [b"GET /version HTTP/1.1"] * 3


def test_what_changes_something_is_never_sent_twice(engine: Engine) -> None:
    client = EngineClient(engine.session(), engine.path)
    with pytest.raises(requests.ConnectionError):
        client.start("shop")
    client.close()
    assert [each for each in engine.asked if each.startswith(b"POST")] == [
        b"POST /v1.41/containers/shop/start HTTP/1.1"
    ]
