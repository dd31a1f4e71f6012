"""Row 6: a deploy that ends every worker that takes it, as one does that has no memory left for it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from parts.faults import ways
from parts.faults.breed import Bred, Nursery
from parts.faults.record import Share
from parts.faults.row import Round
from parts.faults.world import Application, World

ATTEMPTS: Final = 3
ENDING_SECONDS: Final = 240.0
PUT_BACK_ENDS: Final = ("failed_restored", "failed_untouched")
NONE_SERVES: Final = re.compile(r"it does not serve|none serves")


@dataclass(frozen=True)
class Point:
    """A call at which a worker dies; `own`: where it is about the new version's container, else about any of the application's."""

    call: str
    when: str = "before"
    own: bool = True


@dataclass(frozen=True)
class Poison:
    """Where its workers die, one after another. With a `way` the third one dies, too, as it puts the old version back; that is the way out."""

    points: tuple[Point, Point, Point]
    way: str = ""
    serves: bool = True  # the old version, at the end

    @property
    def deaths(self) -> int:
        """Of workers, till its end."""
        return ATTEMPTS if self.way else ATTEMPTS - 1


def _thrice(point: Point, way: str = "", *, serves: bool = True) -> Poison:
    return Poison((point, point, point), way, serves)


# Mostly before the call, since what was done is not done again: the next worker would not come by
PUT_BACK: Final = (_thrice(Point("create")), _thrice(Point("start")))
NOTHING_SERVES: Final = tuple(
    _thrice(Point("start", own=False), way, serves=False) for way in (ways.RESUME, ways.RESTORE)
)
_RENAME: Final = Point("rename", own=False)
OLD_SERVES: Final = tuple(
    Poison((Point("create", "after"), _RENAME, _RENAME), way) for way in (ways.AS_IS, ways.RESUME, ways.RESTORE)
)


def draw(dice: random.Random, times: int) -> list[Poison]:
    """So many, in a drawn order: every third one is put back, the others leave a doubt. Of six, each way out is taken."""
    as_is, *others = OLD_SERVES
    several = [dice.sample(each, len(each)) for each in (NOTHING_SERVES, PUT_BACK)]
    several.append([as_is, *dice.sample(others, len(others))])
    found = [each[turn % len(each)] for turn in range(times) for each in several][:times]
    dice.shuffle(found)
    return found


def out_of_memory(turn: Round) -> None:
    """Every worker that meets this one deploy dies of it: three attempts, then people are told; others are not touched."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        worker = nursery.worker()
        poisoned, *others = [turn.application(name) for name in ("poison", "well", "good")]
        for app in (poisoned, *others):
            world.deployed(app)
        world.probe(poisoned, *others)
        worker.kill()
        for number, poison in enumerate(draw(turn.dice, turn.amount(2, 6))):
            _once(turn, nursery, poison, poisoned, others, number)


def _once(
    turn: Round,
    nursery: Nursery,
    poison: Poison,
    poisoned: Application,
    others: Sequence[Application],
    number: int,
) -> None:
    world = turn.world
    numbers = []
    for app in (poisoned, *others):
        world.change(app, world.images.page(f"memory{number}"))
        numbers.append(world.deploy(app))
    deaths, last = _die(turn, nursery, poison, numbers)
    share = world.record.of(numbers[0])[0]
    turn.did(deaths)
    told = f"after {deaths} deaths, {poison}: {share}"
    turn.expect(deaths == poison.deaths, told)
    turn.expect(share.attempts == ATTEMPTS, told)
    turn.succeeded(*numbers[1:], timeout=5)
    if last is not None:
        last.kill()
    healthy = nursery.worker()
    if poison.way:
        turn.expect((share.status, share.leases_lost) == ("needs_attention", ATTEMPTS), told)
        _deal_with(turn, poison, poisoned, share)
    else:
        turn.expect(share.status in PUT_BACK_ENDS, told)
    turn.add(f"ended_{share.status}", 1)
    turn.succeeded(world.deploy(poisoned))
    healthy.kill()


