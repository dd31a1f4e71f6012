"""An engine's events: asked again where it broke off, and never silently given up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parts.faults.events import Event, Watch
from parts.processes import PartError, wait_until


def line(at: int, **more: Any) -> bytes:
    """One event as an engine writes it."""
    actor = {"ID": f"c{at}", "Attributes": {"estiva.placement": "1", "name": f"shop-{at}"}}
    return json.dumps({"timeNano": at, "Action": "start", "Actor": actor, **more}).encode() + b"\n"


class Engine:
    """Answers each time with the next of some bytes and breaks off; then it keeps its listener waiting."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "docker.sock"
        self.answers: list[bytes] = []
        self._server = socket.create_server(str(self.socket), family=socket.AF_UNIX)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + (self.answers.pop(0) if self.answers else b""))
            self._open.append(connection)
            if self.answers:
                connection.close()

    def close(self) -> None:
        """End it."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for each in self._open:
            each.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """One."""
    one = Engine(tmp_path)
    yield one
    one.close()


def watch(engine: Engine, *answers: bytes) -> Watch:
    """One that listens."""
    engine.answers = list(answers)
    one = Watch("web-1", SimpleNamespace(socket=engine.socket))  # type: ignore[arg-type]
    one.start()
    return one


def test_an_engine_that_breaks_off_in_a_line_is_asked_again(engine: Engine) -> None:
    one = watch(engine, line(1) + line(2)[:20], line(2))
    wait_until(lambda: [each.name for each in one.seen()] == ["shop-1", "shop-2"], "both are seen")
    assert [each.name for each in one.stop()] == ["shop-1", "shop-2"]


@pytest.mark.parametrize("told", [b'{"timeNano": 1}\n', line(1, Actor=None), line(1, timeNano="soon")])
def test_what_it_does_not_know_is_raised_to_who_asks(engine: Engine, told: bytes) -> None:
    one = watch(engine, told)
    wait_until(lambda: not one._thread.is_alive(), "it gives up")
    for ask in (one.seen, one.stop):
        with pytest.raises(PartError, match="Nobody watches the engine of web-1 any more"):
            ask()


def test_what_goes_wrong_with_who_is_told_is_raised_too(engine: Engine) -> None:
    def told(_: Event) -> None:
        raise OSError("no such process")

    engine.answers = [line(1)]
    one = Watch("web-1", SimpleNamespace(socket=engine.socket))  # type: ignore[arg-type]
    one.told = told
    one.start()
    wait_until(lambda: not one._thread.is_alive(), "it gives up")
    with pytest.raises(PartError, match="no such process"):
        one.stop()
