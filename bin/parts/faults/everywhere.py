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
from parts.faults.evidence import Brought
from parts.faults.nursery_points import IN_CONTAINERS, Point
from parts.faults.points import Moment, Spot, heard, moments, reached
from parts.faults.record import ENDS
from parts.faults.row import Round, Row
from parts.faults.sight import ENVIRONMENT
from parts.faults.world import START_FIRST, Application, World

TO_DIE_SECONDS: Final = 75.0
ENDING_SECONDS: Final = 150.0
BEFORE: Final = 2  # deploys until each one brings an image, keeps one and drops one
TRIES: Final = 3  # at a moment that did not come
MANY: Final = 16


@dataclass
class Strategy:
    """A way to deploy, and the applications that go it: what holds for one of them holds for the others.

    `change` gives one another version, the count's; `looks` are moments, too; `only` leaves some calls to other strategies.
    """

    name: str
    applications: list[Application]
    change: Callable[[Application, int], None]
    looks: bool = True
    only: Callable[[Spot], bool] = lambda _: True
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
    """The deploys of one row: learn, then kill until no moment is left."""

    def __init__(self, turn: Round, nursery: Nursery, strategies: Sequence[Strategy]) -> None:
        self._turn, self._world, self._nursery, self._strategies = turn, turn.world, nursery, strategies
        self._count, self._told = 0, self._file("reached")

    def learn(self, due: Sequence[str]) -> None:
        """Deploy until each deploy does what the one before did, and hear what calls the last one makes: `due` are among them."""
        turn, told = self._turn, self._file("undisturbed")
        everything = [(each, app) for each in self._strategies for app in each.applications]
        (plain,) = self._nursery.workers(1, concurrency=MANY)
        for _ in range(BEFORE if turn.whole else 1):
            self._undisturbed(everything)
        plain.kill()
        (listening,) = self._nursery.workers(1, concurrency=MANY, told=str(told), all_calls=True)
        self._undisturbed(everything)
        listening.kill()
        lines = told.read_text().splitlines()
        missing = set(due)
        for each in self._strategies:
            spots = heard(lines, each.applications[0].placement)
            missing -= {spot.call for spot in spots}
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
            self._cut_off(batch, numbers, workers)
            following = self._next()
            # At least as many as have something to take up: what was held as a worker fell silent is tried by one that holds nothing else
            workers = self._doomed(following, max(len(following), len(batch)))
            self._all_end_well(batch, numbers)
            batch = following
        for worker in workers:
            worker.kill()

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
            status = self._world.ended(number, timeout=ENDING_SECONDS)
            shares = [str(share) for share in self._world.record.of(number)]
            self._turn.expect(status == "succeeded", f"#{number}, cut off {each.point}: {shares}")

    def _undisturbed(self, everything: Sequence[tuple[Strategy, Application]]) -> None:
        for number in self._clicked(self._planned(everything)):
            self._turn.succeeded(number, timeout=ENDING_SECONDS)

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
        return self._world.folder / f"{self._turn.row.name}-{name}"


def next_release(world: World, app: Application) -> int:
    """The number of the Release that the next click makes, where it brings something new."""
    query = f"SELECT next_release FROM deployments_placement WHERE id = {app.placement:d}"
    return int(world.record.rows(query)[0][0])


def killed_everywhere(turn: Round) -> None:
    """Stop-first, start-first, in batches and canary: four strategies, several applications of each with --full."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        seats = range(turn.amount(1, 2))
        waves = {name: {"kind": name, "size": "1", "gate": "none"} for name in ("batches", "canary")}
        strategies = [
            Strategy(
                "stop-first", [turn.application(f"stop{each}", volumes=_data(each)) for each in seats], _new(turn)
            ),
            Strategy(
                "start-first",
                [turn.application(f"start{each}", [world.machines[-1]], strategy=START_FIRST) for each in seats],
                _new(turn),
            ),
        ]
        for name, order in waves.items():
            # Their Targets look as stop-first's do
            apps = [turn.application(f"{name}{each}", world.machines, rollout=order) for each in seats]
            strategies.append(Strategy(name, apps, _new(turn), looks=False))
        killing = Killing(turn, nursery, strategies)
        killing.learn(IN_CONTAINERS)
        world.probe(*turn.applications)
        killing.kill()


def _data(number: int) -> list[dict[str, object]]:
    return [{"name": f"kill-data{number}", "path": "/data", "read_only": False}]


def _new(turn: Round) -> Callable[[Application, int], None]:
    """An image that no server has, and one Release kept, so that each deploy pulls one and drops one."""

    def change(app: Application, count: int) -> None:
        image = turn.world.images.page(f"{app.name}-{count}")
        app.images[image.image_id], app.brings = image, Brought(image.tag, image.image_id)
        turn.world.backstage(
            "place",
            name=app.name,
            image=image.reference,
            servers=[each.name for each in app.servers],
            settings={},
            keep_releases=1,
        )

    return change


ROWS = (
    Row(
        1,
        "kill",
        "a worker killed before, during and after every call of every strategy",
        killed_everywhere,
        quick=True,
        seconds=40,
        long=900,
        both=True,
    ),
)
