"""Row 14: a server's disk is full, out of inodes, or can't be written to any more. The old version serves, and the cause is named."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from parts.faults.events import Event
from parts.faults.gate import Gate, always
from parts.faults.row import Round, Row
from parts.faults.world import Application
from parts.machine import Machine, MachineEngine
from parts.namespaces import Namespace
from parts.processes import PartError, run

MEGABYTES: Final = 4000
INODES: Final = 3000
LITTLE: Final = 50_000_000
FULL: Final = r"disk is full|[Nn]o space left|Too little space"


class SmallEngine(MachineEngine):
    """One whose data lies on a small file system of its own."""

    @property
    def data(self) -> Path:
        """Where that is mounted."""
        return self.folder / "data"

    def _own_network(self) -> tuple[str, list[str]]:
        image = self.folder / "disk"
        self.data.mkdir(exist_ok=True)
        run(["truncate", f"--size={MEGABYTES}M", str(image)])
        run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), str(image)])
        run(["mount", "-o", "loop", str(image), str(self.data)])
        return super()._own_network()


class SmallMachine(Machine):
    """A server with a small disk."""

    def __init__(self, name: str, folder: Path, namespace: Namespace, *, registries: str = "", **_: Any) -> None:
        super().__init__(name, folder, namespace, registries=registries)
        self.disk = SmallEngine(folder / "engine", namespace, registries=registries)
        self.engine = self.disk


def fill(machine: SmallMachine, *, leave: int) -> None:
    """Write until only so many bytes are left."""
    with (machine.disk.data / "filler").open("wb") as filler, suppress(OSError):
        os.posix_fallocate(filler.fileno(), 0, max(4096, _free(machine) - leave - 1_000_000))
        while _free(machine) > leave:  # the last million byte by byte, since a file system keeps some for itself
            filler.seek(0, os.SEEK_END)
            filler.write(b"\0" * max(4096, min(1 << 16, _free(machine) - leave)))
            filler.flush()


def use_up_inodes(machine: SmallMachine) -> None:
    """Make empty files until there can be no more."""
    many = machine.disk.data / "many"
    many.mkdir()
    with suppress(OSError):
        for number in range(10 * INODES):
            (many / str(number)).touch()


def make_room(machine: SmallMachine) -> None:
    """Undo both."""
    (machine.disk.data / "filler").unlink(missing_ok=True)
    for each in (machine.disk.data / "many").glob("*"):
        each.unlink()
    with suppress(FileNotFoundError):
        (machine.disk.data / "many").rmdir()


def _free(machine: SmallMachine) -> int:
    words = run(["df", "--output=avail", "-B1", str(machine.disk.data)]).split()
    return int(words[1])


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
            _before(turn, app, machine, f"disk-before{number}", lambda: fill(machine, leave=LITTLE), FULL)
            _before(turn, app, machine, "1", lambda: fill(machine, leave=0), FULL)  # whose image is there: no pull
            _before(turn, app, machine, f"disk-inodes{number}", lambda: use_up_inodes(machine), r"inode")
            _while_pulling(turn, app, machine, gate, f"disk-pull{number}")
            _between_create_and_start(turn, app, machine)
    _read_only(turn, app, machine)
    world.estiva.end(worker)


def _before(
    turn: Round, app: Application, machine: SmallMachine, tag: str, spoil: Callable[[], None], said: str
) -> None:
    world = turn.world
    world.change(app, world.images.page(tag, ballast=0 if tag == "1" else 6_000_000))
    spoil()
    try:
        _refused(turn, app, tag, said)
    finally:
        make_room(machine)
    _deploys_again(turn, app)


def _while_pulling(turn: Round, app: Application, machine: SmallMachine, gate: Gate, tag: str) -> None:
    world = turn.world
    world.change(app, gate.through(world.images.page(tag, ballast=3_000_000)))
    gate.rule = always("blobs", rate=200_000)
    number = world.deploy(app)
    world.wait(lambda: any("/blobs/" in each for each in gate.seen), "a layer is on its way", 40)
    fill(machine, leave=0)
    gate.rule = None
    try:
        world.ended(number, timeout=150)
        _told(turn, number, tag, FULL)
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
            _told(turn, number, "between create and start", FULL)
        else:
            turn.did()
    finally:
        watch.told = None
        make_room(machine)
    _deploys_again(turn, app)


def _deploys_again(turn: Round, app: Application) -> None:
    turn.world.change(app, turn.world.images.page("2"))
    turn.succeeded(turn.world.deploy(app))


def _told(turn: Round, number: int, tag: str, said: str) -> None:
    (share,) = turn.world.record.of(number)
    told = " ".join(str(share.outcome.get(key, "")) for key in ("what", "why", "remedy"))
    turn.expect(share.status in ("failed_untouched", "failed_restored"), f"{tag}: {share}")
    turn.expect(bool(re.search(said, told)), f"{tag} was told as: {told}")
    turn.did()


def _refused(turn: Round, app: Application, tag: str, said: str) -> None:
    """By the plan, or by the deploy, which then changed nothing or brought the old one back."""
    try:
        number = turn.world.deploy(app)
    except PartError as error:
        turn.expect(bool(re.search(said, str(error))), f"{tag} was told as: {error}")
        turn.did()
        return
    turn.world.ended(number)
    _told(turn, number, tag, said)


def _read_only(turn: Round, app: Application, machine: SmallMachine) -> None:
    """What ext4 does to itself when the disk fails."""
    world = turn.world
    device = run(["findmnt", "--noheadings", "--output=SOURCE", str(machine.disk.data)]).strip()
    world.change(app, world.images.page("read-only", ballast=100_000))
    run(["mount", "-o", "remount,errors=remount-ro", str(machine.disk.data)])
    Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")
    _refused(turn, app, "read-only", r"read-only|can't be written|full")


ROWS = (Row(14, "disk", "a server's disk full, out of inodes, read-only", disk_trouble, own_world=True),)
