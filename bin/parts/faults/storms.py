"""Rows about everything at once: a deploy that no worker survives, a database that goes, and the storm."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from parts.faults import storm_apps, storm_ends, storm_plan
from parts.faults.estiva import Estiva
from parts.faults.keeping import Keeper
from parts.faults.memory import out_of_memory
from parts.faults.row import Round, Row
from parts.faults.storm_blows import Breaker
from parts.faults.storm_clicks import Clicker
from parts.faults.world import START_FIRST, Application
from parts.git_server import GitServer
from parts.processes import Process
from parts.screen import say

FIRST_SECONDS: Final = 300.0


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


def storm(turn: Round) -> None:
    """Deploys of many applications on many servers, clicked all the time, while everything of Estiva's breaks again and again."""
    world, whole = turn.world, turn.whole
    plan = storm_plan.draw(turn.dice, servers=turn.servers, deploys=turn.deploys, whole=whole)
    say(turn.row.name, f"{len(plan.apps)} applications; without: {', '.join(plan.without()) or 'nothing'}")
    storm_apps.add_servers(turn)
    with GitServer(world.folder / "git") as server, Keeper(world.estiva) as keeper:
        _keep(turn, keeper)
        stormy = [storm_apps.make(turn, each, server) for each in plan.apps]
        apps = [each.app for each in stormy]
        turn.succeeded(*[world.deploy(app) for app in apps], timeout=FIRST_SECONDS)
        world.probe(*apps)
        turn.want(storm_plan.due(postgres=world.estiva.postgres is not None) if whole else 1)
        blows = storm_plan.blows(plan.blows, postgres=world.estiva.postgres is not None, whole=whole)
        clickers = [Clicker(world, each) for each in stormy]
        with Breaker(world, keeper, apps, blows) as breaker, ThreadPoolExecutor(len(clickers)) as pool:
            clicking = [pool.submit(each.click_all) for each in clickers]
        for each in clicking:
            each.result()
        turn.did(breaker.dealt.total())
        for kind, times in sorted(breaker.dealt.items()):
            turn.add(f"blows_{kind}", times)
        turn.note("blows_at_once_at_most", breaker.most_at_once)
        for kind, times in Counter(each.kind for each in plan.apps).items():
            turn.add(f"applications_{kind.replace('-', '_')}", times)
        storm_ends.end(turn, stormy, clickers)


def _keep(turn: Round, keeper: Keeper) -> None:
    """Two workers, another reconciler beside the one of this world where there is time for it, and all that runs already."""
    estiva = turn.world.estiva
    starts: dict[str, Callable[[], Process]] = {
        "web": lambda: estiva.web(wait=False),
        "look": lambda: estiva.worker("look", wait=False),
        "reconciler": estiva.reconciler,
        "worker": lambda: estiva.worker(concurrency=16, wait=False),
    }
    for kind in ("web", "look", "reconciler"):
        for process in estiva.alive(kind):
            keeper.keep(kind, starts[kind], process)
    for kind in ("worker", "worker", *["reconciler"] * int(turn.whole)):
        keeper.keep(kind, starts[kind])


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
    Row(6, "out-of-memory", "a deploy that no worker survives", out_of_memory, long=200),
    Row(9, "database", "the database crashed, restarted, gone for a while", database_gone, long=200, both=True),
)
