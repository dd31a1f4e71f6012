"""Row 14: a server's disk is full, out of inodes, or can't be written to any more. The old version serves, and the cause is named."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from parts.faults.events import Event
from parts.faults.gate import Gate, always
from parts.faults.images import Pushed
from parts.faults.row import Round, Row
from parts.faults.small_disk import SmallMachine, fail, fill, make_room, use_up_inodes
from parts.faults.world import Application
from parts.processes import PartError

LITTLE: Final = 50_000_000


@dataclass(frozen=True)
class Cause:
    """What people are told, and nothing else may be: `said` is what happened and why, `remedy` what to do.

    `by_plan`: before the click, and there is nothing to press then; else the deploy finds out.
    """

    said: str
    remedy: str
    by_plan: bool = False


# Free bytes are counted before the click. Whether it was bytes or inodes that an engine lacked, it doesn't say: Estiva looks.
LITTLE_SPACE: Final = Cause(r"Too little space: [\d.]+ of", r"Make room on \S+: `docker system df`", by_plan=True)
NO_SPACE: Final = Cause(
    r"no space left on device.* is full: [\d.]+ of [\d.]+ GB are free", r"Free space on \S+, .*`df -h \S+`"
)
NO_INODES: Final = Cause(r"no space left on device.* \d+ of \d+ inodes are left", r"many files on \S+, .*`df -i \S+`")
READ_ONLY: Final = Cause(r"read-only file system.*takes no writes any more", r"`dmesg`.*fsck")


def disk_trouble(turn: Round) -> None:
    """Full before the plan, in the pull, at the create; without inodes; read-only. Then with room again: it deploys."""
    world = turn.world
    worker = world.worker()
    machine = world.add_machine(SmallMachine)
    assert isinstance(machine, SmallMachine)  # noqa: S101 - for the type checker
    app = turn.application("app", [machine])
    for version in ("1", "2"):
        world.change(app, world.images.page(version))
        world.deployed(app)
    world.probe(app)
    with Gate(world.registry) as gate:
        for number in range(turn.amount(1, 3)):
            plain = world.images.page("1")  # which is there: no pull
            _before(
                turn, app, _weighty(turn, f"disk-before{number}"), lambda: fill(machine, leave=LITTLE), LITTLE_SPACE
            )
            _before(turn, app, plain, lambda: fill(machine, leave=0), LITTLE_SPACE, NO_SPACE)
            _before(turn, app, _weighty(turn, f"disk-files{number}"), lambda: use_up_inodes(machine), NO_INODES)
            _while_pulling(turn, app, machine, gate, f"disk-pull{number}")
            _between_create_and_start(turn, app, machine)
            _read_only(turn, app, machine, f"disk-sealed{number}")
    world.estiva.end(worker)


def _weighty(turn: Round, tag: str) -> Pushed:
    return turn.world.images.page(tag, ballast=6_000_000)


def _before(turn: Round, app: Application, image: Pushed, spoil: Callable[[], None], *causes: Cause) -> None:
    """Before the plan. With room again it deploys."""
    machine = app.servers[0]
    assert isinstance(machine, SmallMachine)  # noqa: S101 - for the type checker
    turn.world.change(app, image)
    spoil()
    try:
        _refused(turn, app, image.reference, *causes)
    finally:
        make_room(machine)
    _deploys_again(turn, app)


def _while_pulling(turn: Round, app: Application, machine: SmallMachine, gate: Gate, tag: str) -> None:
    world = turn.world
    image = world.images.page(tag, ballast=3_000_000)
    world.change(app, gate.through(image))
    gate.rule = always("blobs", rate=200_000)
    before = len(gate.seen)
    number = world.deploy(app)

    def layer_comes() -> bool:
        """The image's configuration is read by the plan already."""
        return any("/blobs/" in each and image.image_id not in each for each in gate.seen[before:])

    world.wait(layer_comes, "a layer is on its way", 40)
    fill(machine, leave=0)
    gate.rule = None
    try:
        world.ended(number, timeout=150)
        _told(turn, number, tag, NO_SPACE)
    finally:
        make_room(machine)
    _deploys_again(turn, app)


