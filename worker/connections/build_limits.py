"""Memory and CPU of what runs inside builds, held by the builder's kernel.

BuildKit in the engine takes no limit for a build: `memory`, `cpuquota` and `cgroupparent` of `POST /build` are read and ignored
(seen on 20.10 and 26.1). What it does is to put the processes of every RUN under one control group, `<the engine's
parent group>/buildkit`, where the engine keeps its groups itself (driver cgroupfs). The limits are written there by fixed argv
with the value on stdin, as root or through a sudo that asks nothing, and then read back. They count for all builds of the
engine together while this one runs. BuildKit's own work (unpacking, packing) is the daemon's and isn't limited.

Where systemd keeps the groups, BuildKit is given `system.slice:docker:` as the parent, and each RUN a group of its own, beside
the engine's (seen on 20.10): there is none above them that could be limited before a RUN begins, and limiting one after the other
as they appear would come too late. Only BuildKit's own interface (`/grpc`, frontend option cgroup-parent) takes another
parent. What can't be held is said before the build begins, never passed over.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Any, Self

from worker.connections.channels import Output
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.build_events import BuilderNote
from worker.engine.errors import Cancelled, HostLost, LeaseLost

_GROUP = re.compile(r"(/[A-Za-z0-9_.@:-]{1,100}){1,8}")
_PERIOD = 100_000  # microseconds over which CPU time is counted
_ROOT = "/sys/fs/cgroup"
_UNLIMITED, _NO_LIMIT = "max", "-1"  # in the second and the first version of control groups


_HOW = " To have them held, let its engine keep the groups itself: "
_CGROUPFS = '"exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json, then restart Docker.'


class NotHeld(Exception):
    """The builder can't hold the limits; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One file of a control group. `optional`: there are kernels without it."""

    path: str
    value: str
    optional: bool = False


def settings(version: int, group: str, memory: int | None, cpus: float | None) -> list[Setting]:
    """What to write, in this order, to limit a group (`/docker/buildkit`); None takes a limit away. Pure."""
    if version == 2:
        at = f"{_ROOT}{group}"
        quota = _UNLIMITED if cpus is None else str(_quota(cpus))
        return [
            Setting(f"{at}/memory.max", _UNLIMITED if memory is None else str(memory)),
            Setting(f"{at}/memory.swap.max", _UNLIMITED if memory is None else "0", optional=True),
            Setting(f"{at}/cpu.max", f"{quota} {_PERIOD}"),
        ]
    at, size = f"{_ROOT}/memory{group}", _NO_LIMIT if memory is None else str(memory)
    swap = f"{at}/memory.memsw.limit_in_bytes"  # may never be below the other
    return [
        Setting(f"{_ROOT}/cpu{group}/cpu.cfs_period_us", str(_PERIOD)),
        Setting(f"{_ROOT}/cpu{group}/cpu.cfs_quota_us", _NO_LIMIT if cpus is None else str(_quota(cpus))),
        Setting(swap, _NO_LIMIT, optional=True),
        Setting(f"{at}/memory.limit_in_bytes", size),
        Setting(swap, size, optional=True),
    ]


