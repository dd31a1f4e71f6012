"""The real web process for tests: gunicorn in a child, on the test's database and Redis, and a client of its live stream."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from deployments import live
from deployments import queue as news
from deployments.models import User
from parts.part import ProcessPart
from parts.processes import Process, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """A response, read to its end."""

    status: int
    text: str


class Web(ProcessPart):
    """One gunicorn with one ASGI worker process."""

    name = "web"

    def __init__(self, folder: Path, redis_url: str, database_url: str = "") -> None:
        super().__init__(folder)
        self.port = free_port()
        self.streams: list[Stream] = []
        argv = [
            *(sys.executable, "-m", "gunicorn", "dashboard.asgi:application", "-k", "asgi", "-w", "1"),
            *("-b", f"127.0.0.1:{self.port}", "--graceful-timeout", "1", "--no-control-socket"),
        ]
        environment = {
            **os.environ,
            "ESTIVA_DATABASE_URL": database_url or _database_url(),
            "ESTIVA_REDIS_URL": redis_url,
        }
        self.process = Process(argv, log=self.folder / "web.log", env=environment, cwd=ROOT)

    def start(self) -> None:
        """Start, and return when it answers."""
        self.launch(self._answers)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.stop()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Close what was streamed, too."""
        super().__exit__(kind, error, trace)
        self.close_streams()

    def close_streams(self) -> None:
        """Close whatever a test left open."""
        while self.streams:
            self.streams.pop().close()

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def get(self, path: str, session: str = "", **headers: str) -> Answer:
        """One GET, read to its end."""
        web = self.ask(path, session, headers)
        try:
            response = web.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            web.close()

    def ask(self, path: str, session: str, headers: Mapping[str, str]) -> http.client.HTTPConnection:
        """A GET whose answer the caller reads and closes."""
        web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            web.request("GET", path, headers={**headers, "Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"})
        except OSError:
            web.close()
            raise
        return web

    def settle(self, admin: User) -> None:
        """Wait until news comes by Redis: it may have been killed by the test before."""
        stream = follow(self, admin, "overview")
        wait_until(lambda: _told_at_once(stream), "the web process follows the live tail", timeout=20)
        stream.close()

    def metrics(self, admin: User) -> str:
        """What /metrics says."""
        return self.get("/metrics", sign_in(admin)).text

    def worker_pid(self) -> int:
        """The process that serves, below gunicorn's arbiter."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite://{database['NAME']}"
    return (
        f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    )


def sign_in(user: User) -> str:
    """A session of this person's; its cookie's value."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@dataclass
class Event:
    """One server-sent event."""

    name: str
    data: Any
    id: str


@dataclass
class Stream:
    """A client of /events that keeps what it saw, as a browser does."""

    web: Web
    session: str
    watch: str
    last_id: str = ""
    status: int = 0
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None
    _arrived: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)
    _reader: threading.Thread | None = None

    def open(self, begin: str = "") -> Stream:
        """Connect, with the id of the last event as browsers do."""
        path = f"/events?watch={self.watch}" + (f"&from={begin}" if begin else "")
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        self._connection = self.web.ask(path, self.session, headers)
        self.web.streams.append(self)
        response = self._connection.getresponse()
        self.status = response.status
        self._arrived = queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(response, self._arrived))
        self._reader.start()
        return self

    def close(self) -> None:
        """Drop the connection at once, wherever it stands."""
        if self._connection is None or self._reader is None:
            return
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):  # the server may have closed it already
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()

    def events(self, seconds: float = 10.0) -> Iterator[Event]:
        """Events as they come, until the stream ends or the time is over."""
        name = "message"
        data: list[str] = []
        until = time.monotonic() + seconds
        while True:
            try:
                raw = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            if not raw:
                self._arrived.put(b"")  # it stays ended
                return
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif not line:
                if data:
                    event = Event(name, json.loads("\n".join(data)), self.last_id)
                    if name == "log":
                        self.lines += [row[0] for row in event.data["lines"]]
                        self.texts += [row[4] for row in event.data["lines"]]
                    yield event
                name, data = "message", []

    def until_line(self, number: int, seconds: float = 20.0) -> None:
        """Read until this line has been seen."""
        for _ in self.events(seconds):
            if self.lines and self.lines[-1] >= number:
                return
        raise AssertionError(f"line {number} did not come; the last was {self.lines[-1:]}")

    def until(self, name: str, seconds: float = 10.0, **data: Any) -> Event:
        """Read until an event of this name with these values."""
        for event in self.events(seconds):
            if event.name == name and all(event.data.get(key) == value for key, value in data.items()):
                return event
        raise AssertionError(f"no {name} {data} came")


def follow(web: Web, user: User, watch: str, begin: str = "") -> Stream:
    """This person's browser, opened on these."""
    return Stream(web, sign_in(user), watch).open(begin)


def _told_at_once(stream: Stream) -> bool:
    news.publish(live.wake_changed("host", 10**9))  # an id that no row has
    return any(event.data.get("id") == 10**9 for event in stream.events(0.3))


def _read(response: http.client.HTTPResponse, arrived: queue.SimpleQueue[bytes]) -> None:
    """Lines into a queue until the end, which is an empty one: reading a socket with deadlines would lose what came half."""
    try:
        while line := response.readline():
            arrived.put(line)
    except (OSError, http.client.HTTPException):
        pass  # cut off: the same as the end
    finally:
        arrived.put(b"")
        response.close()
