"""Row 18: workers whose clocks are wrong. Leases go by the database's clock, and the record's order is right.

On PostgreSQL alone: SQLite has no clock but that of the very process that asks, so there the record can be no better than it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from parts import packages
from parts.engine_api import EngineApi
from parts.faults.chronicle import Chronicle
from parts.faults.row import Round, Row
from parts.faults.shifted import DAY, ShiftedSocket
from parts.faults.world import START_FIRST, STOP_FIRST, Application
from parts.part import sockets_folder
from parts.processes import PartError, Process

LIBRARY: Final = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
AHEAD, BEHIND = "+300s", "-300s"
OFF: Final = 300
LEASE_SECONDS, BEAT_SECONDS = 30.0, 7.0
SEEN_SECONDS: Final = 45.0  # from a worker's end until another one has gone on
GAP: Final = 60.0  # far less than a day


def wrong_clocks(turn: Round) -> None:
    """The reconciler five minutes ahead; a worker that is, too, alone, then one that is behind, then both, of which one dies."""
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
    with world.estiva.faked(LIBRARY, AHEAD):
        wrong = world.estiva.reconciler()
    for offset in (AHEAD, BEHIND):
        worker = _faked(turn, offset)
        _long_deploys(turn, apps, offset, [worker])
        world.estiva.end(worker)
    both = [_faked(turn, AHEAD), _faked(turn, BEHIND)]
    _long_deploys(turn, apps, "beside", both)
    _taken_over(turn, apps[0], both)
    for app in apps:
        _in_order(turn, app)
    for process in (wrong, *both):
        if process.alive:
            world.estiva.end(process)
    world.estiva.reconciler()


def _faked(turn: Round, offset: str) -> Process:
    with turn.world.estiva.faked(LIBRARY, offset):
        worker = turn.world.estiva.worker()
    stamped = re.search(r"^(\S+Z) \[info", worker.log.read_text(), re.MULTILINE)
    shown = datetime.fromisoformat(stamped[1]).timestamp() if stamped else time.time()
    off = shown - time.time()
    told = f"the worker's clock was to be {offset} off, and is {off:.0f} s"
    turn.expect(abs(off - float(offset.removesuffix("s"))) < OFF / 2, told)
    return worker


def _long_deploy(turn: Round, app: Application, mark: str) -> int:
    """One that outlasts a lease (with `--full`), which is kept by beats alone."""
    image = turn.world.images.page(f"long-{mark}", "slow_start", seconds=turn.amount(8, 36))
    turn.world.change(app, image, health={"deadline": 60.0})
    return turn.world.deploy(app)


def _long_deploys(turn: Round, apps: Sequence[Application], mark: str, workers: Sequence[Process]) -> None:
    """Of all of these at once; each by one of the workers, and by nobody else."""
    world = turn.world
    clicked = [_long_deploy(turn, app, mark.strip("+")) for app in apps]
    for each in clicked:
        turn.expect(
            _holder(turn, each, workers) is not None, f"#{each} was taken by none of the workers that are wrong"
        )
    turn.succeeded(*clicked)
    for each in clicked:
        turn.expect(world.record.of(each)[0].attempts == 1, f"its lease was lost: {world.record.of(each)}")
        turn.did()


def _holder(turn: Round, number: int, workers: Sequence[Process]) -> Process | None:
    """Who of them has it, once somebody has."""
    world = turn.world
    world.wait(lambda: bool(world.record.holder(number)[1]), f"somebody takes #{number}", 40)
    _, pid = world.record.holder(number)
    return next((each for each in workers if each.pid == pid), None)


def _taken_over(turn: Round, app: Application, workers: Sequence[Process]) -> None:
    """Who holds a lease dies: the other one, ten minutes off, waits until it has run out by the database's clock, and not longer."""
    world = turn.world
    number = _long_deploy(turn, app, "taken")
    world.until_step(number, "health")
    holder = _holder(turn, number, workers)
    if holder is None:
        turn.expect(False, f"#{number} was taken by none of the workers that are wrong")
        return
    world.estiva.end(holder)
    began = time.monotonic()
    world.wait(lambda: world.record.of(number)[0].attempts == 2, f"#{number} is taken over", 2 * SEEN_SECONDS)
    took = time.monotonic() - began
    turn.note("taken_over_seconds_at_most", round(took, 1))
    turn.expect(took > LEASE_SECONDS - BEAT_SECONDS - 2, f"#{number} was taken over after {took:.0f} s: too early")
    turn.expect(took < turn.patience(SEEN_SECONDS), f"#{number} was taken over after {took:.0f} s: too late")
    turn.succeeded(number)
    (share,) = world.record.of(number)
    turn.expect(share.attempts == 2, f"its lease was lost again: {share}")
    turn.expect(0 < (share.gap or 0.0) < 2 * SEEN_SECONDS, f"a gap of {share.gap} s is on record: {share}")
    turn.did()


def _in_order(turn: Round, app: Application, number: int = 0) -> None:
    """What is on record of its Deployments (of this one alone) is in order, and was when the engines say so, whose clock is right."""
    world = turn.world
    events = world.events(app)
    requested = {each.id: each.requested for each in world.record.deployments()}
    for share in world.record.targets():
        if share.placement != app.placement or number not in (0, share.deployment):
            continue
        created = [each.at for each in events if each.action == "create" and each.target == share.id]
        chunks = world.record.chunks([share.id]).get(share.id, [])
        chronicle = Chronicle(share, requested[share.deployment], world.record.steps(share.id), chunks, created)
        turn.note("log_lines_off_by_seconds", round(chronicle.off, 1))
        for wrong in chronicle.wrong():
            turn.expect(False, wrong)


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
    turn.expect(good or share.status == "failed_restored", f"{share}")
    turn.expect((share.gap or 0.0) < GAP, f"a gap of {share.gap} s is on record: {share}")
    lasted = share.ended - share.started
    turn.expect(0 <= lasted < GAP, f"{share} is said to have lasted {lasted:.0f} s")
    turn.expect(share.attempts == 1, f"its lease was lost: {share}")
    _in_order(turn, app, number)


ROWS = (
    Row(18, "clocks", "workers and the reconciler with clocks five minutes wrong", wrong_clocks, long=240),
    Row(
        18,
        "server-clock",
        "servers whose clocks are a day ahead and a day behind",
        server_days_off,
        own_world=True,
        seconds=60,
    ),
)
