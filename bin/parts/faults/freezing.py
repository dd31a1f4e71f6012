"""Row 3: a worker frozen at a call until another has its work, and thawed: what it then does, late, leaves nothing behind."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from parts.faults.breed import Bred
from parts.faults.estiva import thaw
from parts.faults.half_written import locked
from parts.faults.killing import next_release
from parts.faults.nursery_points import Point, whose
from parts.faults.row import Round, Row
from parts.faults.world import START_FIRST, Application
from parts.processes import PartError

TO_FREEZE_SECONDS: Final = 40.0
TO_NOTICE_SECONDS: Final = 60.0
LEASE_SECONDS: Final = 30.0
LOCK_SECONDS: Final = 5.0
HELD: Final = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    " AND state_change < now() - interval '1 second'"
)
LETS_GO: Final = re.compile(r"lease lost|somebody else ended this first")


@dataclass(frozen=True)
class Frost:
    """Where the worker stands still. `beside`: it is thawed while the other one is at work, not when that has finished."""

    call: str
    when: str
    beside: bool = False

    def __str__(self) -> str:
        return f"{self.when} {self.call}" + (", thawed beside its successor" if self.beside else "")


FROSTS: Final = (
    Frost("create", "before"),  # the request is sent late
    Frost("pull", "during"),
    Frost("create", "before", beside=True),
    Frost("create", "during"),
    Frost("start", "before"),
    Frost("probe_http", "before"),
    Frost("remove", "before"),  # the old version's, in the cleanup
)


def frozen_past_its_lease(turn: Round) -> None:
    """Every frost on both strategies with --full: another takes over and finishes, and one version is there, its own."""
    world = turn.world
    apps = [
        turn.application("stop"),
        turn.application("start", [world.machines[-1]], strategy=START_FIRST),
    ]
    first = world.worker()
    for app in apps:
        world.deployed(app)
    first.kill()
    world.probe(*apps)
    every = [(app, frost) for frost in FROSTS for app in apps]
    chosen = every[: turn.amount(2, len(every))]
    for number, (app, frost) in enumerate(chosen):
        _freeze_once(turn, app, frost, number)
    if any(frost.beside for _, frost in chosen):
        turn.expect(turn.result.measured.get("late_creates", 0) > 0, "no create was sent late")


def _freeze_once(turn: Round, app: Application, frost: Frost, number: int) -> None:
    world = turn.world
    of = whose(app.placement, next_release(world, app), app.servers[0].name, "deploy")
    point = Point(frost.call, frost.when, of, nth=1, end="freeze")
    stale = world.nursery.workers(1, [point])[0]
    world.change(app, world.images.page(f"{app.name}-{number}", "slow_start", seconds=1.5))
    clicked = world.deploy(app)
    world.wait(lambda: stale.frozen, f"the worker stands still {frost}", TO_FREEZE_SECONDS)
    if not _gives_locks_back(turn):
        thaw(stale)
        turn.succeeded(clicked)
        stale.kill()
        return
    world.record.let_leases_run_out()
    second = world.worker()
    if frost.beside:
        world.until_step(clicked, "health")
    else:
        turn.succeeded(clicked)
    before = _as_it_is(turn, app)
    thawed = time.time()
    thaw(stale)
    world.wait(lambda: _has_let_go(stale), "the stale worker lets go", TO_NOTICE_SECONDS)
    turn.succeeded(clicked)
    after = _as_it_is(turn, app)
    turn.expect(
        len(after) == 1 and (frost.beside or after == before),
        f"{app.strategy}, frozen {frost}: the stale worker left a trace: {before} {after}",
        "duplicated",
    )
    events = [each for each in world.events(app) if each.action == "create" and each.at > thawed]
    turn.add("late_creates", len(events))
    turn.did()
    stale.kill()
    second.kill()


def _gives_locks_back(turn: Round) -> bool:
    """Who stands still in the middle of a transaction holds locks that others wait for, the reconciler before all.

    PostgreSQL ends such a session if it was told after how long; SQLite can't, and then this frost is none.
    """
    world = turn.world
    if world.estiva.postgres is None:
        writable = not locked(world.estiva.database_url.removeprefix("sqlite://"), LOCK_SECONDS)
        turn.add("stood_still_while_writing", int(not writable))
        return writable
    held = bool(world.record.rows(HELD))
    turn.add("stood_still_while_writing", int(held))
    with suppress(PartError):
        world.wait(lambda: not world.record.rows(HELD), "the database ends the transaction", LEASE_SECONDS)
        return True
    turn.expect(
        False, f"a frozen worker keeps a transaction open for more than {LEASE_SECONDS:g} s, and the reconciler out"
    )
    return False


def _has_let_go(stale: Bred) -> bool:
    return bool(LETS_GO.search(stale.log.read_text(errors="replace")))


def _as_it_is(turn: Round, app: Application) -> list[tuple[str, str, str]]:
    found = [each for machine in app.servers for each in turn.world.containers(app, machine)]
    return sorted((str(each["Id"])[:12], str(each["Names"]), str(each["State"])) for each in found)


ROWS = (
    Row(
        3,
        "freeze",
        "a worker frozen past its lease, and thawed after another took over",
        frozen_past_its_lease,
        quick=True,
        seconds=20,
        long=180,
        both=True,
    ),
)
