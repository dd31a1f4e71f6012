"""`bin/bench click`'s crowd: many deploys asked for at once, which mostly wait for health, on one, two and four workers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench import processes
from bench.cores import Cores
from bench.pairs import take_turns
from bench.tab import Tab
from parts.faults.estiva import until_ready
from parts.faults.sight import Application
from parts.faults.world import World
from parts.processes import PartError, descendants

PEOPLE = 8  # who click at once, each one deploy after another
WORKERS = (1, 2, 4)
COMPARED = (1, 4)  # workers, round by round
ASKS = {"interval": 1, "passes": 1, "deadline": 60}


@dataclass(frozen=True, slots=True)
class Cell:
    """So many deploys on so many workers: how long each waited for a worker, seconds from the first click to the last end, and the
    share of all cores that was busy meanwhile, with what this Estiva's own processes took (CPU seconds a deploy)."""

    deploys: int
    workers: int
    waits: list[float]
    seconds: float
    busy: float
    own_cpu: float

    @property
    def a_minute(self) -> float:
        """Deploys."""
        return 60 * self.deploys / self.seconds


@dataclass
class Cells:
    """All of them: those that were looked at once, and those with the most deploys on one worker and on four, round by round."""

    once: list[Cell] = field(default_factory=list)
    turns: dict[int, list[Cell]] = field(default_factory=dict)


class Crowd:
    """As many applications as there are deploys at once, spread over the servers, each serving `wait` seconds after its start."""

    def __init__(self, world: World, most: int, wait: float, concurrency: int) -> None:
        self._world, self._concurrency = world, concurrency
        slow = world.images.page("slow", "slow_start", seconds=wait)
        machines = world.machines
        self._applications = [
            world.application(f"slow{number}", [machines[number % len(machines)]], image=slow, health=ASKS)
            for number in range(most)
        ]
        self._tabs = [Tab(world.estiva.url, world.ada.cookies) for _ in range(PEOPLE)]

    def table(self, counts: Sequence[int], rounds: int) -> Cells:
        """Every count on one, two and four workers; before that each application is deployed once."""
        self._on(max(WORKERS), counts[-1])
        found = Cells()
        for workers in WORKERS:
            found.once += [
                self._on(workers, count) for count in counts if count != counts[-1] or workers not in COMPARED
            ]

        def by(workers: int) -> Callable[[int], float]:
            def turn(number: int) -> float:
                if number < 0:  # all have been deployed by now
                    return 0.0
                found.turns.setdefault(workers, []).append(self._on(workers, counts[-1]))
                return found.turns[workers][-1].seconds

            return turn

        take_turns({f"{counts[-1]} on {workers}": by(workers) for workers in COMPARED}, rounds)
        return found

    def _on(self, workers: int, count: int) -> Cell:
        """A cell, on workers of its own."""
        started = [self._world.estiva.worker(concurrency=self._concurrency, wait=False) for _ in range(workers)]
        for each in started:
            until_ready(each)
        cell = self._cell(count, workers)
        print(f"{count} deploys on {workers} workers: {cell.seconds:.1f} s", flush=True)
        for each in started:
            self._world.estiva.end(each)
        return cell

    def _cell(self, count: int, workers: int) -> Cell:
        chosen = self._applications[:count]
        with ThreadPoolExecutor(PEOPLE) as people:
            shares = [chosen[number::PEOPLE] for number in range(PEOPLE)]
            plans = list(people.map(self._planned, self._tabs, shares))
            before, own = Cores.now(), self._own_cpu()
            numbers = [each for found in people.map(_click_all, self._tabs, plans) for each in found]
        for number in numbers:
            if self._world.ended(number, timeout=60 + 20 * count) != "succeeded":
                raise PartError(f"{[str(each) for each in self._world.record.of(number)]}")
        after = Cores.now()
        done = [each for each in self._world.record.deployments() if each.id in set(numbers)]
        return Cell(
            count,
            workers,
            [each.started - each.requested for each in done],
            max(each.ended for each in done) - min(each.requested for each in done),
            before.busy_until(after),
            (self._own_cpu() - own) / count,
        )

    def _planned(self, tab: Tab, applications: list[Application]) -> list[tuple[str, dict[str, str]]]:
        asked = [tab.ask_plan(each.name, "live") for each in applications]
        return [(plan, tab.plan(plan)) for plan in asked]

    def _own_cpu(self) -> float:
        alive = [each.pid for each in self._world.estiva.processes.values() if each.alive]
        return sum(processes.cpu_seconds(pid) for parent in alive for pid in (parent, *descendants(parent)))


def _click_all(tab: Tab, plans: list[tuple[str, dict[str, str]]]) -> list[int]:
    return [tab.send(plan, fields) for plan, fields in plans]
