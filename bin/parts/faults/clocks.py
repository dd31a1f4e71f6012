"""Row 18: workers whose clocks are wrong. Leases go by the database's clock, and the record's order is right."""

from __future__ import annotations

import contextlib
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from parts import packages
from parts.engine_api import EngineApi
from parts.faults.row import Round, Row
from parts.faults.shifted import DAY, ShiftedSocket
from parts.faults.world import START_FIRST, STOP_FIRST, Application
from parts.part import sockets_folder
from parts.processes import PartError, Process

LIBRARY: Final = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
TOLERANCE: Final = 5.0
OFF: Final = 300
GAP: Final = 60.0  # far less than a day


def wrong_clocks(turn: Round) -> None:
    """One worker five minutes ahead, one five minutes behind, the reconciler too; deploys that outlast a lease."""
    world = turn.world
    if not LIBRARY.exists() and packages.can_install():
        packages.install(["faketime"])
    if not LIBRARY.exists():
        raise PartError("libfaketime is not installed (Debian package faketime).")
    apps = [turn.application(f"app{number}") for number in range(2)]
    first = world.estiva.worker()
    for app in apps:
        world.deployed(app)
    world.probe(*apps)
    world.estiva.end(first)
    for reconciler in world.estiva.alive("reconciler"):
        world.estiva.end(reconciler)
    wrong: list[Process] = [_faked(turn, "+300s"), _faked(turn, "-300s")]
    with world.estiva.faked(LIBRARY, "+300s"):
        wrong.append(world.estiva.reconciler())
    for number in range(turn.amount(1, 4)):
        clicked = []
        for app in apps:
            # longer than a lease lasts: it is kept by beats alone
            image = world.images.page(f"long{number}", "slow_start", seconds=turn.amount(8, 36))
            world.change(app, image, health={"deadline": 60.0})
            clicked.append(world.deploy(app))
        turn.succeeded(*clicked)
        for each in clicked:
            turn.expect(world.record.of(each)[0].attempts == 1, f"its lease was lost: {world.record.of(each)}")
            turn.did()
    for app in apps:
        _check_order(turn, app)
    for process in wrong:
        world.estiva.end(process)
    world.estiva.reconciler()


def _faked(turn: Round, offset: str) -> Process:
    with turn.world.estiva.faked(LIBRARY, offset):
        worker = turn.world.estiva.worker()
    stamped = re.search(r"^(\S+Z) \[info", worker.log.read_text(), re.MULTILINE)
    shown = datetime.fromisoformat(stamped[1]).timestamp() if stamped else time.time()
    off = abs(shown - time.time())
    turn.expect(off > OFF / 2, f"the worker's clock was to be {offset} off, and is {off:.0f} s")
    return worker


def _check_order(turn: Round, app: Application) -> None:
    """The record's times are the engines', who have the right clock, give or take; and one after the other."""
    world = turn.world
    events = world.events(app)
    for share in (each for each in world.record.targets() if each.application == app.name):
        made = [each.at for each in events if each.action == "create" and each.target == share.id]
        inside = all(share.started - TOLERANCE <= at <= share.ended + TOLERANCE for at in made)
        turn.expect(inside, f"{share} is on record from {share.started} to {share.ended}, and really was at {made}")
        rows = world.record.chunks([share.id]).get(share.id, [])
        times = [line[1] / 1000 for _, _, _, lines in rows for line in lines]
        off = max((abs(at - time.time()) for at in times), default=0.0)
        turn.note(
            "log_lines_off_by_seconds", round(max((_off(at, share.started, share.ended) for at in times), default=0.0))
        )
        turn.expect(off < 86_400, f"lines of {share} are days off")


def _off(at: float, begin: float, end: float) -> float:
    return max(0.0, begin - at, at - end)


def server_days_off(turn: Round) -> None:
    """One server's clock a day ahead, another's a day behind: deploys go as ever, in both orders, and lines stay in their order."""
    world = turn.world
    worker = world.worker()
    with contextlib.ExitStack() as stack:
        apps: list[Application] = []
        for days in (1, -1):
            machine = world.boot()
            socket = sockets_folder(machine.engine.folder) / "other-day.sock"
            stack.enter_context(ShiftedSocket(socket, machine.engine.socket, days=days))
            told = str(EngineApi(socket).json("GET", "/info")["SystemTime"])
            off = datetime.fromisoformat(told[:19]).replace(tzinfo=UTC).timestamp() - time.time()
            turn.expect(
                abs(off - days * DAY) < OFF, f"the server's clock was to be {days:+d} days off, and is {off:.0f} s"
            )
            world.register(machine, socket)
            where = "ahead" if days > 0 else "behind"
            apps += [turn.application(f"{where}-{how}", [machine], strategy=how) for how in (STOP_FIRST, START_FIRST)]
        for app in apps:
            world.deployed(app)
        world.probe(*apps)
        for number in range(turn.amount(2, 6)):
            for app in apps:
                manner = ("plain", "slow_start", "exits")[number % 3]
                world.change(app, world.images.page(f"day-{manner}{number}", manner, seconds=2))
            clicked = [world.deploy(app) for app in apps]
            for app, each in zip(apps, clicked, strict=True):
                _on_the_other_day(turn, app, each, good=number % 3 < 2)
                turn.did()
    world.estiva.end(worker)


def _on_the_other_day(turn: Round, app: Application, number: int, *, good: bool) -> None:
    world = turn.world
    status = world.ended(number)
    (share,) = world.record.of(number)
    turn.expect(status == ("succeeded" if good else "failed"), f"{share}")
    turn.expect((share.gap or 0.0) < GAP, f"a gap of {share.gap} s is on record: {share}")
    lasted = share.ended - share.started
    turn.expect(0 <= lasted < GAP, f"{share} is said to have lasted {lasted:.0f} s")
    turn.expect(share.attempts == 1, f"its lease was lost: {share}")
    off = [
        abs(line[1] / 1000 - time.time())
        for _, _, _, lines in world.record.chunks([share.id]).get(share.id, [])
        for line in lines
    ]
    turn.note("log_lines_off_by_seconds", round(max(off, default=0.0)))


ROWS = (
    Row(18, "clocks", "workers and the reconciler with clocks five minutes wrong", wrong_clocks, long=200),
    Row(
        18,
        "server-clock",
        "servers whose clocks are a day ahead and a day behind",
        server_days_off,
        own_world=True,
        seconds=60,
    ),
)
