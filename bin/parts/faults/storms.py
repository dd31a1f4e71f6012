"""Rows about everything at once: a deploy that no worker survives, a database that goes, and the storm."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from parts.faults import half_written
from parts.faults.breed import Bred, Nursery
from parts.faults.clicks import flush
from parts.faults.estiva import Estiva
from parts.faults.row import Round, Row, pick
from parts.faults.visitor import Visitor
from parts.faults.world import START_FIRST, Application, World
from parts.machine import Machine
from parts.processes import PartError, Process, descendants, kill_all

MOST_ATTEMPTS: Final = 3


def out_of_memory(turn: Round) -> None:
    """Every worker that meets this one deploy dies of it: three attempts, then people are told; others are not touched."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        worker = nursery.worker()
        poison, *others = [turn.application(name) for name in ("poison", "well", "good")]
        for app in (poison, *others):
            world.deployed(app)
        world.probe(poison, *others)
        worker.kill()
        for number in range(turn.amount(1, 6)):
            _poisoned(turn, nursery, poison, others, number)


def _poisoned(turn: Round, nursery: Nursery, poison: Application, others: list[Application], number: int) -> None:
    world = turn.world
    # Before, since what was done is not done again: the next worker would not come by. And at the new version's container
    # alone: where the old one can't be started either, nobody can bring it back.
    point = {"call": pick(turn.dice, ("create", "start")), "when": "before"}
    numbers = []
    for app in (poison, *others):
        world.change(app, world.images.page(f"memory{number}"))
        numbers.append(world.deploy(app))
    about = _named_as(world, numbers[0])
    worker: Bred | None = None
    until = time.monotonic() + 240
    while not all(world.is_over(each) for each in numbers) and time.monotonic() < until:
        if worker is None or not worker.alive:
            world.record.let_leases_run_out()
            turn.did(0 if worker is None else 1)
            worker = nursery.worker({**point, "about": about})
        time.sleep(0.2)
    share = world.record.of(numbers[0])[0]
    turn.expect(share.attempts <= MOST_ATTEMPTS, f"{share}")
    turn.expect(share.status in ("failed_restored", "needs_attention", "failed_untouched"), f"after {point}: {share}")
    turn.succeeded(*numbers[1:], timeout=5)
    if worker is not None:
        worker.kill()
    healthy = nursery.worker()
    turn.succeeded(world.deploy(poison))
    healthy.kill()


def _named_as(world: World, deployment: int) -> str:
    """How the names of this Deployment's own containers begin, up to the fence."""
    rows = world.record.rows(
        "SELECT a.name, e.name, r.number FROM deployments_deployment d JOIN deployments_release r ON r.id = d.release_id "
        "JOIN deployments_placement p ON p.id = d.placement_id JOIN deployments_application a ON a.id = p.application_id "
        f"JOIN deployments_environment e ON e.id = p.environment_id WHERE d.id = {deployment:d}"
    )
    application, environment, release = rows[0]
    return f"{application}-{environment}-r{release}."


def database_gone(turn: Round) -> None:
    """Crashed and restarted again and again, then gone for a while: no false success, nothing half-written, an unbroken chain."""
    world = turn.world
    apps = [turn.application("stop"), turn.application("start", [world.machines[-1]], strategy=START_FIRST)]
    worker = world.estiva.worker()
    for app in apps:
        world.deployed(app)
    world.probe(*apps)
    for number in range(turn.amount(2, 10)):
        clicked = [_slowly(turn, app, f"database{number}") for app in apps]
        time.sleep(turn.dice.uniform(0, 2.5))
        take_database_away(world.estiva, turn.amount(8, 60) if number == 1 else 0)
        turn.did()
        for each in clicked:
            status = world.ended(each, timeout=240)
            turn.expect(status == "succeeded", "; ".join(str(share) for share in world.record.of(each)))
    half_written.look(turn)
    problems = world.backstage("verify")
    turn.expect(not problems, f"the audit chain: {problems}", "audit")
    world.estiva.end(worker)


def _slowly(turn: Round, app: Application, tag: str) -> int:
    turn.world.change(app, turn.world.images.page(f"{tag}-{app.name}", "slow_start", seconds=1.5))
    return turn.world.deploy(app)


