"""Workers forked from a process that has imported everything: a start takes a moment, so that hundreds can be killed.

`python -m parts.faults.nursery` reads one JSON order a line: {queue, name, concurrency, log, point} and answers with the worker's process
id. Such a worker is the same program as `celery -A worker.celery worker`. With a `point` it dies by SIGKILL before, during or after a
chosen call to a server: {index: which changing call, from 0} or {call: its name, about: part of what it is given}, and when:
before|during|after. With a `pull_deadline` its deploys give a pull so many seconds instead of half an hour.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from typing import Any

import worker.celery  # sets Django up
import worker.tasks
from parts.faults.nursery_points import CHANGING, LOOKING, Doom
from worker.connections.building import DockerBuildHost
from worker.connections.compose import ComposeDockerHost
from worker.connections.docker import DockerHost
from worker.engine.spec import DeploySpec


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
    if order.get("pull_deadline"):
        hurried = functools.partial(DeploySpec, pull_deadline=float(order["pull_deadline"]))
        setattr(sys.modules["worker.brief"], DeploySpec.__name__, hurried)
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