class Limits:
    """Held from enter to exit. `note` is what there is to say, `afterwards` what there is after the exit."""

    def __init__(self, session: SshSession, info: Mapping[str, Any], memory: int | None, cpus: float | None) -> None:
        self._session, self._info, self._memory, self._cpus = session, info, memory, cpus
        self._version = 2 if str(info.get("CgroupVersion") or "1") == "2" else 1
        self._group = ""
        self._as_root: tuple[str, ...] = ()
        self.note: BuilderNote | None = None
        self.afterwards: BuilderNote | None = None

    def __enter__(self) -> Self:
        if self._memory is None and self._cpus is None:
            return self
        try:
            self._hold()
        except NotHeld as problem:
            self.note = BuilderNote(f"The limits of this build are not held: {problem}", "warn")
        except (ChannelRefused, TimeoutError):
            self.note = BuilderNote(
                "The limits of this build are not held: the server runs no command for us to set them.", "warn"
            )
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
        if not self._group:
            return
        try:
            self._write(settings(self._version, self._group, None, None))
        except (NotHeld, ChannelRefused, TimeoutError) as problem:
            self.afterwards = BuilderNote(
                f"The limits of this build could not be taken from {self._group}, where they go on for other builds: {problem}",
                "warn",
            )

    def _hold(self) -> None:
        if any("rootless" in str(each) for each in self._info.get("SecurityOptions") or ()):
            raise NotHeld("the engine runs without root there, and can't be given a share.")
        self._become_root()
        group = f"{self._parent()}/buildkit"
        self._make(group)
        self._group = group
        wanted = settings(self._version, group, self._memory, self._cpus)
        self._write(wanted)
        needed = [each for each in wanted if not each.optional]
        found = self._run("cat", *(each.path for each in needed)).decode("ascii", "replace").splitlines()
        for each, value in zip(needed, [*found, *[""] * len(needed)], strict=False):
            if not _same(each.value, value):
                raise NotHeld(f"the server's kernel did not take {each.value} in {each.path}.")
        self.note = BuilderNote(
            f"What this build runs gets {_in_words(self._memory, self._cpus)}, together with whatever else is built on "
            "this engine meanwhile."
        )

    def _become_root(self) -> None:
        """A sudo that wants a password, or a terminal, is none."""
        if self._run("id", "-u").strip() == b"0":
            return
        said = self._session.run(["sudo", "-n", "id", "-u"])
        if said.exit_code != 0 or said.stdout.strip() != b"0":
            raise NotHeld(
                "it takes root on the server, and Estiva logs in there as an ordinary user without a sudo that asks nothing."
            )
        self._as_root = ("sudo", "-n")

    def _make(self, group: str) -> None:
        if self._version == 1:
            places = (f"{_ROOT}/memory{group}", f"{_ROOT}/cpu{group}")
            self._run("mkdir", "-p", *places)
            self._check_places(*places)
            return
        at = _ROOT
        for part in group.strip("/").split("/"):
            self._write([Setting(f"{at}/cgroup.subtree_control", "+memory +cpu")])
            at = f"{at}/{part}"
            self._run("mkdir", "-p", at)
            self._check_places(at)

    def _check_places(self, *paths: str) -> None:
        """Only inside the kernel's own tree is anything written."""
        real = self._run("readlink", "-f", *paths).decode("utf-8", "replace").splitlines()
        outside = [each for each in real if not each.startswith(f"{_ROOT}/")]
        if outside or len(real) != len(paths):
            raise NotHeld(f"{' '.join(paths)} leads to {' '.join(outside)}, which is no control group.")

    def _write(self, wanted: Sequence[Setting]) -> None:
        """In this order; neighbours of one value with one command, since each costs a process on the server."""
        for value, group in groupby(wanted, key=lambda each: each.value):
            alike = list(group)
            said = self._tee(value, [each.path for each in alike])
            if said.exit_code != 0:
                for each in alike:
                    said = self._tee(value, [each.path])
                    if said.exit_code != 0 and not each.optional:
                        raise NotHeld(_words(said.stderr) or f"{each.path} can't be written.")

    def _tee(self, value: str, paths: Sequence[str]) -> Output:
        return self._session.run([*self._as_root, "tee", *paths], stdin=f"{value}\n".encode("ascii"))

    def _run(self, *argv: str) -> bytes:
        said = self._session.run([*self._as_root, *argv])
        if said.exit_code != 0:
            raise NotHeld(_words(said.stderr) or f"{argv[0]} failed on the server.")
        return said.stdout

    def _parent(self) -> str:
        """Under which group the engine puts its builds: it can't be asked, but its own settings say."""
        if str(self._info.get("CgroupDriver") or "cgroupfs") != "cgroupfs":
            why = "systemd keeps the control groups there, and then Docker puts builds in none that could be limited."
            raise NotHeld(f"{why}{_HOW}{_CGROUPFS}")
        listed = self._session.run(["pgrep", "-a", "-x", "dockerd"])
        found = [line.split() for line in listed.stdout.decode("utf-8", "replace").splitlines()]
        here = self._namespace("self")
        engines = [words[1:] for words in found if len(words) > 1 and here and self._namespace(words[0]) == here]
        mine = own_engine(engines, str(self._info.get("DockerRootDir") or ""))
        if mine is None:
            raise NotHeld("it can't be told which of the server's processes is this engine.")
        parent = option(mine, "--cgroup-parent") or self._configured(option(mine, "--config-file"))
        return _checked_group(parent or "docker")

    def _namespace(self, process: str) -> bytes:
        """Which processes are the server's own: a container may run one of that name, with arguments of its choice."""
        said = self._session.run([*self._as_root, "readlink", f"/proc/{process}/ns/pid"])
        return said.stdout.strip() if said.exit_code == 0 else b""

    def _configured(self, path: str) -> str:
        said = self._session.run([*self._as_root, "cat", path or "/etc/docker/daemon.json"])
        try:
            found = json.loads(said.stdout) if said.exit_code == 0 else {}
        except ValueError as error:
            raise NotHeld("the engine's daemon.json can't be read.") from error
        return str(found.get("cgroup-parent") or "") if isinstance(found, dict) else ""


def _checked_group(parent: str) -> str:
    """`/docker`, `/a/b`; nothing that could lead out of the tree of groups."""
    group = "/" + parent.strip("/")
    as_systemd = ".slice" in group and group.endswith(":")  # BuildKit then makes no group of its own below it
    if not _GROUP.fullmatch(group) or ".." in group.split("/") or as_systemd:
        raise NotHeld(f"the engine's parent group {parent[:100]!r} is not one that limits are written to.")
    return group


def own_engine(engines: Sequence[Sequence[str]], root: str) -> Sequence[str] | None:
    """The arguments of the one engine whose data is at `root`; the only one there is, where it doesn't say."""
    exact = [each for each in engines if root and option(each, "--data-root").rstrip("/") == root.rstrip("/")]
    silent = [each for each in engines if not option(each, "--data-root")]
    found = exact or silent
    return found[0] if len(found) == 1 else None


def option(arguments: Sequence[str], name: str) -> str:
    """The value of `--name=value` or `--name value`; empty where it isn't given."""
    for at, word in enumerate(arguments):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and at + 1 < len(arguments):
            return arguments[at + 1]
    return ""


def _quota(cpus: float) -> int:
    return max(1000, round(cpus * _PERIOD))  # the kernel takes no less than a millisecond


def _same(wanted: str, found: str) -> bool:
    """The kernel rounds memory down to whole pages, and shows "no limit" as a number of its own."""
    if wanted == _NO_LIMIT:
        return True
    if wanted.isdigit() and found.strip().isdigit():
        return 0 <= int(wanted) - int(found) < 1 << 16
    return wanted == found.strip()


def _in_words(memory: int | None, cpus: float | None) -> str:
    parts = [f"{memory / 1024**2:.0f} MB of memory"] if memory is not None else []
    parts += [f"{cpus:g} CPU{'' if cpus == 1 else 's'}"] if cpus is not None else []
    return " and ".join(parts)


def _words(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip().partition("\n")[0]
