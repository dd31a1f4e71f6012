"""Rows about workers that die, freeze or are told to go."""

from __future__ import annotations

import signal
import time
from typing import Any, Final

from parts.faults.breed import Bred, Nursery
from parts.faults.estiva import freeze, thaw
from parts.faults.images import Pushed
from parts.faults.row import Round, Row, pick
from parts.faults.world import START_FIRST, Application
from parts.processes import Process

WHENS: Final = ("before", "during", "after")
POINTS: Final = 14  # changing calls of a deploy, about
LOOKS: Final = ("probe_http", "remote_image", "logs")
TO_DIE_SECONDS: Final = 40.0
EXIT: Final = 5.0
SILENT: Final = "has not been heard from"


def killed_everywhere(turn: Round) -> None:
    """Deploys of every order at once, their worker killed at a drawn call; the next one finishes them all."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        first = nursery.worker()
        several = [
            turn.application("stop"),
            turn.application("start", [world.machines[-1]], strategy=START_FIRST),
            turn.application("batches", world.machines, rollout={"kind": "batches", "size": "1", "gate": "none"}),
            turn.application("canary", world.machines, rollout={"kind": "canary", "size": "1", "gate": "none"}),
        ]
        numbers = [world.deploy(each) for each in several]
        for number in numbers:
            world.ended(number)
        world.probe(*several)
        first.kill()
        for point in points(turn):
            _kill_once(turn, nursery, several, point)


def points(turn: Round, most: int = POINTS) -> list[dict[str, Any]]:
    """Where to kill: drawn ones when in a hurry, else every call before, during and after, in a drawn order."""
    dice = turn.dice
    every = [{"index": index, "when": when} for index in range(most) for when in WHENS]
    every += [{"call": call, "when": "before"} for call in LOOKS]
    if turn.amount(1, 0):
        return [dict(pick(dice, every)) for _ in range(turn.amount(4, 0))]
    several = [point for _ in range(turn.times) for point in every]
    dice.shuffle(several)
    return several


def _kill_once(turn: Round, nursery: Nursery, several: list[Application], point: dict[str, Any]) -> None:
    world = turn.world
    doomed = nursery.worker(point, concurrency=turn.dice.choice((1, 4)))
    chosen = turn.dice.sample(several, 2)
    numbers = []
    for each in chosen:
        world.change(each, world.images.page(str(turn.dice.randrange(1, 4))))
        numbers.append(world.deploy(each))
    dead_or_done(turn, doomed, numbers)
    if not doomed.alive:
        turn.did()
        turn.add("interrupted", world.record.let_leases_run_out())
    doomed.kill()
    after = nursery.worker()
    for number in numbers:
        status = world.ended(number)
        turn.expect(status == "succeeded", f"#{number} after {point}: {[str(x) for x in world.record.of(number)]}")
    after.kill()


def dead_or_done(turn: Round, doomed: Bred, numbers: list[int]) -> None:
    """Wait until the worker has died, or had no call left to die at."""
    record = turn.world.record
    over = ("succeeded", "failed", "cancelled", "needs_attention")

    def settled() -> bool:
        return not doomed.alive or all(record.status(number) in over for number in numbers)

    turn.world.wait(settled, "the worker dies or is done", TO_DIE_SECONDS)


def frozen_past_its_lease(turn: Round) -> None:
    """SIGSTOP mid-swap, another takes over and finishes, SIGCONT: nothing on the server changes any more."""
    world = turn.world
    app = turn.application("app")
    steps = ("pull", "replace", "health", "cleanup")
    first = world.worker()
    world.deployed(app)
    world.probe(app)
    for number in range(turn.amount(1, 12)):
        image = world.images.page(f"freeze-{number}", "slow_start", seconds=1.5)
        world.change(app, image)
        clicked = world.deploy(app)
        world.until_step(clicked, steps[turn.dice.randrange(1, 3)] if number else "health")
        freeze(first)
        world.record.let_leases_run_out()
        second = world.worker()
        turn.expect(world.ended(clicked) == "succeeded", f"{world.record.of(clicked)}")
        before = _as_it_is(turn, app)
        thaw(first)
        time.sleep(4)  # nothing is to happen: there is nothing to wait for
        turn.expect(
            _as_it_is(turn, app) == before,
            f"the stale worker left a trace: {before} {_as_it_is(turn, app)}",
            "duplicated",
        )
        turn.did()
        world.estiva.end(first)
        first = second
    world.estiva.end(first)


def _as_it_is(turn: Round, app: Application) -> list[tuple[str, str, str]]:
    found = [each for machine in app.servers for each in turn.world.containers(app, machine)]
    return sorted((str(each["Id"])[:12], str(each["Names"]), str(each["State"])) for each in found)


def told_to_stop(turn: Round) -> None:
    """SIGTERM mid-deploy: gone in 5 s, taken over in 10."""
    world = turn.world
    app = turn.application("app")
    workers = [world.estiva.worker(wait=False), world.estiva.worker()]
    world.deployed(app)
    world.probe(app)
    for number in range(turn.amount(1, 20)):
        _stop_once(turn, app, workers, world.images.page(f"sigterm-{number}", "slow_start", seconds=2.5))
        workers = [each for each in workers if each.alive] + [world.estiva.worker()]
    for each in workers:
        world.estiva.end(each)


def _stop_once(turn: Round, app: Application, workers: list[Process], image: Pushed) -> None:
    world = turn.world
    world.change(app, image)
    clicked = world.deploy(app)
    world.until_step(clicked, pick(turn.dice, ("replace", "health")))
    fence, pid = _holder(turn, clicked)
    holder = next(each for each in workers if each.pid == pid)
    began = time.monotonic()
    holder.send_signal(signal.SIGTERM)
    holder.wait()
    turn.note("exit_seconds_at_most", round(time.monotonic() - began, 2))
    turn.expect(time.monotonic() - began < turn.patience(EXIT), f"SIGTERM took {time.monotonic() - began:.1f} s")
    world.wait(lambda: _holder(turn, clicked)[0] > fence or world.is_over(clicked), "taken over", turn.patience(10))
    turn.note("taken_over_seconds_at_most", round(time.monotonic() - began, 2))
    turn.expect(world.ended(clicked) == "succeeded", f"{world.record.of(clicked)}")
    turn.did()


def _holder(turn: Round, clicked: int) -> tuple[int, int]:
    """The fence and the holder's process id."""
    query = f"SELECT fence, holder FROM deployments_target WHERE deployment_id = {clicked:d}"
    ((fence, holder),) = turn.world.record.rows(query)
    pid = str(holder).rpartition("#")[2]
    return int(fence), int(pid or 0)


