"""`bin/bench far`'s runs."""

import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bench.click_runs import HEALTH, last_line, moments
from bench.far_world import Line, open_to_namespaces, place, sent, worker
from bench.pairs import take_turns
from bench.tab import Tab
from bench.world import world
from parts.faults.record import Share
from parts.faults.sight import Application
from parts.faults.world import World
from parts.namespaces import Namespace
from parts.processes import PartError

SAID = 3000  # lines of the application that says much
LONG = 40.0  # seconds until one is healthy: longer than a lease
IDLE = 8.0  # seconds in which a worker that has nothing to do is counted: more than one beat


@dataclass
class Side:
    """One worker's deploys: seconds from the click, and what a deploy sent."""

    name: str
    done: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)


@dataclass
class Far:
    """All that was seen."""

    near: Side = field(default_factory=lambda: Side("near"))
    far: Side = field(default_factory=lambda: Side("far"))
    together: float = 0.0
    shares: Mapping[str, int] = field(default_factory=dict)
    long: float = 0.0
    chatty: float = 0.0
    lines: int = 0
    lost: int = 0
    doubled: int = 0
    leases_lost: int = 0


def measure(line: Line, deploys: int, at_once: int) -> Far:
    """The near worker alone and the far one, in turns; then three at once; then what is hard for the far one."""
    found = Far()
    with world(1) as made:
        open_to_namespaces(made)
        with place(made) as here, place(made) as beside, place(made, line) as there:
            apps = [made.application(f"page{number}", health=HEALTH) for number in range(at_once)]
            alone = (_Alone(made, found, found.near, here, apps[0]), _Alone(made, found, found.far, there, apps[0]))
            take_turns({each.side.name: each.deploy for each in alone}, deploys)
            _together(made, found, {"near": here, "near too": beside, "far": there}, apps)
            process = worker(made, there, "hard")
            slow = made.images.page("long", "slow_start", seconds=LONG)
            found.long = _one(made, found, made.application("long", image=slow, health={"deadline": 2 * LONG}))
            variables = {"SAMPLE_LINES": str(SAID)}
            chatty = made.images.page("chatty", "chatty", variables=variables)
            found.chatty = _one(made, found, made.application("chatty", image=chatty, health={"deadline": 60}), SAID)
            found.lines = SAID
            made.estiva.end(process)
    return found


class _Alone:
    """One worker that is the only one: started for each of its turns, since whoever runs takes what there is."""

    def __init__(self, made: World, found: Far, side: Side, where: Namespace, app: Application) -> None:
        self.side = side
        self._made, self._found, self._where, self._app = made, found, where, app
        self._tab, self._idle = Tab(made.estiva.url, made.ada.cookies), dict[str, float]()

    def deploy(self, number: int) -> float:
        """Seconds of a deploy, after one that makes the worker's connections."""
        process = worker(self._made, self._where, f"{self.side.name}{number + 1}")
        try:
            _one(self._made, self._found, self._app, tab=self._tab)
            self._idle = self._idle or _idle(self._where)
            before, began = sent(self._where), time.monotonic()
            side = self.side if number >= 0 else None
            seconds = _one(self._made, self._found, self._app, side=side, tab=self._tab)
            spent = time.monotonic() - began
            for kind, count in sent(self._where).items() if side else ():
                more = max(0.0, count - before[kind] - self._idle[kind] * spent)
                self.side.requests[kind] = (self.side.requests.get(kind, 0.0) * number + more) / (number + 1)
        finally:
            self._made.estiva.end(process)
        return seconds


def _idle(where: Namespace) -> dict[str, float]:
    """What a worker sends in a second while it has nothing to do."""
    before = sent(where)
    time.sleep(IDLE)
    return {kind: (count - before[kind]) / IDLE for kind, count in sent(where).items()}


def _together(made: World, found: Far, places: Mapping[str, Namespace], apps: list[Application]) -> None:
    """All take what there is; whoever is nearer takes more."""
    processes = [worker(made, where, f"together{number}") for number, where in enumerate(places.values())]
    tabs = [Tab(made.estiva.url, made.ada.cookies) for _ in apps]
    plans = [tab.ask_plan(app.name, "live") for tab, app in zip(tabs, apps, strict=True)]
    given = [tab.plan(plan) for tab, plan in zip(tabs, plans, strict=True)]
    began = time.time()
    with ThreadPoolExecutor(len(apps)) as people:
        clicked = list(people.map(Tab.click, tabs, plans, given, [last_line(made)] * len(tabs)))
    shares = [_ended_well(made, found, each.deployment) for each in clicked]
    for each, share in zip(clicked, shares, strict=True):
        _count_lines(found, each.numbers, share.last_line)
    found.together = max(share.ended for share in shares) - began
    holders = made.record.rows("SELECT id, holder FROM deployments_target")
    names = {number: holder.partition("@")[0] for number, holder in holders}
    taken = Counter(names[share.id] for share in shares)
    found.shares = {name: taken[f"together{number}"] for number, name in enumerate(places)}
    for process in processes:
        made.estiva.end(process)


def _one(
    made: World, found: Far, app: Application, said: int = 0, *, side: Side | None = None, tab: Tab | None = None
) -> float:
    """A click and its end; seconds between. `said` is how many lines of the application must be on record."""
    tab = tab or Tab(made.estiva.url, made.ada.cookies)
    plan = tab.ask_plan(app.name, "live")
    clicked = tab.click(plan, tab.plan(plan), last_line(made))
    share = _ended_well(made, found, clicked.deployment)
    _count_lines(found, clicked.numbers, share.last_line)
    if said:
        texts = made.record.log(share.id)
        found.lost += said - sum("loaded record" in text for text in texts)
    if side is not None:
        side.done.append(share.ended - clicked.sent_at)
        side.first.append(clicked.first_line)
        for name, at in moments(made, clicked).items():
            side.parts.setdefault(name, []).append(at)
    return share.ended - clicked.sent_at


def _ended_well(made: World, found: Far, deployment: int) -> Share:
    """Its share, which succeeded at the first attempt."""
    (share,) = made.record.of(deployment)
    if share.status != "succeeded" or share.attempts != 1:
        raise PartError(f"{share}; {share.stalled_reason}")
    found.leases_lost += share.leases_lost
    return share


def _count_lines(found: Far, numbers: list[int], last: int) -> None:
    """What the viewer met, against the record."""
    met: Counter[Any] = Counter(numbers)
    found.lost += sum(number not in met for number in range(1, last + 1))
    found.doubled += sum(count - 1 for count in met.values())
