"""Row 1: workers killed at every call of every way to deploy. What the calls are is learned from a deploy that nothing disturbs.

Several applications are deployed at once, each by a worker of its own that dies at the moment meant for that application's deploy: it
holds nothing else, so that nothing else dies there. When all have died, others take up what they left, and die in the deploys that come next.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parts.faults.breed import Bred, Nursery
from parts.faults.nursery_points import Point
from parts.faults.points import Moment, Spot, heard, moments, reached, since
from parts.faults.record import ENDS, GOOD, RESTORED
from parts.faults.row import Round
from parts.faults.sight import ENVIRONMENT
from parts.faults.world import Application, World

TO_DIE_SECONDS: Final = 75.0
ENDING_SECONDS: Final = 150.0
BEFORE: Final = 2  # deploys until each one brings an image, keeps one and drops one
TRIES: Final = 3  # at a moment that did not come
MANY: Final = 16


@dataclass
class Strategy:
    """A way to deploy, and the applications that go it: what holds for one of them holds for the others.

    `change` gives one another version, the count's; `looks` are moments, too; `only` leaves some calls to other strategies, and
    `after` those until the first one of this name. The first deploy ends well, the others as `ends` says; `cancelled` is each of
    these as its health check begins.
    """

    name: str
    applications: list[Application]
    change: Callable[[Application, int], None]
    looks: bool = True
    only: Callable[[Spot], bool] = lambda _: True
    after: str = ""
    ends: tuple[str, ...] = (GOOD,)
    cancelled: bool = False
    left: deque[Moment] = field(default_factory=deque)
    failed: Counter[Moment] = field(default_factory=Counter)


@dataclass(frozen=True)
class Due:
    """One worker's death to come."""

    strategy: Strategy
    app: Application
    moment: Moment
    point: Point


