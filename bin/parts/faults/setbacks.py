"""Row 1, where a deploy doesn't simply succeed: workers killed while it goes back, runs commands, is cancelled, or is taken over already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from parts.faults.breed import Bred, Nursery
from parts.faults.images import START
from parts.faults.killing import MANY, TO_DIE_SECONDS, Due, Killing, Strategy, next_release
from parts.faults.nursery_points import Point, whose
from parts.faults.points import Spot
from parts.faults.row import Round, Row
from parts.faults.world import Application

BEFORE, AFTER = "before", "after"
RAN: Final = "ran"  # the file in the application's volume to which each command adds a line
COMMANDED: Final = f"""case "$0" in {BEFORE}|{AFTER}) echo "$0 $SAMPLE_VERSION" >> /data/{RAN}; sleep 0.3; exit 0 ;; esac
"""  # a command is the first word that the image's program is given
LONG_SECONDS: Final = 100.0  # until a version is ready that is cancelled before
GOING_BACK: Final = ("stop", "start", "remove", "set_restart_policy")
SETTLING: Final = ("rename", "start", "stop", "create", "remove")


def killed_in_setbacks(turn: Round) -> None:
    """Each of them stop-first, where going back is more than leaving things alone."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        back = _application(turn, "back")
        commands = _application(turn, "commands", before=[BEFORE], after=[AFTER])
        cancelled = _application(turn, "cancelled", health={"deadline": LONG_SECONDS})
        again = [_application(turn, f"again{each}", each) for each in range(turn.amount(1, len(world.machines)))]
        killing = Killing(
            turn,
            nursery,
            [
                Strategy("going-back", [back], _versions(turn, "exits"), after="start", ends=("failed",)),
                Strategy("commands", [commands], _commanded(turn), only=_of_a_command),
                Strategy(
                    "cancelled",
                    [cancelled],
                    _versions(turn, "slow_start"),
                    looks=False,  # they are those of any going back
                    after="start",
                    ends=("cancelled",),
                    cancelled=True,
                ),
            ],
        )
        killing.learn(GOING_BACK)
        world.probe(back, commands, cancelled)
        killing.kill()
        for wrong in ran_wrongly(_lines(commands), _tags(commands)):
            turn.expect(False, wrong, "duplicated")
        # The third attempt only puts the old version back, unless that is gone already
        ends = ("succeeded", "failed")
        killing = KillingAgain(
            turn, nursery, [Strategy("second-attempt", again, _versions(turn, "plain"), looks=False, ends=ends)]
        )
        killing.learn(SETTLING)
        world.probe(*again)
        killing.kill()


class KillingAgain(Killing):
    """Workers killed in second attempts: the first one of each deploy is ended as it has stopped the old version."""

    mark = "-again"

    def _doomed(self, batch: Sequence[Due], count: int) -> list[Bred]:
        """Twice as many: one dies in the first attempt, another in the second."""
        self._told = self._file(f"reached{self._count}")
        self._told.touch()
        points = [point for each in batch for point in (_stopped(each.point), each.point)]
        return self._nursery.workers(2 * count, points, concurrency=1, told=str(self._told))

    def _begun(self, batch: Sequence[Due], numbers: Sequence[int]) -> None:
        self._let_first_ones_die({_stopped(each.point) for each in batch}, numbers)

    def _listen(self, everything: Sequence[tuple[Strategy, Application]], told: Path) -> None:
        planned = self._planned(everything)
        points = [_stop(app.placement, next_release(self._world, app), app.servers[0].name) for _, app in everything]
        self._told.touch()
        doomed = self._nursery.workers(len(points), points, concurrency=1, told=str(self._told))
        numbers = self._clicked(planned)
        self._let_first_ones_die(set(points), numbers)
        for each in doomed:
            each.kill()
        (listening,) = self._nursery.workers(1, concurrency=MANY, told=str(told), all_calls=True)
        for number in numbers:
            self._ends_as_meant(("succeeded",), number, "taken over once")
        listening.kill()

    def _of_interest(self, spots: list[Spot]) -> list[Spot]:
        return [each for each in spots if each.attempt == 2]

    def _let_first_ones_die(self, points: set[Point], numbers: Sequence[int]) -> None:
        """None of them is held by anybody who lives then, so that all leases can run out."""
        self._world.wait(lambda: points <= self._reached(), "each first attempt is cut off", TO_DIE_SECONDS)
        self._turn.add("taken_over", self._world.record.let_leases_run_out())
        self._turn.expect(not self._over(numbers), f"of {list(numbers)} some ended in their first attempt")


def _stopped(point: Point) -> Point:
    """Where the first attempt at the same Target ends: nothing serves, and the next one has to see to that first."""
    placement, release, server, *_ = point.whose.split(" ")
    return _stop(int(placement), int(release), server)


def _stop(placement: int, release: int, server: str) -> Point:
    return Point("stop", "after", whose(placement, release, server, "deploy"), nth=1)


def _application(turn: Round, name: str, server: int = 0, **settings: Any) -> Application:
    data = [{"name": f"setback-{name}", "path": "/data", "read_only": False}]
    return turn.application(name, [turn.world.machines[server]], volumes=data, **settings)


def _versions(turn: Round, manner: str) -> Callable[[Application, int], None]:
    """A good one, and from then on those that behave like that."""
    return lambda app, count: _place(turn, app, count, manner if count > 1 else "plain", seconds=LONG_SECONDS)


def _commanded(turn: Round) -> Callable[[Application, int], None]:
    program = ("/bin/busybox", "sh", "-c", COMMANDED + START)
    return lambda app, count: _place(turn, app, count, "plain", entrypoint=program)


def _place(turn: Round, app: Application, count: int, manner: str, **more: Any) -> None:
    turn.world.change(app, turn.world.images.page(f"{app.name}-{count}", manner, **more))


def _of_a_command(spot: Spot) -> bool:
    return spot.about.endswith((f"-{BEFORE}", f"-{AFTER}"))


def _lines(app: Application) -> list[str]:
    """What its commands wrote, read on the server itself."""
    (machine,) = app.servers
    volume = str(app.settings["volumes"][0]["name"])
    return (machine.engine.folder / "data" / "volumes" / volume / "_data" / RAN).read_text().splitlines()


def _tags(app: Application) -> list[str]:
    """Of its versions that were deployed: it was placed with another, which has no commands."""
    tags = [each.reference.rpartition(":")[2] for each in app.images.values()]
    return [each for each in tags if each.startswith(app.name)]


def ran_wrongly(lines: Iterable[str], tags: Iterable[str]) -> list[str]:
    """Commands that ran not once for the version of a tag, whoever died meanwhile."""
    times = Counter(lines)
    return [
        f"the command {when} the deploy of {tag} ran {times[f'{when} {tag}']} times"
        for tag in tags
        for when in (BEFORE, AFTER)
        if times[f"{when} {tag}"] != 1
    ]


ROWS = (
    Row(
        1,
        "kill-setback",
        "a worker killed while a deploy goes back, runs commands, is cancelled, or is taken over already",
        killed_in_setbacks,
        seconds=90,
        long=900,
    ),
)
