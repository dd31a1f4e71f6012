"""At which call to a server a worker of the nursery dies."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

CHANGING = (
    "pull",
    "receive_image",
    "tag",
    "remove_image",
    "ensure_network",
    "create",
    "start",
    "stop",
    "rename",
    "remove",
    "set_restart_policy",
    "connect_network",
    "disconnect_network",
    "compose_up",
    "build",
)
STREAMS = ("pull", "receive_image", "compose_up", "build")
LOOKING = ("probe_http", "probe_tcp", "logs", "facts", "remote_image")
DURING_SECONDS = 0.004


class Doom:
    """Counts this process's calls, and ends it at the point."""

    def __init__(self, point: dict[str, Any]) -> None:
        self._call, self._index = str(point.get("call", "")), int(point.get("index", -1))
        self._when, self._about = str(point["when"]), str(point.get("about", ""))
        self._count, self._lock = 0, threading.Lock()

    def is_here(self, name: str, subject: object) -> bool:
        """Whether this call is the one; `subject` is the first thing it was given."""
        if self._call:
            return name == self._call and self._about in str(subject)
        if name not in CHANGING:
            return False
        with self._lock:
            self._count += 1
            return self._count - 1 == self._index

    def wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, deadly at the point."""

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.is_here(name, args[1] if len(args) > 1 else ""):
                return method(*args, **kwargs)
            if self._when == "before":
                die()
            if name in STREAMS:
                return self._stream(method(*args, **kwargs))
            if self._when == "during":
                threading.Timer(DURING_SECONDS, die).start()
            result = method(*args, **kwargs)
            die()
            return result

        return call

    def _stream(self, several: Iterator[Any]) -> Iterator[Any]:
        for each in several:
            yield each
            if self._when == "during":
                die()
        die()


def die() -> None:
    """As the kernel ends a process that has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)
