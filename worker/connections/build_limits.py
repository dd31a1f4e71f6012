"""Memory and CPU of what runs inside builds, held by the builder's kernel.

BuildKit in the engine takes no limit for a build: `memory`, `cpuquota` and `cgroupparent` of `POST /build` are read and ignored
(seen on 20.10 and 26.1). What it does is to put the processes of every RUN under one control group, `<the engine's
parent group>/buildkit`, where the engine keeps its groups itself (driver cgroupfs). The limits are written there by fixed argv
with the value on stdin, as root or through a sudo that asks nothing, and then read back. They count for all builds of the
engine together while this one runs. BuildKit's own work (unpacking, packing) is the daemon's and isn't limited.

Where systemd keeps the groups, they are held command by command (`build_commands`). What can't be held is said before the build
begins, never passed over.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from worker.connections.build_commands import Commands
from worker.connections.control_groups import Group, Kernel, NotHeld, checked_group, in_words
from worker.connections.engine_process import engine_process, parent_group
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.build_events import BuilderNote, BuildEvent
from worker.engine.errors import Cancelled, HostLost, LeaseLost

_LOOK_SECONDS = 2.0  # between two looks whether another build that ended took the limits away
_UNSAID = "The limits of this build are not held: "


class Limits:
    """Held from enter to exit. `note` is what there is to say, `afterwards` what there is after the exit.

    While the build goes on, `heed` gets its events, and is called not later than `due`, with none if there are none.
    """

    def __init__(self, session: SshSession, info: Mapping[str, Any], memory: int | None, cpus: float | None) -> None:
        self._session, self._info, self._memory, self._cpus = session, info, memory, cpus
        self._kernel = Kernel(session, 2 if str(info.get("CgroupVersion") or "1") == "2" else 1)
        self._group, self._group_due = "", 0.0
        self._commands: Commands | None = None
        self._watching = False
        self.note: BuilderNote | None = None
        self.afterwards: BuilderNote | None = None

    @property
    def due(self) -> float | None:
        """When to look next (time.monotonic()); None: never."""
        if not self._watching:
            return None
        return self._commands.due if self._commands is not None else self._group_due

    def heed(self, events: Sequence[BuildEvent]) -> Iterator[BuildEvent]:
        """Hear what the build says, and look where that is due; what there is to add."""
        if not self._watching:
            return
        note = self._commands.heed(events) if self._commands is not None else None
        if note is not None:
            yield note
        if self.due is None or self.due > time.monotonic():
            return
        try:
            self._look()
        except (NotHeld, ChannelRefused, TimeoutError) as problem:
            self._watching = False
            yield BuilderNote(f"The limits of this build are no longer held: {problem}", "warn")

    def _look(self) -> None:
        if self._commands is not None:
            self._commands.look()
            return
        group = Group.everywhere(self._group)
        if self._kernel.freed({group: (self._memory, self._cpus)}):  # by a build that ended meanwhile
            self._kernel.hold(group, self._memory, self._cpus)
        self._group_due = time.monotonic() + _LOOK_SECONDS

    def __enter__(self) -> Self:
        if self._memory is None and self._cpus is None:
            return self
        try:
            self._hold()
        except NotHeld as problem:
            self.note = BuilderNote(f"{_UNSAID}{problem}", "warn")
        except (ChannelRefused, TimeoutError):
            self.note = BuilderNote(f"{_UNSAID}the server runs no command for us to set them.", "warn")
        except Cancelled:  # is raised once, and nobody will leave what was never entered
            self._give_back()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The group is for builds without limits too: it gets its own back."""
        if not self._session.alive or isinstance(error, LeaseLost | HostLost):
            return
        try:
            self._give_back()
        except Cancelled:
            self._give_back()
            raise

    def _give_back(self) -> None:
        """What can't be given back fails no build: `afterwards` says it."""
        where = self._group or "commands that still run"
        try:
            if self._group:
                self._kernel.free(Group.everywhere(self._group))
            if self._commands is not None:
                self._commands.give_back()
        except (NotHeld, ChannelRefused, TimeoutError) as problem:
            self.afterwards = BuilderNote(
                f"The limits of this build could not be taken from {where}, where they go on for other builds: {problem}",
                "warn",
            )

    def _hold(self) -> None:
        if any("rootless" in str(each) for each in self._info.get("SecurityOptions") or ()):
            raise NotHeld("the engine runs without root there, and can't be given a share.")
        self._kernel.become_root()
        engine = engine_process(self._kernel, self._info)
        parent = parent_group(self._kernel, engine)
        driver = str(self._info.get("CgroupDriver") or "cgroupfs")
        if driver not in ("cgroupfs", "systemd"):
            raise NotHeld(f"the engine keeps no control groups there (docker info: Cgroup Driver: {driver[:40]}).")
        if driver == "systemd":
            commands = Commands(self._kernel, self._memory, self._cpus, self._session.address.host_name)
            self.note = commands.begin(engine.pid, parent)
            self._commands, self._watching = commands, True
            return
        group = f"{checked_group(parent or 'docker')}/buildkit"
        self._kernel.make(group)
        self._group = group
        self._kernel.hold(Group.everywhere(group), self._memory, self._cpus)
        self._watching, self._group_due = True, time.monotonic() + _LOOK_SECONDS
        self.note = BuilderNote(
            f"What this build runs gets {in_words(self._memory, self._cpus)}, together with whatever else is built on "
            "this engine meanwhile."
        )
