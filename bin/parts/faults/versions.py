"""Row 17: the new version is no good, in every way that versions are. The old one goes on serving, and the reason is said."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final

from parts.faults import judge
from parts.faults.bad_versions import CAUSES, GRACE, QUICK, REST, TURNING, Bad
from parts.faults.causes import Told
from parts.faults.events import Event
from parts.faults.record import Share
from parts.faults.restoring import killed, restored_after
from parts.faults.row import SETTLED_SECONDS, Round, Row, seen
from parts.faults.world import START_FIRST, STOP_FIRST, Application
from parts.machine import Machine
from parts.processes import PartError

SETTINGS: Final[dict[str, Any]] = {"restart": "unless-stopped", "stop_timeout": GRACE}
OLD: Final = "1"
MOMENTS: Final = 2.0  # seconds: to take the new one away and to start the old one
Tried = tuple[Bad, str, Application]


def no_good(turn: Round) -> None:
    """Each way in each strategy, beside one another; then one that ignores SIGTERM is replaced."""
    world = turn.world
    worker = world.worker(concurrency=16)
    told = Told(CAUSES)
    groups = [QUICK, REST, TURNING]  # each as many as can be asked at once without asking being all that is done
    for ways in groups[: turn.amount(1, len(groups))]:
        _try(turn, told, ways, turn.amount(1, 3))
        world.leave()
    _ignores_term(turn)
    _beside_each_other(turn)
    world.estiva.end(worker)


def _try(turn: Round, told: Told, ways: Sequence[Bad], rounds: int) -> None:
    """These ways in both strategies at once, each strategy on a server of its own; then again, since the old version still serves."""
    world = turn.world
    places = {STOP_FIRST: world.machines[0], START_FIRST: world.machines[-1]}
    tried = [(way, strategy, _placed(turn, way, strategy, places)) for way in ways for strategy in way.strategies]
    for each in [world.deploy(app) for _, _, app in tried]:
        world.ended(each)
    world.probe(*(app for _, _, app in tried))
    for _ in range(rounds):
        _once(turn, told, tried)
    time.sleep(SETTLED_SECONDS)
    for _, strategy, app in tried:
        if strategy == START_FIRST:
            _nobody_noticed(turn, app)


def _once(turn: Round, told: Told, tried: Sequence[Tried]) -> None:
    world = turn.world
    clicked: list[tuple[Tried, int]] = []
    for way, strategy, app in tried:
        world.change(app, way.image(world.images), health=way.health)
        number = _click(turn, way, app)
        if number:
            clicked.append(((way, strategy, app), number))
    for (way, strategy, app), each in clicked:
        world.ended(each)
        (share,) = world.record.of(each)
        turn.expect(share.status == "failed_restored", f"{way.name}, {strategy}: {share}")
        for wrong in told.wrong(way.cause, share.outcome, app.name):
            turn.expect(False, f"{way.name}, {strategy}: {wrong}")
        _was_healthy(turn, way, share)
        _restored(turn, way, app, share)
        turn.did()


def _placed(turn: Round, way: Bad, strategy: str, places: dict[str, Machine]) -> Application:
    return turn.application(f"{strategy[:3]}-{way.name}", [places[strategy]], strategy=strategy, **SETTINGS)


def _click(turn: Round, way: Bad, app: Application) -> int:
    """The Deployment's number; 0 where the plan has refused, as it should, in the right words."""
    try:
        number = turn.world.deploy(app)
    except PartError as error:
        if not way.planned:
            raise
        turn.expect(
            bool(re.search(way.cause.what, str(error))), f"{way.name}: the plan was refused in these words: {error}"
        )
        turn.did()
        return 0
    turn.expect(not way.planned, f"{way.name}: the plan was to refuse it, and #{number} was begun")
    return number