def _between_create_and_start(turn: Round, app: Application, machine: SmallMachine) -> None:
    """The engine is held as it tells of the create, and finds its disk full when it goes on."""
    world = turn.world
    watch, done = world.watches[machine.name], threading.Event()

    def fill_now(event: Event) -> None:
        if event.action == "create" and not done.is_set():
            os.kill(machine.engine.process.pid, signal.SIGSTOP)
            try:
                fill(machine, leave=0)
            finally:
                os.kill(machine.engine.process.pid, signal.SIGCONT)
                done.set()

    world.change(app, world.images.page("1"))  # whose image is there
    watch.told = fill_now
    try:
        number = world.deploy(app)
        status = world.ended(number, timeout=150)
        turn.expect(done.is_set(), "the create was not seen")
        (share,) = world.record.of(number)
        turn.add(f"full_at_the_start_{share.status}", 1)
        if status != "succeeded":  # an engine that needs no room for it starts it all the same
            _told(turn, number, "between create and start", NO_SPACE)
        else:
            turn.did()
    finally:
        watch.told = None
        make_room(machine)
    _deploys_again(turn, app)


def _deploys_again(turn: Round, app: Application) -> None:
    turn.world.change(app, turn.world.images.page("2"))
    turn.succeeded(turn.world.deploy(app))


def _told(turn: Round, number: int, tag: str, cause: Cause) -> None:
    """The deploy found out, changed nothing or brought the old one back, and says why and what to do."""
    (share,) = turn.world.record.of(number)
    what, why, remedy = (str(share.outcome.get(key, "")) for key in ("what", "why", "remedy"))
    turn.expect(not cause.by_plan, f"{tag}: the plan didn't say it: {share}")
    turn.expect(share.status in ("failed_untouched", "failed_restored"), f"{tag}: {share}")
    turn.expect(bool(re.search(cause.said, f"{what} {why}")), f"{tag} was told as: {what} {why}")
    turn.expect(bool(re.search(cause.remedy, remedy)), f"{tag}: the remedy is {remedy!r}")
    turn.did()


def _refused(turn: Round, app: Application, tag: str, *causes: Cause) -> None:
    """By the plan, or by the deploy: each of them says its own cause, and one where it should not is told."""
    by_plan = {each.by_plan: each for each in causes}
    try:
        number = turn.world.deploy(app)
    except PartError as error:  # it has the whole plan
        cause = by_plan.get(True)
        turn.expect(cause is not None, f"{tag}: the plan can't be deployed: {error}")
        if cause is not None:
            turn.expect(bool(re.search(cause.said, str(error))), f"{tag} was told as: {error}")
            turn.expect(bool(re.search(cause.remedy, str(error))), f"{tag}: no remedy in: {error}")
        turn.did()
        return
    turn.world.ended(number)
    _told(turn, number, tag, by_plan.get(False, causes[0]))


def _read_only(turn: Round, app: Application, machine: SmallMachine, tag: str) -> None:
    """The old version serves on, until somebody boots the server; then it deploys."""
    world = turn.world
    world.change(app, world.images.page(tag, ballast=100_000))
    fail(machine)
    _refused(turn, app, tag, READ_ONLY)
    turn.expect(world.serves(app), "the old version doesn't serve from a disk that can't be written to")
    began = time.time()
    machine.reboot()
    world.wait(lambda: world.serves(app), "it serves again after the boot", 60)
    app.broken.append((machine.name, began, time.time()))
    _deploys_again(turn, app)
    turn.add("read_only", 1)


ROWS = (Row(14, "disk", "a server's disk full, out of inodes, read-only", disk_trouble, own_world=True, long=200),)
