"""Workers forked from a process that has imported everything: a start takes a moment, so that hundreds can be killed.

`python -m parts.faults.nursery` reads one JSON order a line: {queue, name, concurrency, log, points, told, all_calls} and answers with
the worker's process id. Such a worker is the same program as `celery -A worker.celery worker`. With `points` it dies by SIGKILL at the
first of them that it comes to, see `parts.faults.nursery_points.Point`; `told` is the file that it says so in, and with `all_calls` what
else it asked of servers. With a `pull_deadline` its deploys give a pull so many seconds instead of half an hour.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from typing import Any

import worker.celery  # sets Django up
import worker.tasks
from parts.faults.nursery_points import CHANGING, LOOKING, Doom, Point, whose
from worker.attempts import Attempt
from worker.connections.building import DockerBuildHost
from worker.connections.compose import ComposeDockerHost
from worker.connections.docker import DockerHost
from worker.engine.spec import DeploySpec

KINDS = (DockerHost, ComposeDockerHost, DockerBuildHost)
_at_work = threading.local()


def doom(fate: Doom) -> None:
    """Make this process's calls to servers deadly."""
    for kind in KINDS:
        for name in (*CHANGING, *LOOKING):
            if name in vars(kind):
                setattr(kind, name, fate.wrap(name, vars(kind)[name]))
    _tell_targets_apart()


def _tell_targets_apart() -> None:
    """Each door to a server knows whose Target it was opened for, and in which attempt."""
    carry_out, open_door = Attempt.carry_out, DockerHost.__init__

    def carried_out(attempt: Attempt[Any]) -> None:
        target = attempt.target
        release = target.deployment.release.number
        _at_work.whose = whose(target.placement_id, release, target.host_name, target.role, target.attempts)
        try:
            carry_out(attempt)
        finally:
            _at_work.whose = ""

    def opened(host: Any, *args: Any, **kwargs: Any) -> None:
        open_door(host, *args, **kwargs)
        host.whose = getattr(_at_work, "whose", "")

    for kind, name, method in ((Attempt, "carry_out", carried_out), (DockerHost, "__init__", opened)):
        setattr(kind, name, method)


def be_worker(order: dict[str, Any]) -> None:
    """In the child: a worker, until it ends."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, theirs)
    if order.get("points") or order.get("all_calls"):
        points = [Point(**each) for each in order.get("points") or ()]
        doom(Doom(points, order.get("told", ""), all_calls=bool(order.get("all_calls"))))
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