def _was_healthy(turn: Round, way: Bad, share: Share) -> None:
    """One that fails after it was well has to have been counted as well before."""
    if not way.healthy:
        return
    asked = f"SELECT MAX(done) FROM deployments_step WHERE target_id = {share.id:d} AND key = 'health'"
    passes = int(turn.world.record.rows(asked)[0][0] or 0)
    log = turn.world.record.log(share.id)
    proven = any("is healthy after" in line for line in log)
    sick = any("HTTP 503" in line for line in log)  # it answers this only after it was well as often as it had to be
    turn.expect(
        proven if way.judged > 1 else sick or passes == way.healthy,
        f"{way.name}: {share} was well {passes} times before, of {way.healthy}",
    )


def _restored(turn: Round, way: Bad, app: Application, share: Share) -> None:
    """How long it took until the old version alone served again, by the engine and by who asks."""
    world, server = turn.world, app.servers[0].name
    start_first = app.strategy == START_FIRST

    def took() -> float | None:
        return restored_after(world.events(app), world.asked(app)[server], share.id, OLD, start_first=start_first)

    world.wait(lambda: took() is not None, f"the old version serves again after {share}", 20)
    seconds = took() or 0.0
    turn.note("restored_beyond_the_deadline_at_most", round(seconds - way.patience, 1))
    turn.expect(
        seconds < turn.patience(way.patience + MOMENTS),
        f"{way.name}, {app.strategy}: the old version served again after {seconds:.1f} s, of {way.patience:g}",
    )
    if way.deaf and not start_first:  # else nobody asks it for anything, and it goes without a grace
        _expect_killed(turn, world.events(app), share.id, f"{way.name}, {app.strategy}")


def _expect_killed(turn: Round, events: Sequence[Event], target: int, told: str) -> None:
    """It was told to end, didn't, and was ended."""
    after = killed(events, target)
    turn.expect(
        after is not None and after > GRACE - 0.5,
        f"{told}: it was to ignore SIGTERM, and was gone after {after if after is None else round(after, 1)} s",
    )


def _ignores_term(turn: Round) -> None:
    """It serves well, and goes only by SIGKILL: as the old version, which has its grace, and as the new one that takes the place."""
    world = turn.world
    for strategy in (STOP_FIRST, START_FIRST)[: turn.amount(1, 2)]:
        deaf = world.images.page("deaf", "ignores_term")
        place = world.machines[0 if strategy == STOP_FIRST else -1]
        app = turn.application(f"{strategy[:3]}-deaf-old", [place], strategy=strategy, image=deaf, **SETTINGS)
        world.deployed(app)
        world.probe(app)
        for image in [world.images.page("2"), deaf, world.images.page("3")][: turn.amount(1, 3)]:
            (before,) = [each.id for each in world.record.targets() if each.placement == app.placement][-1:]
            was_deaf = next(iter(world.containers(app, place)))["ImageID"] == deaf.image_id
            world.change(app, image)
            turn.succeeded(world.deploy(app))
            if was_deaf:
                _expect_killed(turn, world.events(app), before, f"the old version, {strategy}")
            turn.did()


def _beside_each_other(turn: Round) -> None:
    """Good versions, start-first, asked all the while: nobody is to notice, though the old one drops what it does when it ends."""
    world = turn.world
    for count in range(turn.amount(1, 2)):
        app = turn.application(f"beside{count}", [world.machines[-1]], strategy=START_FIRST, **SETTINGS)
        world.deployed(app)
        world.probe(app)
        for number in range(turn.amount(2, 15)):
            world.change(app, world.images.page(str(1 + number % 3)))
            turn.succeeded(world.deploy(app))
            turn.did()
        time.sleep(SETTLED_SECONDS)
        _nobody_noticed(turn, app)
        asked = sum(len(each) for each in world.asked(app).values())
        turn.add("asked_in_start_first_deploys", asked)


def _nobody_noticed(turn: Round, app: Application) -> None:
    """Not even a request that was broken off as an old version ended, which elsewhere is only counted."""
    dropped = judge.broken_off(seen(turn.world, app))
    turn.expect(not dropped, f"{dropped} requests were broken off as old versions of {app.name} ended", "outage")


ROWS = (
    Row(
        17,
        "bad-version",
        "a new version that exits, sickens, dies, listens elsewhere, lacks its program",
        no_good,
        quick=True,
        seconds=70,
        long=330,
        calm=True,
    ),
)
