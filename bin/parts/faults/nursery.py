"""Workers forked from a process that has imported everything: a start takes a moment, so that hundreds can be killed.

`python -m parts.faults.nursery` reads one JSON order a line: {queue, name, concurrency, log, point} and answers with the worker's process
id. Such a worker is the same program as `celery -A worker.celery worker`. With a `point` it dies by SIGKILL before, during or after a
chosen call to a server: {index: which changing call, from 0} or {call: its name, about: part of what it is given}, and when:
before|during|after.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import worker.celery  # sets Django up
import worker.tasks
from worker.connections.building import DockerBuildHost
from worker.connections.compose import ComposeDockerHost
from worker.connections.docker import DockerHost

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


def doom(point: dict[str, Any]) -> None:
    """Make this process's calls to servers deadly."""
    fate = Doom(point)
    for kind in (DockerHost, ComposeDockerHost, DockerBuildHost):
        for name in (*CHANGING, *LOOKING):
            if name in vars(kind):
                setattr(kind, name, fate.wrap(name, vars(kind)[name]))


def be_worker(order: dict[str, Any]) -> None:
    """In the child: a worker, until it ends."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, theirs)
    if order.get("point"):
        doom(order["point"])
    flags = ["-P", "threads", "-c", str(order["concurrency"]), "-Q", order["queue"], "-n", order["name"]]
    sys.argv = ["celery", "--quiet", "-A", "worker.celery", "worker", *flags]
    worker.celery.app.worker_main(["worker", *flags, "--without-gossip", "--without-mingle"])


def main() -> None:
    """Fork when told to."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                be_worker(order)
            finally:
                os._exit(1)
        print(child, flush=True)


if __name__ == "__main__":
    main()
