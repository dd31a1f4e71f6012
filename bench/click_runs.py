"""`bin/bench click`'s single clicks: one person, one server, nothing else going on; and the floor beside each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.clicked import Clicked
from bench.pairs import take_turns
from bench.peers import Local
from bench.seats import Seat
from bench.servers import plan_seconds
from bench.tab import Tab
from bench.world import CONCURRENCY
from parts.faults.world import World
from parts.processes import PartError

# One answer is proof enough here, asked for often: the floor doesn't ask at all.
HEALTH = {"interval": 0.1, "passes": 1, "deadline": 20}


@dataclass
class Clicks:
    """What came of them: per round the click as its tab met it, the seconds to the end on record, those of the plan before it, and the
    floor's."""

    clicked: list[Clicked] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    plans: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0


def clicks(world: World, rounds: int) -> Clicks:
    """So many clicks that bring the very image that runs, each after the floor or before it."""
    worker = world.estiva.worker(concurrency=CONCURRENCY)
    app = world.application("page", health=HEALTH)
    world.deployed(app)
    tab, found = Tab(world.estiva.url, world.ada.cookies), Clicks()
    machine = world.machines[0]
    (pushed,) = app.images.values()
    seat, local = Seat(machine.sshd, str(machine.engine.socket), "floor", app.port + 1000), Local()

    def click(number: int) -> float:
        plan = world.ada.ask_plan(app.name, "live")
        clicked = tab.click(plan, tab.plan(plan), last_line(world))
        return _note(world, found, clicked, is_counted=number >= 0)

    ways = {"floor": lambda _: local.deploy([seat], pushed.reference), "click": click}
    for number in range(2):  # both web processes and the worker's threads have met everything before the first round
        click(-1 - number)
    seconds = take_turns(ways, rounds)
    found.floor, found.done = seconds["floor"], seconds["click"]
    world.estiva.end(worker)
    return found


def _note(world: World, found: Clicks, clicked: Clicked, *, is_counted: bool) -> float:
    """Keep what came of a click; seconds from it to the end on record, which must be a good one."""
    (share,) = world.record.of(clicked.deployment)
    if share.status != "succeeded":
        raise PartError(str(share))
    if is_counted:
        lost, doubled = clicked.judge()
        found.lost += lost + share.last_line - max(clicked.numbers, default=0)
        found.doubled += doubled
        found.clicked.append(clicked)
        found.plans.append(plan_seconds(world.record, clicked.deployment))
        for name, seconds in moments(world, clicked).items():
            found.parts.setdefault(name, []).append(seconds)
    return share.ended - clicked.sent_at


def last_line(world: World) -> Callable[[int], int]:
    """How many lines a Deployment has on record."""
    return lambda deployment: sum(each.last_line for each in world.record.of(deployment))


def moments(world: World, clicked: Clicked) -> Mapping[str, float]:
    """Where the time went by the record, in seconds since the form was sent."""
    ((requested, started),) = _moments(
        world, "SELECT d.requested_at, t.started_at FROM deployments_target t", clicked.deployment
    )
    steps = _moments(
        world,
        "SELECT s.key, s.started_at, s.ended_at FROM deployments_step s JOIN deployments_target t ON t.id = s.target_id",
        clicked.deployment,
    )
    told = {"requested": requested.timestamp() - clicked.sent_at, "claimed": started.timestamp() - clicked.sent_at}
    return {**told, **{f"{key} over": ended.timestamp() - clicked.sent_at for key, _, ended in steps if ended}}


def _moments(world: World, query: str, deployment: int) -> list[tuple[Any, ...]]:
    where = f" JOIN deployments_deployment d ON d.id = t.deployment_id WHERE d.id = {deployment:d}"
    return world.record.rows(query + where)