def only_worker_dies(turn: Round) -> None:
    """SIGKILL of the only worker, no help but the reconciler's: stalled within 45 s, and why; ended when one returns."""
    world = turn.world
    apps = [turn.application(f"app{number}") for number in range(2)]
    worker = world.worker()
    for app in apps:
        world.deployed(app)
    world.probe(*apps)
    for _ in range(turn.amount(1, 5)):
        worker = _die_once(turn, apps, worker)
    world.estiva.end(worker)


def _die_once(turn: Round, apps: list[Application], worker: Bred) -> Bred:
    world = turn.world
    numbers = []
    for app in apps:
        world.change(app, world.images.page(f"slow-{time.time_ns()}", "slow_start", seconds=3))
        numbers.append(world.deploy(app))
    world.until_step(numbers[0], "health")
    world.estiva.end(worker)
    began = time.monotonic()
    world.wait(lambda: world.record.of(numbers[0])[0].status == "stalled", "shown as stalled", turn.patience(45))
    turn.note("stalled_after_seconds_at_most", round(time.monotonic() - began, 1))
    share = world.record.of(numbers[0])[0]
    turn.expect(SILENT in share.stalled_reason, f"the reason is {share.stalled_reason!r}")
    page = world.ada.open(f"/deployments/{numbers[0]}/").text
    turn.expect(SILENT in page, "the page doesn't say what it waits for")
    after = world.worker()
    for number in numbers:
        turn.expect(world.ended(number) == "succeeded", f"{world.record.of(number)}")
    turn.did()
    return after


ROWS = (
    Row(
        1,
        "kill",
        "a worker killed before, during and after every call of every strategy",
        killed_everywhere,
        quick=True,
        seconds=40,
        long=630,
        both=True,
    ),
    Row(
        3,
        "freeze",
        "a worker frozen past its lease, and thawed after another took over",
        frozen_past_its_lease,
        quick=True,
        both=True,
    ),
    Row(4, "sigterm", "a worker told to stop in the middle of a deploy", told_to_stop, quick=True, both=True),
    Row(5, "only-worker", "the only worker dies", only_worker_dies, long=230),
)