def _die(turn: Round, nursery: Nursery, poison: Poison, numbers: Sequence[int]) -> tuple[int, Bred | None]:
    """Workers until everything has ended: how many of them died, and the last one."""
    world = turn.world
    names = _named_as(world, numbers[0])
    worker: Bred | None = None
    deaths, until = 0, time.monotonic() + ENDING_SECONDS
    while not all(world.is_over(each) for each in numbers) and time.monotonic() < until:
        if worker is None or not worker.alive:
            deaths += 0 if worker is None else 1
            world.record.let_leases_run_out()
            point = poison.points[min(deaths, ATTEMPTS - 1)]
            worker = nursery.worker({"call": point.call, "when": point.when, "about": names[point.own]})
        time.sleep(0.2)
    return deaths, worker


def _named_as(world: World, deployment: int) -> dict[bool, str]:
    """How the names of its application's containers begin: all of them (False), and its own ones alone, up to the fence (True)."""
    rows = world.record.rows(
        "SELECT a.name, e.name, r.number FROM deployments_deployment d JOIN deployments_release r ON r.id = d.release_id "
        "JOIN deployments_placement p ON p.id = d.placement_id JOIN deployments_application a ON a.id = p.application_id "
        f"JOIN deployments_environment e ON e.id = p.environment_id WHERE d.id = {deployment:d}"
    )
    application, environment, release = rows[0]
    return {False: f"{application}-{environment}-r", True: f"{application}-{environment}-r{release}."}


def _deal_with(turn: Round, poison: Poison, app: Application, share: Share) -> None:
    """See that people are told, take the way out, and see it served and on the audit trail."""
    world = turn.world
    doubts = ways.open_doubts(world, app.placement)
    turn.expect([each.deployment for each in doubts] == [share.deployment], f"in doubt are {doubts}, not {share}")
    for doubt in doubts:
        _is_shown(turn, poison, app, doubt)
        made = ways.take(world, doubt, poison.way, f"memory: {poison.way}")
        if made is not None:
            app.clicks.append(made)
            turn.succeeded(made)
        turn.add(f"ways_out_{poison.way}", 1)
        entries = ways.audited(world, doubt)
        wanted = [("Ada", poison.way, f"memory: {poison.way}")]
        turn.expect(entries == wanted, f"the audit trail has {entries}, not {wanted}", "audit")
        page = world.ada.open(doubt.path)
        turn.expect("Dealt with" in page.text, f"{doubt.path} doesn't say that it was dealt with: {page.words()[:600]}")
    turn.expect(not ways.open_doubts(world, app.placement), f"still in doubt after {poison.way}")
    world.wait(lambda: world.serves(app), f"{app.name} serves after {poison.way}", 30)


def _is_shown(turn: Round, poison: Poison, app: Application, doubt: ways.Doubt) -> None:
    """On the overview, on its own page, and on that of the doubt: what is there, by the engine's own word, and the ways out."""
    world = turn.world
    number = doubt.deployment
    seen = ways.look(world, doubt)
    turn.expect(f"Open #{number}" in world.ada.open("/").text, f"the overview says nothing of #{number}")
    page = world.ada.open(f"/deployments/{number}/")
    for words in ("workers went silent", "has not been heard from", doubt.path):
        turn.expect(words in page.text, f"#{number}'s page lacks {words!r}: {page.words()[:600]}")
    for way, mark in ways.OFFERED.items():
        turn.expect(mark in seen.text, f"{doubt.path} doesn't offer {way}")
    (machine,) = app.servers
    there = world.containers(app, machine)
    for each in there:
        name = str(each["Names"][0]).removeprefix("/")
        turn.expect(name in seen.text, f"{doubt.path} lacks {name}: {seen.words()[:600]}")
    running = [each["Labels"]["estiva.release"] for each in there if each["State"] == "running"]
    turn.expect(bool(running) == world.serves(app) == poison.serves, f"releases {running} run, {poison}")
    told = f"Release {running[0]} serves." in seen.text if running else NONE_SERVES.search(seen.text) is not None
    turn.expect(told, f"{doubt.path} doesn't say what serves ({running}): {seen.words()[:600]}")
