"""Rows about servers: sshd, power, the engine, the cable, the disk."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from parts.faults.gate import Gate, always
from parts.faults.row import Round, Row
from parts.faults.world import Application
from parts.machine import Machine

ATTEMPTS_SECONDS: Final = 180.0
SLOW: Final = 30_000.0  # bytes a second: a pull of some seconds


def each_moment(turn: Round, app: Application, gate: Gate, tag: str, moment: str, *, timeout: float = 40) -> int:
    """Click, and come to the moment: `pull` (in its middle), `replace`, `health` (the log flows). The Deployment's number."""
    world = turn.world
    manner = {"health": "slow_start", "log": "chatty"}.get(moment, "plain")
    image = world.images.page(tag, manner, seconds=3, ballast=150_000 if moment == "pull" else 0)
    world.change(app, gate.through(image))
    gate.rule = always("blobs", rate=SLOW) if moment == "pull" else None
    number = world.deploy(app)
    world.until_step(number, {"log": "replace"}.get(moment, moment), timeout=timeout)
    if moment == "pull":
        world.wait(lambda: any("/blobs/" in each for each in gate.seen), "a layer is on its way", 20)
        time.sleep(turn.dice.uniform(0.2, 1.5))
    return number


def sshd_killed(turn: Round) -> None:
    """Every session dies in the middle, or the whole machine: it goes on by itself, or fails cleanly; one version serves."""
    moments = ("pull", "log", "replace", "health")
    blows: dict[str, Callable[[Machine], None]] = {
        "sessions killed": lambda machine: machine.sshd.kill_connections(),
        "sshd restarted": _sshd_restarted,
        "rebooted": lambda machine: machine.reboot(),
    }
    _blow_by_blow(turn, moments, blows)


def _sshd_restarted(machine: Machine) -> None:
    machine.sshd.stop()
    machine.sshd.start()


def engine_broken(turn: Round) -> None:
    """The engine restarted, killed, frozen for a while: one version serves, and the deploy comes to an end."""
    blows: dict[str, Callable[[Machine], None]] = {
        "restarted": lambda machine: machine.engine.restart(),
        "killed": _engine_killed,
        "frozen": _frozen_for_a_while,
    }
    _blow_by_blow(turn, ("pull", "replace", "health"), blows)


def _engine_killed(machine: Machine) -> None:
    machine.engine.kill_daemon()
    machine.engine.start_daemon()


def _frozen_for_a_while(machine: Machine) -> None:
    os.kill(machine.engine.process.pid, signal.SIGSTOP)
    time.sleep(8)
    os.kill(machine.engine.process.pid, signal.SIGCONT)


def _blow_by_blow(turn: Round, moments: tuple[str, ...], blows: dict[str, Callable[[Machine], None]]) -> None:
    world = turn.world
    worker = world.worker()
    kinds: dict[str, dict[str, Any]] = {"plain": {}, "live": {"live_restore": True}}
    machines = {name: world.add_machine(**kind) for name, kind in kinds.items()}
    apps = {name: turn.application(name, [machine]) for name, machine in machines.items()}
    for app in apps.values():
        world.deployed(app)
    world.probe(*apps.values())
    every = [(moment, blow, name) for moment in moments for blow in blows for name in kinds]
    chosen = turn.dice.sample(every, 3) if turn.amount(1, 0) else every
    with Gate(world.registry) as gate:
        for count, (moment, blow, name) in enumerate(chosen):
            app = apps[name]
            number = each_moment(turn, app, gate, f"{turn.row.name}{count}", moment)
            began = time.time()
            blows[blow](machines[name])
            gate.rule = None
            turn.did()
            status = world.ended(number, timeout=ATTEMPTS_SECONDS)
            shares = "; ".join(str(each) for each in world.record.of(number))
            turn.expect(status in ("succeeded", "failed"), f"{blow} in {moment} ({name}): {shares}")
            turn.add(f"{blow.replace(' ', '_')}_{status}", 1)
            app.broken.append((began, time.time()))
            world.wait(lambda app=app: world.serves(app), f"{app.name} serves again", 30)  # type: ignore[misc]
    world.estiva.end(worker)


ROWS = (
    Row(
        12, "sshd", "sshd killed, restarted, the server rebooted: mid-pull, mid-log, mid-replace", sshd_killed, long=300
    ),
    Row(15, "engine", "the engine restarted, killed, frozen, with live-restore and without", engine_broken, long=300),
)