class Killing:
    """The deploys of one row: learn, then kill until no moment is left. `mark` tells its files from those of another in the row."""

    mark = ""

    def __init__(self, turn: Round, nursery: Nursery, strategies: Sequence[Strategy]) -> None:
        self._turn, self._world, self._nursery, self._strategies = turn, turn.world, nursery, strategies
        self._count, self._told = 0, self._file("reached")
        self._cancelled: set[int] = set()

    def learn(self, due: Sequence[str]) -> None:
        """Deploy until each deploy does what the one before did, and hear what calls the last one makes: `due` are among them."""
        turn, told = self._turn, self._file("undisturbed")
        everything = [(each, app) for each in self._strategies for app in each.applications]
        (plain,) = self._nursery.workers(1, concurrency=MANY)
        for _ in range(BEFORE if turn.whole else 1):
            self._undisturbed(everything)
        plain.kill()
        self._listen(everything, told)
        lines = told.read_text().splitlines()
        missing = set(due)
        for each in self._strategies:
            spots = self._of_interest(heard(lines, each.applications[0].placement))
            missing -= {spot.call for spot in spots}
            spots = since(spots, each.after) if each.after else spots
            every = moments(turn.dice, spots, looks=each.looks, only=each.only)
            turn.note(f"{each.name}_points", len(every))
            several = every * turn.times
            turn.dice.shuffle(several)
            each.left.extend(several[: turn.amount(len(each.applications), len(several))])
        if turn.whole:
            turn.expect(not missing, f"no deploy made the calls {sorted(missing)}, so none was cut off there")

    def kill(self) -> None:
        """Until no moment is left."""
        batch = self._next()
        workers = self._doomed(batch, len(batch))
        while batch:
            numbers = self._clicked(self._planned([(each.strategy, each.app) for each in batch]))
            self._begun(batch, numbers)
            self._cut_off(batch, numbers, workers)
            following = self._next()
            # At least as many as have something to take up: what was held as a worker fell silent is tried by one that holds nothing else
            workers = self._doomed(following, max(len(following), len(batch)))
            self._all_end_well(batch, numbers)
            batch = following
        for worker in workers:
            worker.kill()

    def _listen(self, everything: Sequence[tuple[Strategy, Application]], told: Path) -> None:
        """One deploy of each with every call written down."""
        (listening,) = self._nursery.workers(1, concurrency=MANY, told=str(told), all_calls=True)
        self._undisturbed(everything)
        listening.kill()

    def _of_interest(self, spots: list[Spot]) -> list[Spot]:
        """Those of what was heard that somebody can be cut off at."""
        return spots

    def _begun(self, batch: Sequence[Due], numbers: Sequence[int]) -> None:
        """What has to happen to these before they can come to their moments: nothing, in a first attempt."""

    def _next(self) -> list[Due]:
        """As many at once as there are applications, each meant for the deploy that comes next."""
        return [
            Due(each, app, moment := each.left.popleft(), self._point(each, app, moment))
            for each in self._strategies
            for app in each.applications
            if each.left
        ]

    def _point(self, strategy: Strategy, app: Application, moment: Moment) -> Point:
        """What was heard of the first of its applications, of this one on its own servers."""
        heard_on = [each.name for each in strategy.applications[0].servers]
        stead = dict(zip(heard_on, (each.name for each in app.servers), strict=True))
        return moment.of(app.placement, next_release(self._world, app), stead)

    def _doomed(self, batch: Sequence[Due], count: int) -> list[Bred]:
        self._told = self._file(f"reached{self._count}")
        self._told.touch()
        return self._nursery.workers(count, [each.point for each in batch], concurrency=1, told=str(self._told))

    def _cut_off(self, batch: Sequence[Due], numbers: Sequence[int], workers: Sequence[Bred]) -> None:
        """Wait until each deploy has come to its moment, or to its end; then nobody is left who could go on with one."""

        def settled() -> bool:
            met, over = self._reached(), self._over(numbers)
            for each, number in zip(batch, numbers, strict=True):
                if each.strategy.cancelled and number not in over:
                    self._cancel(number, at_once=each.point in met)
            return all(each.point in met or number in over for each, number in zip(batch, numbers, strict=True))

        self._world.wait(settled, "each deploy is cut off or done", TO_DIE_SECONDS)
        for worker in workers:
            worker.kill()
        met = self._reached()
        for each in batch:
            self._note(each.strategy, each.moment, was_there=each.point in met)
        self._turn.add("interrupted", self._world.record.let_leases_run_out())

    def _note(self, strategy: Strategy, moment: Moment, *, was_there: bool) -> None:
        self._turn.did(int(was_there))
        self._turn.add(f"{strategy.name}_kills", int(was_there))
        self._turn.add(f"{strategy.name}_not_reached", int(not was_there))
        if was_there:
            return
        strategy.failed[moment] += 1
        again = strategy.failed[moment] < TRIES
        if again:
            strategy.left.append(moment)
        self._turn.expect(again, f"{strategy.name}: no deploy ever came to the moment {moment}")

    def _all_end_well(self, batch: Sequence[Due], numbers: Sequence[int]) -> None:
        for each, number in zip(batch, numbers, strict=True):
            self._ends_as_meant(each.strategy.ends, number, f"cut off {each.point}")

    def _undisturbed(self, everything: Sequence[tuple[Strategy, Application]]) -> None:
        numbers = self._clicked(self._planned(everything))
        for (strategy, _), number in zip(everything, numbers, strict=True):
            if strategy.cancelled and self._count > 1:
                self._world.wait(
                    lambda number=number: self._cancel(number),  # type: ignore[misc]
                    f"#{number} is cancelled",
                    TO_DIE_SECONDS,
                )
            self._ends_as_meant(strategy.ends if self._count > 1 else (GOOD,), number, "undisturbed")

    def _ends_as_meant(self, ends: Sequence[str], number: int, told: str) -> None:
        status = self._world.ended(number, timeout=ENDING_SECONDS)
        shares = self._world.record.of(number)
        clean = status in ends and all(each.status in (GOOD, *RESTORED) for each in shares)
        self._turn.expect(clean, f"#{number}, {told}: {[str(each) for each in shares]}")

    def _cancel(self, number: int, *, at_once: bool = False) -> bool:
        """Press it once, as soon as the new version is judged; whether it was."""
        if number not in self._cancelled and (at_once or self._world.has_begun(number, "health")):
            self._cancelled.add(number)
            self._world.ada.cancel(number)
        return number in self._cancelled

    def _planned(self, several: Sequence[tuple[Strategy, Application]]) -> list[tuple[Application, str, str]]:
        """Each with another version; the plans side by side, as lookers work them out."""
        self._count += 1
        for strategy, app in several:
            strategy.change(app, self._count)
        ada = self._world.ada
        asked = [(app, ada.ask_plan(app.name, ENVIRONMENT)) for _, app in several]
        return [(app, plan, ada.until_planned(plan)) for app, plan in asked]

    def _clicked(self, plans: Sequence[tuple[Application, str, str]]) -> list[int]:
        numbers = []
        for app, plan, fingerprint in plans:
            numbers.append(self._world.ada.click(plan, fingerprint))
            app.clicked(numbers[-1])
        return numbers

    def _reached(self) -> set[Point]:
        return reached(self._told.read_text().splitlines())

    def _over(self, numbers: Sequence[int]) -> set[int]:
        wanted, ends = ", ".join(f"{each:d}" for each in numbers), ", ".join(f"'{each}'" for each in ENDS)
        query = f"SELECT id FROM deployments_deployment WHERE id IN ({wanted}) AND status IN ({ends})"
        return {int(number) for (number,) in self._world.record.rows(query)}

    def _file(self, name: str) -> Path:
        return self._world.folder / f"{self._turn.row.name}{self.mark}-{name}"


def next_release(world: World, app: Application) -> int:
    """The number of the Release that the next click makes, where it brings something new."""
    query = f"SELECT next_release FROM deployments_placement WHERE id = {app.placement:d}"
    return int(world.record.rows(query)[0][0])
