"""An engine whose clock is wrong, as far as whoever asks it can see: a socket before its own that moves every moment it tells.

An engine takes the time from the kernel, which all servers of this machine share, and as a Go program it asks no C library that
could pretend another. But Estiva knows a server's clock only by what the engine's API says. So what passes here is moved: dates in
answers and in log lines by whole days, seconds since the epoch in answers, and the other way round those in questions (`since`,
`until`). All keep their length, so nothing else changes.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

DAY: Final = 86_400
_DATE: Final = re.compile(rb"\b(20\d\d)-(\d\d)-(\d\d)(?=T\d\d:)")
_SECONDS: Final = re.compile(rb'("(?:time|Created|created)":\s?)(\d{10})(?=\D)')
_NANOSECONDS: Final = re.compile(rb'("timeNano":\s?)(\d{19})(?=\D)')
_ASKED: Final = re.compile(rb"((?:since|until)=)(\d{10})(?=\D)")
_NAMES: Final = (b"time", b"timeNano", b"Created", b"created")
_BEGUN_NAME: Final = b"|".join(name[:length] for name in _NAMES for length in range(len(name) + 1))
_BEGUN: Final = re.compile(
    rb"(?:\b2(?:0\d?\d?(?:-(?:\d\d?(?:-(?:\d\d?(?:T(?:\d\d?)?)?)?)?)?)?)?"
    rb'|"(?:' + _BEGUN_NAME + rb')|"(?:' + b"|".join(_NAMES) + rb')"(?::\s?\d*)?)$'
)
_PIECE: Final = 65_536
_REST_SECONDS: Final = 0.2  # only where something looks like the beginning of a moment


class ShiftedSocket:
    """Use as a context manager; `path` is where it listens."""

    def __init__(self, path: Path, engine: Path, *, days: int) -> None:
        self.path, self._engine, self._days = path, engine, days
        self._listening = socket.socket(socket.AF_UNIX)
        self._ending = threading.Event()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> ShiftedSocket:
        self._listening.bind(str(self.path))
        self._listening.listen(64)
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for each in list(self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(timeout=5)
        self._listening.close()
        self.path.unlink(missing_ok=True)

    def _begin(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, name="shifted socket", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError):
                client, _ = self._listening.accept()
                self._begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One connection, to the end of both its directions. Where the engine is away, so are we."""
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            engine.connect(str(self._engine))
            self._ends += [client, engine]
            asking = threading.Thread(target=_pass_on, args=(client, engine, self._question), daemon=True)
            asking.start()
            _pass_on(engine, client, self._answer)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RD)
            asking.join()
            self._ends.remove(client)
            self._ends.remove(engine)

    def _question(self, data: bytes) -> bytes:
        return _ASKED.sub(lambda found: found[1] + _moved(found[2], -self._days * DAY), data)

    def _answer(self, data: bytes) -> bytes:
        data = _DATE.sub(lambda found: _other_day(found, self._days), data)
        data = _SECONDS.sub(lambda found: found[1] + _moved(found[2], self._days * DAY), data)
        return _NANOSECONDS.sub(lambda found: found[1] + _moved(found[2], self._days * DAY * 10**9), data)


def _moved(number: bytes, by: int) -> bytes:
    return b"%d" % (int(number) + by)


def _other_day(found: re.Match[bytes], days: int) -> bytes:
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])) + timedelta(days=days)
    except ValueError:  # no date, but something that looks like one
        return found[0]
    return day.isoformat().encode()


def _pass_on(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    """Until its end. What may be the beginning of a moment waits for its rest, if that comes at once."""
    kept = b""
    with suppress(OSError):
        while True:
            source.settimeout(_REST_SECONDS if kept else None)
            try:
                piece = source.recv(_PIECE)
            except TimeoutError:
                target.sendall(kept)
                kept = b""
                continue
            if not piece:
                break
            kept += piece
            begun = _BEGUN.search(kept[-48:])
            place = len(kept) - (len(kept[-48:]) - begun.start() if begun else 0)
            target.sendall(change(kept)[:place])
            kept = kept[place:]
        target.sendall(change(kept))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
