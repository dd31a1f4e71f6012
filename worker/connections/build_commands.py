"""Limits of a build where systemd keeps the control groups: on each command's own group, as soon as it is there.

BuildKit gives each RUN a group `<slice>:docker:<id>` of its own there, in no slice that could be limited before: with the first
version of control groups in the engine's own group (seen on 20.10 and 26.1), with the second beside it (seen on 20.10). So the server is
looked at when BuildKit tells that a RUN begins, and at short intervals until its group is found; then, now and again. A command runs
unlimited for that long, a fraction of a second. What it took meanwhile counts: the second version ends a process for it, the first one
refuses the limit, and then the build is ended here.

Commands that run at once share: CPU time in equal parts, and of the memory each may have what the others leave.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from worker.connections.control_groups import ROOT, Busy, Group, Kernel, NotHeld, in_words
from worker.engine.build_events import BuilderNote, BuildEvent, VertexEnded, VertexStarted
from worker.engine.errors import HostError

_SLICE = re.compile(r"[A-Za-z0-9_@.-]{1,100}\.slice")
_RUN = re.compile(r"\] RUN\b")
_AT_ONCE, _SOON, _NOW_AND_AGAIN = 0.1, 0.3, 1.0  # seconds between two looks
_PATIENCE = 10.0  # seconds for which a RUN that began is looked for at once: it may still wait for its files
_SEEN_SECONDS = 3.0  # a RUN that took so long must have been seen
_STEPS = 32  # parts of the memory that a share is counted in, so that it isn't written anew for every page


@dataclass(frozen=True, slots=True)
class _Share:
    memory: int | None
    cpus: float | None


class Commands:
    """Holds them from `begin` to `give_back`, as long as somebody calls `look` when `due`."""

    def __init__(self, kernel: Kernel, memory: int | None, cpus: float | None, name: str) -> None:
        self._kernel, self._memory, self._cpus, self._name = kernel, memory, cpus, name
        self._places: dict[str, Group] = {}  # where groups may appear, by the folder to look in
        self._prefix = ""
        self._dead: set[Group] = set()  # left behind by an engine that was killed
        self._held: dict[Group, _Share] = {}
        self._running: set[str] = set()
        self._quick_until = 0.0
        self._seen = False
        self.due: float = time.monotonic()

    def begin(self, pid: str, parent: str) -> BuilderNote:
        """Learn where the engine of this process puts its commands."""
        slice_ = parent or "system.slice"
        if not _SLICE.fullmatch(slice_):
            raise NotHeld(f"the engine's parent group {parent[:100]!r} is not one that limits are written to.")
        self._prefix = f"{slice_}:docker:"
        self._places = places(self._kernel.version, self._kernel.run("cat", f"/proc/{pid}/cgroup").decode())
        self._kernel.check_places(*self._places)
        found = self._find()
        files = {f"{self._folder(each)}/cgroup.procs": each for each in found}
        alive = self._kernel.look("grep", "-l", ".", *files).stdout.decode("utf-8", "replace").split() if files else []
        self._dead = set(found) - {files[each] for each in alive if each in files}
        return BuilderNote(
            f"Each command of this build gets {in_words(self._memory, self._cpus)}, a moment after it begins: systemd keeps the "
            "control groups there, and Docker makes one for every command. Those that run at once, also of other builds on this "
            "engine, share it."
        )

    def heed(self, events: Iterable[BuildEvent]) -> BuilderNote | None:
        """Which RUN begin and end. A note where one has ended that was never found."""
        for each in events:
            if isinstance(each, VertexStarted) and _RUN.search(each.name):
                self._running.add(each.id)
                self._quick_until = time.monotonic() + _PATIENCE
                self.due = min(self.due, time.monotonic())
            elif isinstance(each, VertexEnded) and each.id in self._running:
                self._running.discard(each.id)
                if each.seconds > _SEEN_SECONDS and not self._seen:
                    self._seen = True
                    return BuilderNote(
                        f"The limits of this build are not held: no control group {self._prefix}… was found on server "
                        f"{self._name} while its commands ran.",
                        "warn",
                    )
        return None

    def look(self) -> None:
        """Limit what is there by now. HostError where a command has more memory already than it may."""
        found = [each for each in self._find() if each not in self._dead]
        freed = self._kernel.freed({each: (share.memory, share.cpus) for each, share in self._held.items()})
        self._held = {each: share for each, share in self._held.items() if each in found and each not in freed}
        self._seen = self._seen or bool(found)
        for group, share in self._shares(found).items():
            if self._held.get(group) != share:
                self._hold(group, share)
        missing = len(self._running) > len(found)
        quick = _AT_ONCE if time.monotonic() < self._quick_until else _SOON
        self.due = time.monotonic() + (quick if missing else _NOW_AND_AGAIN)

    def give_back(self) -> None:
        """What still runs is others'."""
        for group in self._find():
            try:
                self._kernel.free(group)
            except NotHeld:
                if group in self._find():
                    raise

    def _hold(self, group: Group, share: _Share) -> None:
        try:
            self._kernel.hold(group, share.memory, share.cpus)
        except Busy as error:
            raise HostError(
                f"Server {self._name}: a command of this build used more than {in_words(share.memory, None)}, the memory that "
                "was left to it, and the build was ended.",
                why="It had that much before its limit could be set.",
                remedy="Raise the memory limit in the build settings, build on a larger server, or let the command use less "
                "(fewer jobs at once).",
            ) from error
        except NotHeld:
            if group in self._find():
                raise
            return  # it is over
        self._held[group] = share

    def _shares(self, found: list[Group]) -> dict[Group, _Share]:
        cpus = None if self._cpus is None else self._cpus / max(1, len(found))
        if self._memory is None or len(found) < 2:
            return {each: _Share(self._memory, cpus) for each in found}
        left = shares(self._memory, [self._used().get(each, 0) for each in found])
        return {each: _Share(memory, cpus) for each, memory in zip(found, left, strict=True)}

    def _used(self) -> dict[Group, int]:
        """Memory that can't be taken from each that is held, in bytes."""
        files = {f"{self._folder(each)}/memory.stat": each for each in self._held}
        if not files:
            return {}
        said = self._kernel.look("grep", "-H", "-E", "^(anon|total_rss) ", *files).stdout.decode("utf-8", "replace")
        rows = [line.rpartition(":") for line in said.splitlines()]
        return {files[path]: int(value.split()[1]) for path, _, value in rows if path in files}

    def _find(self) -> list[Group]:
        pattern = f"{self._prefix}[0-9a-z]*"
        argv = ["find", *self._places, "-maxdepth", "1", "-type", "d", "-name", pattern]
        said = self._kernel.look(*argv).stdout.decode("utf-8", "replace")
        found = [line.rpartition("/") for line in said.splitlines()]
        return [
            Group(f"{self._places[at].memory}/{name}", f"{self._places[at].cpu}/{name}")
            for at, _, name in found
            if at in self._places and name.removeprefix(self._prefix).isalnum()
        ]

    def _folder(self, group: Group) -> str:
        return f"{ROOT}{group.memory}" if self._kernel.version == 2 else f"{ROOT}/memory{group.memory}"


def places(version: int, told: str) -> dict[str, Group]:
    """Where an engine's commands may get their groups, by the folder to look in, from its /proc/PID/cgroup: in its own group, beside it, at the root."""
    own = {
        name: path for _, names, path in (line.split(":", 2) for line in told.splitlines()) for name in names.split(",")
    }
    memory, cpu = (own.get(""), own.get("")) if version == 2 else (own.get("memory"), own.get("cpu"))
    if memory is None or cpu is None:
        raise NotHeld("the engine's control group can't be read.")
    tree = ROOT if version == 2 else f"{ROOT}/memory"
    pairs = zip(_up(memory), _up(cpu), strict=True)
    return {f"{tree}{in_memory}": Group(in_memory, in_cpu) for in_memory, in_cpu in pairs}


def _up(path: str) -> tuple[str, str, str]:
    own = path.rstrip("/")
    return own, own.rpartition("/")[0], ""


def shares(whole: int, used: list[int]) -> list[int]:
    """How much each may have of the whole, in bytes: what the others leave, in steps."""
    step = max(1, whole // _STEPS)
    taken = [-(-each // step) * step for each in used]
    return [max(step, whole - (sum(taken) - mine)) for mine in taken]
