"""Row 13: the network between worker and server: connections reset, every packet dropped for a while, a connection half open, a slow line."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from parts.environment import ROOT
from parts.faults.gate import Gate
from parts.faults.record import Share
from parts.faults.row import Round, Row, pick
from parts.faults.servers import PATIENT, check_lines, each_moment, expect_clean_end
from parts.faults.world import Application
from parts.machine import Machine
from parts.part import remember
from parts.processes import PartError, run

STALLED_SECONDS: Final = 45.0
SILENT: Final = re.compile(r"The connection to server \S+ was lost|Server \S+ does not answer|fell silent")
MOMENTS: Final = ("pull", "health", "replace", "log")
SLOW_MOMENTS: Final = ("replace", "log")
DELAY, JITTER, LOSS = 300, 100, 5


def cable_trouble(turn: Round) -> None:
    """Cut, half open, then slow: finished, or stalled in time; and never done twice. Its page is asked within the server, where
    no cable is missed: there it has to answer all the while.
    """
    world = turn.world
    worker = world.worker()
    machine = world.add_machine()
    app = turn.application("app", [machine], **PATIENT)
    world.deployed(app)
    world.probe(app, within=True)
    with Gate(world.registry) as gate:
        for count in range(turn.amount(2, 12)):
            _reset(turn, app, machine, gate, count)
        for count, (moment, half_open) in enumerate(cuts(turn.dice)[: turn.amount(1, 2 * len(MOMENTS))]):
            _cut(turn, app, machine, gate, f"cable-cut{count}", moment, half_open=half_open)
        for count in range(turn.amount(1, 3)):
            _slow(turn, app, machine, gate, count)
    world.estiva.end(worker)


def cuts(dice: random.Random) -> list[tuple[str, bool]]:
    """Each moment, and whether the connection is half open afterwards; in a drawn order."""
    every = list(itertools.product(MOMENTS, (False, True)))
    return dice.sample(every, len(every))


def _cut(
    turn: Round, app: Application, machine: Machine, gate: Gate, tag: str, moment: str, *, half_open: bool
) -> None:
    number = each_moment(turn, app, gate, tag, moment)
    began = time.time()
    machine.namespace.cut()
    turn.did()
    try:
        if half_open:
            machine.sshd.kill_connections()  # the server's end is gone, and can't say so
            turn.add(f"half_open_in_{moment}", 1)
        _stalls(turn, number, f"cut off in {moment}")
        took = time.time() - began
        turn.note("noticed_seconds_at_most", round(took, 1))
        turn.expect(took < turn.patience(STALLED_SECONDS), f"noticed after {took:.0f} s")
        time.sleep(turn.amount(5, 120))
    finally:
        machine.namespace.mend()
        gate.rule = None
    _ends(turn, app, number, moment)


def _stalls(turn: Round, number: int, when: str) -> None:
    """It stands still, and says on record and on its page that it is the server that is silent."""
    found: list[Share] = []

    def is_told() -> bool:
        found[:] = turn.world.record.of(number)
        return found[0].status != "running"

    turn.world.wait(is_told, f"#{number} is stalled", turn.patience(60))
    turn.expect(found[0].status == "stalled", f"{when} it is not stalled: {found[0]}")
    turn.expect(bool(SILENT.search(found[0].stalled_reason)), f"{when}, the reason is {found[0].stalled_reason!r}")
    page = turn.world.ada.open(f"/deployments/{number}/").text
    turn.expect(bool(SILENT.search(page)), f"{when}, the page doesn't say what it waits for")


def _reset(turn: Round, app: Application, machine: Machine, gate: Gate, count: int) -> None:
    """Both ends are told that there is no such connection, and nobody gets a new one for a while."""
    moment = pick(turn.dice, MOMENTS)
    number = each_moment(turn, app, gate, f"cable-reset{count}", moment)
    machine.namespace.reset()
    turn.did()
    try:
        time.sleep(turn.dice.choice((0.2, 1, 3)))
    finally:
        machine.namespace.mend()
        gate.rule = None
    _ends(turn, app, number, moment)


def _slow(turn: Round, app: Application, machine: Machine, gate: Gate, count: int) -> None:
    began, moment = time.time(), SLOW_MOMENTS[count % len(SLOW_MOMENTS)]
    with slow_cable(turn, machine):
        number = each_moment(turn, app, gate, f"cable-slow{count}", moment, timeout=120)
        turn.did()
        _ends(turn, app, number, moment)
    turn.note("slow_deploy_seconds_at_most", round(time.time() - began, 1))


def _ends(turn: Round, app: Application, number: int, moment: str) -> None:
    (share,) = expect_clean_end(turn, number, f"behind a bad cable in {moment}")
    turn.add(share.status, 1)
    if moment == "log":
        check_lines(turn, number)
    turn.world.wait(lambda: turn.world.serves(app), f"{app.name} serves", 60)


@contextmanager
def slow_cable(turn: Round, machine: Machine) -> Iterator[None]:
    """Meanwhile the server hangs on a line with 300 ± 100 ms each way halved, and 5 % loss."""
    namespace, bridge = machine.namespace, turn.world.network.bridge
    ours, theirs = f"{namespace.cable}s", f"{namespace.cable}t"
    argv = [
        sys.executable,
        "-m",
        "parts.faults.slow_cable",
        ours,
        theirs,
        *(f"{each:g}" for each in (DELAY / 2, JITTER / 2, LOSS / 2)),
    ]
    with subprocess.Popen(argv, cwd=ROOT / "bin", stdout=subprocess.PIPE, start_new_session=True) as child:
        remember(turn.world.folder / "network", child.pid)
        try:
            if child.stdout is None or child.stdout.readline() != b"ready\n":
                raise PartError("The slow cable could not be laid: it needs /dev/net/tun.")
            run(["ip", "link", "set", theirs, "netns", namespace.name])
            _plug(machine, bridge, out=namespace.cable, into=(ours, theirs))
            yield
        finally:
            _plug(machine, bridge, out="", into=(namespace.cable, "eth0"))
            child.kill()


def _plug(machine: Machine, bridge: str, *, out: str, into: tuple[str, str]) -> None:
    """Hang the server on another cable: our end on the bridge, its end with its address."""
    namespace = machine.namespace
    ours, theirs = into
    if out:
        run(["ip", "link", "set", out, "nomaster"])
        namespace.ip("address", "flush", "dev", "eth0")
        namespace.ip("link", "set", "eth0", "down")
    else:
        for name in namespace.ip("-brief", "link").split():
            if name.startswith(namespace.cable):
                namespace.ip("link", "set", name, "down")
                namespace.ip("address", "flush", "dev", name)
    run(["ip", "link", "set", ours, "master", bridge, "up"])
    namespace.ip("link", "set", theirs, "up")
    namespace.ip("address", "add", f"{namespace.address}/24", "dev", theirs)
    namespace.ip("route", "replace", "default", "via", namespace.gateway)
    run(["ip", "neigh", "flush", "dev", bridge])


ROWS = (
    Row(
        13,
        "cable",
        "a server's connections reset, its network cut, half open, slow (300 ± 100 ms) and lossy (5 %)",
        cable_trouble,
        long=1500,
    ),
)