def take_database_away(estiva: Estiva, seconds: float) -> None:
    """PostgreSQL crashes, and is up again after so long; SQLite is locked by somebody for as long, five seconds at least."""
    if estiva.postgres is None:
        place = estiva.database_url.removeprefix("sqlite://")
        with contextlib.closing(sqlite3.connect(place, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(max(seconds, 5))
            other.execute("ROLLBACK")
        return
    if seconds:
        estiva.postgres.stop()
        time.sleep(seconds)
        estiva.postgres.start()
    else:
        estiva.postgres.restart(immediate=True)


@dataclass
class Kept:
    """Something that is started again when it has ended."""

    start: Callable[[], Process]
    process: Process


class Keeper:
    """What systemd does: whatever of Estiva's dies is started again a second later."""

    def __init__(self, estiva: Estiva) -> None:
        self._estiva, self._ending = estiva, threading.Event()
        self.kept: list[Kept] = []
        self._thread = threading.Thread(target=self._loop, name="keeper", daemon=True)

    def keep(self, start: Callable[[], Process]) -> None:
        """Start it, and see that it runs."""
        self.kept.append(Kept(start, start()))

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for each in self.kept:
            self._estiva.end(each.process)

    def _loop(self) -> None:
        while not self._ending.wait(1):
            for each in list(self.kept):
                if not each.process.alive:
                    each.process = each.start()


def storm(turn: Round) -> None:
    """Deploys of many applications on many servers, clicked all the time, while everything of Estiva's breaks again and again."""
    world, dice = turn.world, turn.dice
    while len(world.machines) < turn.servers:
        world.add_machine(current=len(world.machines) % 3 == 2)
    with Keeper(world.estiva) as keeper:
        for _ in range(2):
            keeper.keep(lambda: world.estiva.worker(concurrency=16, wait=False))
        apps = []
        for number, machine in enumerate(world.machines):
            where = [machine, world.machines[number - 1]] if number % 3 == 0 else [machine]
            strategy = START_FIRST if number % 4 == 3 else "stop-first"
            rollout = {"kind": "batches", "size": "1", "gate": "none"} if len(where) > 1 else None
            apps.append(turn.application(f"a{number}", where, strategy=strategy, rollout=rollout))
        for first in [world.deploy(app) for app in apps]:
            world.ended(first, timeout=300)
        world.probe(*apps)
        for _ in range(turn.amount(1, 2)):
            keeper.keep(world.estiva.reconciler)
        ending = threading.Event()
        breaker = threading.Thread(target=_break, args=(turn, keeper, apps, ending), daemon=True)
        breaker.start()
        share = -(-turn.deploys // len(apps))
        with ThreadPoolExecutor(len(apps)) as pool:
            seeds = [dice.randrange(10**6) for _ in apps]
            clicking = [pool.submit(_clicks, turn, app, share, seed) for app, seed in zip(apps, seeds, strict=True)]
        ending.set()
        breaker.join()
        world.estiva.valkey.resume()
        turn.add("answers_lost", sum(each.result() for each in clicking))
        for app in apps:
            app.clicks[:] = [each.id for each in world.record.deployments() if each.placement == app.placement]
            turn.add("deploys", len(app.clicks))
            for number in app.clicks:
                world.ended(number, timeout=600)
        problems = world.backstage("verify")
        turn.expect(not problems, f"the audit chain: {problems}", "audit")


def _clicks(turn: Round, app: Application, count: int, seed: int) -> int:
    """Somebody who keeps deploying; how often no answer came."""
    world, lost, visitor = turn.world, 0, Visitor(turn.world.estiva.url)
    visitor.share(world.ada)
    for number in range(count):
        image = world.images.page(str(1 + (seed + number) % 7))
        try:
            world.change(app, image)
            visitor.deploy(app.name)
        except (PartError, OSError):
            lost += 1
            time.sleep(1)
    return lost


def _break(turn: Round, keeper: Keeper, apps: list[Application], ending: threading.Event) -> None:
    """Something, every few seconds, until told to end."""
    world, dice = turn.world, turn.dice
    valkey = world.estiva.valkey
    machine = world.machines

    def frozen_broker() -> None:
        valkey.freeze()
        ending.wait(dice.choice((5, 10, turn.amount(5, 60))))
        valkey.resume()

    def killed_process() -> None:
        kill_all([pick(dice, keeper.kept).process.pid])

    def killed_web() -> None:
        for web in world.estiva.alive("web"):
            kill_all(descendants(web.pid)[:1])

    def restarted_broker() -> None:
        valkey.kill()
        valkey.start()

    blows: list[Callable[[], None]] = [
        killed_process,
        killed_process,
        killed_web,
        frozen_broker,
        restarted_broker,
        lambda: flush(valkey),
        lambda: pick(dice, machine).sshd.kill_connections(),
        lambda: _resets(dice, pick(dice, machine), apps, ending),
    ]
    if world.estiva.postgres is not None:
        blows.append(lambda: take_database_away(world.estiva, 0))
    while not ending.wait(dice.uniform(2, 7)):
        with contextlib.suppress(PartError, OSError):
            pick(dice, blows)()
            turn.did()


def _resets(dice: random.Random, machine: Machine, apps: list[Application], ending: threading.Event) -> None:
    """For a moment every connection with a server is answered with a reset, those of its pages' visitors too."""
    began = time.time()
    machine.namespace.reset()
    try:
        ending.wait(dice.choice((0.2, 1, 3)))
    finally:
        machine.namespace.mend()
        for app in apps:
            if machine in app.servers:
                app.broken.append((began, time.time()))


ROWS = (
    Row(
        2,
        "storm",
        "deploys on many servers while everything of Estiva's is killed, frozen, flushed and cut",
        storm,
        own_world=True,
        long=500,
        both=True,
    ),
    Row(6, "out-of-memory", "a deploy that no worker survives", out_of_memory),
    Row(9, "database", "the database crashed, restarted, gone for a while", database_gone, long=200, both=True),
)
