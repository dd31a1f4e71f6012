"""`bin/bench click`'s crowd: many deploys asked for at once, which mostly wait for health, on one, two and four workers."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.tab import Tab
from parts.faults.sight import Application
from parts.faults.world import World
from parts.processes import PartError, descendants

PEOPLE = 8  # who click at once, each one deploy after another
WORKERS = (1, 2, 4)
ASKS = {"interval": 1, "passes": 1, "deadline": 60}
TICKS = os.sysconf("SC_CLK_TCK")


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

    def table(self, counts: Sequence[int]) -> list[Cell]:
        """Every count on one, two and four workers; before that each application is deployed once."""
        cells: list[Cell] = []
        for workers in (max(WORKERS), *WORKERS):
            started = [self._world.estiva.worker(concurrency=self._concurrency) for _ in range(workers)]
            for count in counts if cells else counts[-1:]:
                cells.append(self._cell(count, workers))
                print(f"{count} deploys on {workers} workers: {cells[-1].seconds:.1f} s", flush=True)
            for each in started:
                self._world.estiva.end(each)
        return cells[1:]

    def _cell(self, count: int, workers: int) -> Cell:
        chosen = self._applications[:count]
        with ThreadPoolExecutor(PEOPLE) as people:
            shares = [chosen[number::PEOPLE] for number in range(PEOPLE)]
            plans = list(people.map(self._planned, self._tabs, shares))
            before, own = _cores(), self._own_cpu()
            numbers = [each for found in people.map(_click_all, self._tabs, plans) for each in found]
        for number in numbers:
            if self._world.ended(number, timeout=60 + 20 * count) != "succeeded":
                raise PartError(f"{[str(each) for each in self._world.record.of(number)]}")
        after = _cores()
        done = [each for each in self._world.record.deployments() if each.id in set(numbers)]
        return Cell(
            count,
            workers,
            [each.started - each.requested for each in done],
            max(each.ended for each in done) - min(each.requested for each in done),
            1 - (after[1] - before[1]) / (after[0] - before[0]),
            (self._own_cpu() - own) / count,
        )

    def _planned(self, tab: Tab, applications: list[Application]) -> list[tuple[str, dict[str, str]]]:
        asked = [tab.ask_plan(each.name, "live") for each in applications]
        return [(plan, tab.plan(plan)) for plan in asked]

    def _own_cpu(self) -> float:
        alive = [each.pid for each in self._world.estiva.processes.values() if each.alive]
        return sum(_cpu(pid) for parent in alive for pid in (parent, *descendants(parent)))


def _click_all(tab: Tab, plans: list[tuple[str, dict[str, str]]]) -> list[int]:
    return [tab.send(plan, fields) for plan, fields in plans]


def _cores() -> tuple[float, float]:
    """What all cores together had of time until now, and idled."""
    fields = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return float(sum(fields)), float(fields[3] + fields[4])


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS
