"""A worker that stops dead at a chosen call to the server, so that it can be killed exactly there.

Run in processes of their own, forked from a server that has imported everything already (multiprocessing's `forkserver`): a start takes
milliseconds. The engine meets the real server through a wrapper that counts the calls which change something.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import django

if multiprocessing.parent_process() is not None or os.environ.get("ESTIVA_STAGE_DATABASE_URL"):
    os.environ["ESTIVA_DATABASE_URL"] = os.environ.get("ESTIVA_STAGE_DATABASE_URL", os.environ["ESTIVA_DATABASE_URL"])
    django.setup()

from worker import runs, servers
from worker.brief import HostConnection
from worker.connections.signals import Signals
from worker.keeper import Keeper

CHANGING = (
    "tag",
    "remove_image",
    "create",
    "start",
    "stop",
    "rename",
    "remove",
    "set_restart_policy",
    "connect_network",
    "disconnect_network",
)


@dataclass(frozen=True)
class Point:
    """Before or after the `index`-th changing call (from 0), or when `call` is made first (`after`: when that is done)."""

    index: int = -1
    after: bool = False
    call: str = ""


class PausingHost:
    """Passes every call on, and at the point says so and waits for a word: the process is killed there, or goes on."""

    def __init__(self, host: Any, point: Point, line: Connection) -> None:
        self._host, self._point, self._line = host, point, line
        self._count = 0
        self._counting = threading.Lock()  # some changes are made at the same time
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._host, name)
        if name == self._point.call:
            return self._paused_first(name, method)
        if name not in CHANGING:
            return method
        return self._counted(name, method)

    def _counted(self, name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._counting:
                here = self._count == self._point.index
                self._count += 1
            if here and not self._point.after:
                self._pause(name)
            result = method(*args, **kwargs)
            self.done.append(name)
            if here and self._point.after:
                self._pause(name)
            return result

        return call

    def _paused_first(self, name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._point.after:
                self._pause(name)
            result = method(*args, **kwargs)
            if self._point.after:
                self._pause(name)
            return result

        def pull(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for progress in method(*args, **kwargs):
                self._pause(name)  # in the middle: some of it has arrived
                yield progress

        return pull if name == "pull" else call

    def _pause(self, name: str) -> None:
        self._line.send(("paused", name))
        self._line.recv()  # not a signal: one that arrives with SIGCONT may wake another thread than this


def run_until(target_id: int, point: Point, line: Connection) -> None:
    """In the child: run one Target; say where it paused, or that it ended, with the changing calls it made."""
    keeper = Keeper(f"stage-{os.getpid()}", "deploy", 1)
    keeper.start()
    hosts: list[PausingHost] = []

    @contextmanager
    def opener(connection: HostConnection, signals: Signals, image_from: HostConnection | None = None) -> Iterator[Any]:
        with servers.open_server(connection, signals, image_from) as host:
            hosts.append(PausingHost(host, point, line))
            yield hosts[-1]

    runs.run(target_id, keeper, opener)
    line.send(("ended", [call for each in hosts for call in each.done]))


def start(environment: Mapping[str, str], target_id: int, point: Point) -> tuple[Any, Connection]:
    """A process at work on this Target, and the line to it: what it says, and where it hears that it may go on."""
    os.environ["ESTIVA_STAGE_DATABASE_URL"] = environment["ESTIVA_DATABASE_URL"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.kill_stage"])
    ours, its = context.Pipe()
    child = context.Process(target=run_until, args=(target_id, point, its), daemon=True)
    child.start()
    its.close()
    return child, ours
