"""The engine's client over channels that are kept between calls: one that died unnoticed costs no answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from worker.connections import engine_http
from worker.connections.engine_http import EngineClient
from worker.connections.pool import SshSession
from worker.engine.container_host import EngineFacts

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n"
ANSWER = HEAD + b'\r\n{"ApiVersion":"1.41"}'
TOLD = HEAD + b'Server: Docker/20.10.24 (linux)\r\nApi-Version: 1.41\r\n\r\n{"ApiVersion":"1.41"}'


class Channel(socket.socket):
    """A socket whose death wasn't noticed."""

    reusable = True


class Engine:
    """Answers the first request of a connection, and ends it at the second, unanswered."""

    def __init__(self, path: Path) -> None:
        self.path, self.answer, self.machine = str(path), ANSWER, "some machine's key"
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
                sock.sendall(self.answer)
                self.asked.append(sock.recv(4096).split(b"\r\n")[0])

    def session(self) -> SshSession:
        """As much of a session as a client needs."""
        server = SimpleNamespace(beside=None), SimpleNamespace(dialled={}, host_key_name=self.machine)
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
    """On a socket of its own; nobody has met it before."""
    engine_http._KNOWN.clear()
    engine_http._REMEMBERED.clear()
    found = Engine(tmp_path / "docker.sock")
    yield found
    found.close()


def test_a_question_on_a_channel_that_died_meanwhile_is_asked_once_more(engine: Engine) -> None:
    client = EngineClient(engine.session(), engine.path)
    assert client.version(api_version=False)["ApiVersion"] == "1.41"  # after the one that it was made with
    client.close()
    assert [each for each in engine.asked if each] == [b"GET /_ping HTTP/1.1", *[b"GET /version HTTP/1.1"] * 4]


def asked_of_itself(engine: Engine) -> int:
    """How often it is asked what it is, by one who comes and goes."""
    before = engine.asked.count(b"GET /version HTTP/1.1")
    client = EngineClient(engine.session(), engine.path)
    assert client.engine["ApiVersion"] == "1.41"
    assert client.api_version == "1.41"
    client.close()
    return engine.asked.count(b"GET /version HTTP/1.1") - before


def test_what_an_engine_is_is_asked_once_and_again_when_it_is_another(engine: Engine) -> None:
    """As little of the answer as its headers tell must be the same: the machine, the socket, the version."""
    engine.answer = TOLD
    assert asked_of_itself(engine) > 0
    assert asked_of_itself(engine) == 0
    engine.answer = TOLD.replace(b"20.10.24", b"26.1.5+1")
    assert asked_of_itself(engine) > 0
    engine.machine = "another machine's key"
    assert asked_of_itself(engine) > 0
    engine.machine = ""  # not known: nothing is taken for granted
    assert asked_of_itself(engine) > 0
    assert asked_of_itself(engine) > 0


def test_what_changes_something_is_never_sent_twice(engine: Engine) -> None:
    client = EngineClient(engine.session(), engine.path)
    with pytest.raises(requests.ConnectionError):
        client.start("shop")
    client.close()
    assert [each for each in engine.asked if each.startswith(b"POST")] == [
        b"POST /v1.41/containers/shop/start HTTP/1.1"
    ]


def remembered(engine: Engine) -> EngineFacts | None:
    """By somebody new."""
    client = EngineClient(engine.session(), engine.path)
    try:
        return client.remembered
    finally:
        client.close()


def remember(engine: Engine, facts: EngineFacts) -> None:
    """By somebody who asked."""
    client = EngineClient(engine.session(), engine.path)
    client.remember(facts)
    client.close()


def test_what_an_engine_can_do_is_remembered_for_a_while(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.answer = TOLD
    facts = EngineFacts("20.10.24", "1.41", "linux", "amd64", "/var/lib/docker", "")
    assert remembered(engine) is None
    remember(engine, facts)
    assert remembered(engine) == facts
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + engine_http._LATELY + 1)
    assert remembered(engine) is None
    monkeypatch.undo()
    engine.machine = ""
    remember(engine, facts)
    assert remembered(engine) is None
