"""At which call to a server a worker of the nursery dies, and what calls there are.

`tests/bin/test_faults_points.py` holds them against the engine's doors to servers: a call that is new there has to be put into one of
these lists before anything else goes on.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

IN_CONTAINERS: Final = (
    "pull",
    "tag",
    "remove_image",
    "ensure_network",
    "ensure_volume",
    "create",
    "start",
    "stop",
    "rename",
    "remove",
    "set_restart_policy",
    "connect_network",
    "disconnect_network",
)
IN_SOURCES: Final = ("build", "push", "receive_image", "compose_up", "compose_end", "remove_volume")
IN_NO_DEPLOY: Final = ("compose_start", "compose_end_start")  # a command that is run once in a Compose application
IN_SECOND_ATTEMPTS: Final = ("cancel_build",)  # what an undisturbed deploy doesn't do, so that nobody is killed there
CHANGING: Final = (*IN_CONTAINERS, *IN_SOURCES, *IN_NO_DEPLOY, *IN_SECOND_ATTEMPTS)
STREAMS: Final = ("pull", "receive_image", "build", "push", "compose_up", "compose_start")
LOOKING: Final = (
    "facts",
    "disk_free",
    "files_free",
    "remote_image",
    "local_image",
    "local_images",
    "containers",
    "names",
    "all_published_ports",
    "container",
    "logs",
    "follow",
    "probe_http",
    "probe_tcp",
    "keeps_addresses",
    "compose_version",
    "compose_config",
    "compose_hashes",
    "resources",
)
NO_CALLS: Final = ("now", "wait", "shield", "together")  # nothing of theirs reaches a server
WHENS: Final = ("before", "during", "after")
DURING_SECONDS: Final = 0.004


@dataclass(frozen=True)
class Point:
    """A moment of a call to a server.

    `whose` says of whose Target, in which attempt; empty, of any and in every attempt. `nth` counts that attempt's calls of
    this name from 1; 0 is each. `about` is part of the first thing that the call is given. `item` is after how many of a
    stream's items `during` is. `end` is what becomes of the process: "kill", or "freeze" until somebody lets it go on.
    """

    call: str
    when: str
    whose: str = ""
    nth: int = 0
    about: str = ""
    item: int = 1
    end: str = "kill"

    def __str__(self) -> str:
        which = f"{self.call} {self.nth}" if self.nth else self.call
        return f"{self.when} {which}" + (f" of {self.whose}" if self.whose else "")


def whose(placement: int, release: int, server: str, role: str, attempt: int = 1) -> str:
    """How an attempt at a Target is told apart from the others that are under way, before anybody knows the Target's number."""
    return f"{placement} {release} {server} {role} {attempt}"


class Doom:
    """Ends or freezes its process at the first of these points that a call comes to. What is done inside a call is part of it.

    `told` is a file that each point is written into as it is come to, with `all_calls` each call, too.
    """

    def __init__(self, points: Sequence[Point], told: str = "", *, all_calls: bool = False) -> None:
        self._points, self._all_calls = tuple(points), all_calls
        self._told = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if told else -1
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock, self._here = threading.Lock(), threading.local()
        self._over: set[Point] = set()

    def wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, deadly at the points."""

        @functools.wraps(method)
        def call(host: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(self._here, "inside", False):
                return method(host, *args, **kwargs)
            about = str(args[0]) if args else ""
            of, nth = self._count(host, name, about)
            point = self._point(name, of, nth, about)
            if point is not None and point.when == "before":
                self._end(point)
            if name in STREAMS:
                with self._inside():
                    items = iter(method(host, *args, **kwargs))
                return self._stream(items, point, {"whose": of, "call": name, "nth": nth, "about": about})
            return self._plain(point, functools.partial(method, host, *args, **kwargs))

        return call

    def _count(self, host: Any, name: str, about: str) -> tuple[str, int]:
        of = str(getattr(host, "whose", ""))
        with self._lock:
            self._counts[(of, name)] += 1
            nth = self._counts[(of, name)]
        if self._all_calls and of:
            self._tell({"whose": of, "call": name, "nth": nth, "about": about, "items": 0})
        return of, nth

    def _point(self, name: str, of: str, nth: int, subject: str) -> Point | None:
        for each in self._points:
            if each.call == name and each.whose in ("", of) and each.nth in (0, nth) and each.about in subject:
                return each
        return None

    def _plain(self, point: Point | None, call: Callable[[], Any]) -> Any:
        if point is not None and point.when == "during":
            threading.Timer(DURING_SECONDS, self._end, (point,)).start()
        try:
            with self._inside():
                return call()
        finally:
            if point is not None:
                self._end(point)

    def _stream(self, items: Iterator[Any], point: Point | None, heard: dict[str, Any]) -> Iterator[Any]:
        count = 0
        try:
            while True:
                with self._inside():
                    try:
                        each = next(items)
                    except StopIteration:
                        break
                count += 1
                yield each
                if point is not None and point.when == "during" and count >= point.item:
                    self._end(point)
        finally:
            if point is not None:
                self._end(point)
            close = getattr(items, "close", None)
            if close is not None:
                close()
        if self._all_calls and heard["whose"]:
            self._tell({**heard, "items": count})

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._here.inside = True
        try:
            yield
        finally:
            self._here.inside = False

    def _end(self, point: Point) -> None:
        """Once: as the kernel ends a process that has no memory left, or as one stands still on a machine that does."""
        with self._lock:  # whoever comes second finds nobody, or that it was
            if point in self._over:
                return
            self._over.add(point)
            self._tell(asdict(point))
            os.kill(os.getpid(), signal.SIGSTOP if point.end == "freeze" else signal.SIGKILL)
            if point.end != "freeze":
                threading.Event().wait()

    def _tell(self, what: dict[str, Any]) -> None:
        if self._told >= 0:
            os.write(self._told, (json.dumps(what) + "\n").encode())
