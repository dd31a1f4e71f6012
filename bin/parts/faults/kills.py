"""Rows about workers that are told to go, or die with nobody left; `everywhere` and `freezing` have those with calls to stop at."""

from __future__ import annotations

import signal
import time
from typing import Final

from parts.faults import everywhere, freezing, setbacks
from parts.faults.breed import Bred
from parts.faults.images import Pushed
from parts.faults.row import Round, Row, pick
from parts.faults.world import Application
from parts.processes import Process

EXIT: Final = 5.0
WARM_UP: Final = (
    7.0  # seconds: longer than a worker has to end, so that it can't finish the deploy instead of handing it over
)
SILENT: Final = "has not been heard from"
MISSED: Final = 50.0  # seconds: one that has said nothing for 45 is missed
AS_SOON_AS: Final = "as soon as a worker takes it over"
NOBODY: Final = "No worker for deploys is running"  # one that looks lives on


def told_to_stop(turn: Round) -> None:
    """SIGTERM mid-deploy: gone in 5 s, taken over in 10."""
    world = turn.world
    app = turn.application("app", health={"deadline": 4 * WARM_UP})
    workers = [world.estiva.worker(wait=False), world.estiva.worker()]
    world.deployed(app)
    world.probe(app)
    turn.want(turn.amount(1, 20))
    for number in range(turn.amount(1, 20)):
        _stop_once(turn, app, workers, world.images.page(f"sigterm-{number}", "slow_start", seconds=WARM_UP))
        workers = [each for each in workers if each.alive] + [world.estiva.worker()]
    for each in workers:
        world.estiva.end(each)


def _stop_once(turn: Round, app: Application, workers: list[Process], image: Pushed) -> None:
    world = turn.world
    world.change(app, image)
    clicked = world.deploy(app)
    world.until_step(clicked, pick(turn.dice, ("replace", "health")))
    fence, pid = world.record.holder(clicked)
    holder = next(each for each in workers if each.pid == pid)
    began = time.monotonic()
    holder.send_signal(signal.SIGTERM)
    holder.wait()
    turn.note("exit_seconds_at_most", round(time.monotonic() - began, 2))
    turn.expect(time.monotonic() - began < turn.patience(EXIT), f"SIGTERM took {time.monotonic() - began:.1f} s")
    world.wait(
        lambda: world.record.holder(clicked)[0] > fence or world.is_over(clicked), "taken over", turn.patience(10)
    )
    taken_over = world.record.holder(clicked)[0] > fence
    turn.note("taken_over_seconds_at_most", round(time.monotonic() - began, 2))
    turn.expect(world.ended(clicked) == "succeeded", f"{world.record.of(clicked)}")
    (share,) = world.record.of(clicked)
    turn.expect(taken_over and share.attempts == 2, f"it was to go on elsewhere, once: {share}")
    turn.add("taken_over", int(taken_over))
    turn.did()


def only_worker_dies(turn: Round) -> None:
    """SIGKILL of the only worker, no help but the reconciler's: stalled within 45 s, and why; ended when one returns."""
    world = turn.world
    apps = [turn.application(f"app{number}") for number in range(2)]
    worker = world.worker()
    for app in apps:
        world.deployed(app)
    world.probe(*apps)
    turn.want(turn.amount(1, 5))
    for _ in range(turn.amount(1, 5)):
        worker = _die_once(turn, apps, worker)
    world.estiva.end(worker)


def _die_once(turn: Round, apps: list[Application], worker: Bred) -> Bred:
    """Each deploy that it had is shown as stalled, with the reason, on record and on its page."""
    world = turn.world
    numbers = []
    for app in apps:
        world.change(app, world.images.page(f"slow-{time.time_ns()}", "slow_start", seconds=6))
        numbers.append(world.deploy(app))
    for number in numbers:
        world.until_step(number, "health")
    turn.expect(all(not world.is_over(number) for number in numbers), "one had ended before the worker died")
    world.estiva.end(worker)
    began = time.monotonic()
    for number in numbers:
        left = turn.patience(45) - (time.monotonic() - began)
        world.wait(lambda number=number: _stalled(turn, number), f"#{number} is shown as stalled", left)  # type: ignore[misc]
        turn.note("stalled_after_seconds_at_most", round(time.monotonic() - began, 1))
    for number in numbers:
        share = world.record.of(number)[0]
        turn.expect(SILENT in share.stalled_reason, f"#{number}: the reason is {share.stalled_reason!r}")
        page = world.ada.open(f"/deployments/{number}/").text
        turn.expect(SILENT in page, f"the page of #{number} doesn't say what it waits for")
        turn.expect(AS_SOON_AS in page, f"the page of #{number} doesn't say that a worker is what it waits for")
        turn.add("shown_as_stalled", 1)
    left = turn.patience(MISSED) - (time.monotonic() - began)
    world.wait(lambda: NOBODY in world.ada.open("/").text, "the overview says that no worker is there", left)
    turn.note("missed_after_seconds_at_most", round(time.monotonic() - began, 1))
    after = world.worker()
    for number in numbers:
        turn.expect(world.ended(number) == "succeeded", f"{world.record.of(number)}")
    turn.did()
    return after


def _stalled(turn: Round, number: int) -> bool:
    return turn.world.record.of(number)[0].status == "stalled"


ROWS = (
    *everywhere.ROWS,
    *setbacks.ROWS,
    *freezing.ROWS,
    Row(4, "sigterm", "a worker told to stop in the middle of a deploy", told_to_stop, quick=True, both=True),
    Row(5, "only-worker", "the only worker dies", only_worker_dies, long=230),
)
