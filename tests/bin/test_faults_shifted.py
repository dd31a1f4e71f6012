"""The socket that tells another day: what it moves, and that nothing else changes."""

from __future__ import annotations

import fcntl
import json
import socket
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.faults.shifted import DAY, ShiftedSocket
from parts.processes import wait_until

AT = 1_795_415_623


class Engine:
    """Answers each connection's first question in pieces, and keeps it."""

    def __init__(self, path: Path, pieces: list[bytes]) -> None:
        self.asked = b""
        self._pieces = pieces
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        self.asked = client.recv(4096)
        for piece in self._pieces:
            client.sendall(piece)
            _await_read(client)
        client.shutdown(socket.SHUT_WR)
        client.close()

    def close(self) -> None:
        """No more."""
        self._thread.join(timeout=5)
        self._socket.close()


def _await_read(sock: socket.socket) -> None:
    """Until the other end has taken everything, so that the next piece comes alone."""
    wait_until(lambda: fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)) == bytes(4), "everything is taken")


def told(
    tmp_path: Path, pieces: list[bytes], days: int, question: bytes = b"GET /info HTTP/1.1\r\n\r\n"
) -> tuple[bytes, bytes]:
    """What comes through, and what the engine was asked."""
    engine = Engine(tmp_path / "engine", pieces)
    try:
        with ShiftedSocket(tmp_path / "shifted", tmp_path / "engine", days=days) as shifted:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(shifted.path))
            client.sendall(question)
            return b"".join(_read(client)), engine.asked
    finally:
        engine.close()


def _read(client: socket.socket) -> Iterator[bytes]:
    client.settimeout(5)
    while piece := client.recv(4096):
        yield piece
    client.close()


@pytest.mark.parametrize(("days", "day"), [(1, "2026-12-01"), (-1, "2026-11-29")])
def test_dates_are_moved_and_nothing_else(tmp_path: Path, days: int, day: str) -> None:
    said = b'{"SystemTime":"2026-11-30T06:31:10.123Z","Id":"2026-11-30","Version":"20.10.24"}'
    answer, _ = told(tmp_path, [said], days)
    assert json.loads(answer) == {"SystemTime": f"{day}T06:31:10.123Z", "Id": "2026-11-30", "Version": "20.10.24"}


def test_seconds_are_moved_and_keep_their_length(tmp_path: Path) -> None:
    said = json.dumps({"time": AT, "timeNano": AT * 10**9 + 5, "Created": AT, "Size": AT}).encode()
    answer, _ = told(tmp_path, [said], 1)
    assert len(answer) == len(said)
    moved = AT + DAY
    assert json.loads(answer) == {"time": moved, "timeNano": moved * 10**9 + 5, "Created": moved, "Size": AT}


MOMENTS = {
    "line": (b"2026-11-23T06:31:10.1Z page: ready", b"2026-11-24T06:31:10.1Z page: ready"),
    "seconds": (b'{"time": %d,"Id":2}' % AT, b'{"time": %d,"Id":2}' % (AT + DAY)),
    "nanoseconds": (b'{"timeNano":%d5}' % (AT * 10**8), b'{"timeNano":%d5}' % ((AT + DAY) * 10**8)),
    "created": (b'[{"Created":%d}]' % AT, b'[{"Created":%d}]' % (AT + DAY)),
}


@pytest.mark.parametrize(
    ("kind", "place"), [(kind, place) for kind, (said, _) in MOMENTS.items() for place in range(1, len(said))]
)
def test_a_moment_that_comes_in_two_pieces(tmp_path: Path, kind: str, place: int) -> None:
    said, moved = MOMENTS[kind]
    answer, _ = told(tmp_path, [said[:place], said[place:]], 1)
    assert answer == moved


def test_what_is_asked_since_is_moved_back(tmp_path: Path) -> None:
    question = b"GET /events?since=%d.5&until=%d HTTP/1.1\r\n\r\n" % (AT, AT)
    _, asked = told(tmp_path, [b"x"], 1, question)
    assert asked == b"GET /events?since=%d.5&until=%d HTTP/1.1\r\n\r\n" % (AT - DAY, AT - DAY)
