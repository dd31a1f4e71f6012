"""What an engine says happened: its own event stream, read from the campaign's beginning, over its socket and beside Estiva."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from parts.dockerd import DockerEngine
from parts.processes import PartError

AGAIN_SECONDS = 0.1
CONNECT_SECONDS = 2.0
OURS = "estiva.placement"
SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class Event:
    """One of a container of Estiva's. `at` is the engine's clock, seconds since the epoch."""

    at: float
    server: str
    action: str
    container: str
    name: str
    labels: dict[str, str] = field(hash=False)

    @property
    def placement(self) -> int:
        """The Placement it belongs to."""
        return int(self.labels[OURS])

    @property
    def target(self) -> int:
        """The Target that created it."""
        return int(self.labels.get("estiva.target", "0"))

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.server} {self.action} {self.name} {self.container[:12]}"


class Watch:
    """Reads one engine's events on a thread of its own until `stop`; an engine that restarts is asked from where it broke off."""

    def __init__(self, server: str, engine: DockerEngine) -> None:
        self._server, self._engine = server, engine
        self._events: dict[tuple[int, str, str], Event] = {}
        self._last = time.time_ns()
        self._ending = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._loop, name=f"events of {server}", daemon=True)
        self._error: Exception | None = None
        self.told: Callable[[Event], None] | None = None  # of each, at once, on this thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[Event]:
        """End; everything that was seen, in order. PartError as with `seen`."""
        self._ending.set()
        if self._connection is not None and self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        return self.seen()

    def seen(self) -> list[Event]:
        """What was seen until now, in order. PartError where nobody looks any more, since the thread came upon what it doesn't know."""
        if self._error is not None:
            told = f"{type(self._error).__name__}: {self._error}"
            raise PartError(f"Nobody watches the engine of {self._server} any more: {told}") from self._error
        return [event for _, event in sorted(self._events.items(), key=lambda each: each[0][0])]

    def _loop(self) -> None:
        while not self._ending.is_set():
            try:
                for told in self._told():
                    self._note(told)
            except Exception as error:  # noqa: BLE001 - kept for whoever asks what was seen
                self._error = error
                return
            self._ending.wait(AGAIN_SECONDS)

    def _told(self) -> Iterator[dict[str, Any]]:
        """Until the engine breaks off, in the middle of a line perhaps."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            yield from self._asked()

    def _asked(self) -> Iterator[dict[str, Any]]:
        connection = _Unix(str(self._engine.socket))
        self._connection = connection
        since = f"{self._last // 10**9}.{self._last % 10**9:09d}"
        connection.request("GET", f"/v1.41/events?since={since}&filters=%7B%22type%22%3A%5B%22container%22%5D%7D")
        response = connection.getresponse()
        while line := response.readline():
            if line.strip():
                yield json.loads(line)

    def _note(self, told: dict[str, Any]) -> None:
        at, actor = int(told["timeNano"]), told["Actor"]
        self._last = max(self._last, at)
        labels = dict(actor["Attributes"])
        if OURS not in labels or not labels[OURS].isdecimal():
            return
        action = str(told["Action"])
        event = Event(at / 1e9, self._server, action, str(actor["ID"]), str(labels.get("name", "")), labels)
        known = (at, event.container, action) in self._events
        self._events[(at, event.container, action)] = event
        if self.told is not None and not known:
            self.told(event)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_SECONDS)
        self.sock.connect(self._path)
        self.sock.settimeout(None)
