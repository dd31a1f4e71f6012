"""The server's control groups: what is written to limit one, by fixed argv with the value on stdin, as root or through a sudo that asks nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from worker.connections.channels import Output
from worker.connections.pool import SshSession

ROOT = "/sys/fs/cgroup"
PERIOD = 100_000  # microseconds over which CPU time is counted
_UNLIMITED, _NO_LIMIT = "max", "-1"  # in the second and the first version of control groups
_GROUP = re.compile(r"(/[A-Za-z0-9_.@:-]{1,100}){1,8}")


class NotHeld(Exception):
    """The builder can't hold the limits; the message says why, for people."""


class Busy(NotHeld):
    """More memory is used than the limit would leave, and none of it can be taken away."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One file of a control group. `optional`: there are kernels without it."""

    path: str
    value: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Where a control group is, from the root of the tree: in the first version each controller has a tree of its own."""

    memory: str
    cpu: str

    @classmethod
    def everywhere(cls, path: str) -> "Group":
        """One place in all trees."""
        return cls(path, path)


def settings(version: int, group: Group, memory: int | None, cpus: float | None) -> list[Setting]:
    """What to write, in this order, to limit a group (`/docker/buildkit`); None takes a limit away. Pure."""
    if version == 2:
        at = f"{ROOT}{group.memory}"
        quota = _UNLIMITED if cpus is None else str(_quota(cpus))
        return [
            Setting(f"{at}/memory.max", _UNLIMITED if memory is None else str(memory)),
            Setting(f"{at}/memory.swap.max", _UNLIMITED if memory is None else "0", optional=True),
            Setting(f"{at}/cpu.max", f"{quota} {PERIOD}"),
        ]
    at, size = f"{ROOT}/memory{group.memory}", _NO_LIMIT if memory is None else str(memory)
    swap = f"{at}/memory.memsw.limit_in_bytes"  # may never be below the other
    return [
        Setting(swap, _NO_LIMIT, optional=True),
        Setting(f"{at}/memory.limit_in_bytes", size),
        Setting(swap, size, optional=True),
        Setting(f"{ROOT}/cpu{group.cpu}/cpu.cfs_period_us", str(PERIOD)),
        Setting(f"{ROOT}/cpu{group.cpu}/cpu.cfs_quota_us", _NO_LIMIT if cpus is None else str(_quota(cpus))),
    ]


class Kernel:
    """The groups of one server. Its calls raise `NotHeld` with the server's own words."""

    def __init__(self, session: SshSession, version: int) -> None:
        self.version = version
        self._session = session
        self._as_root: tuple[str, ...] = ()

    def become_root(self) -> None:
        """A sudo that wants a password, or a terminal, is none."""
        if self.run("id", "-u").strip() == b"0":
            return
        said = self._session.run(["sudo", "-n", "id", "-u"])
        if said.exit_code != 0 or said.stdout.strip() != b"0":
            raise NotHeld(
                "it takes root on the server, and Estiva logs in there as an ordinary user without a sudo that asks nothing."
            )
        self._as_root = ("sudo", "-n")

    def make(self, group: str) -> None:
        """Make a group, in all trees that matter."""
        if self.version == 1:
            places = (f"{ROOT}/memory{group}", f"{ROOT}/cpu{group}")
            self.run("mkdir", "-p", *places)
            self.check_places(*places)
            return
        at = ROOT
        for part in group.strip("/").split("/"):
            self._write([Setting(f"{at}/cgroup.subtree_control", "+memory +cpu")])
            at = f"{at}/{part}"
            self.run("mkdir", "-p", at)
            self.check_places(at)

    def check_places(self, *paths: str) -> None:
        """Only inside the kernel's own tree is anything written."""
        real = self.run("readlink", "-f", *paths).decode("utf-8", "replace").splitlines()
        outside = [each for each in real if not f"{each}/".startswith(f"{ROOT}/")]
        if outside or len(real) != len(paths):
            raise NotHeld(f"{' '.join(paths)} leads to {' '.join(outside)}, which is no control group.")

    def hold(self, group: Group, memory: int | None, cpus: float | None) -> None:
        """Limit a group, and read back what the kernel took. `Busy` where it holds more than that already."""
        wanted = settings(self.version, group, memory, cpus)
        try:
            self._write(wanted)
        except NotHeld as error:
            if memory is not None and self._used(group) > memory:
                raise Busy(str(error)) from error
            raise
        needed = [each for each in wanted if not each.optional]
        found = self.run("cat", *(each.path for each in needed)).decode("ascii", "replace").splitlines()
        for each, value in zip(needed, [*found, *[""] * len(needed)], strict=False):
            if not _same(each.value, value):
                raise NotHeld(f"the server's kernel did not take {each.value} in {each.path}.")

    def freed(self, groups: Mapping[Group, tuple[int | None, float | None]]) -> set[Group]:
        """Those that had these limits (memory, CPUs) and have one of them no more: another build took them away as it ended."""
        files = {
            each.path: group
            for group, limits in groups.items()
            for each in settings(self.version, group, *limits)
            if not each.optional and not _is_unlimited(each.value)
        }
        if not files:
            return set()
        rows = self.look("grep", "-H", ".", *files).stdout.decode("ascii", "replace").splitlines()
        said = [(path, value) for path, _, value in (line.rpartition(":") for line in rows)]
        return {files[path] for path, value in said if path in files and _is_unlimited(value)}

    def free(self, group: Group) -> None:
        """Take a group's limits away."""
        self._write(settings(self.version, group, None, None))

    def run(self, *argv: str) -> bytes:
        """What a command prints that has to end well."""
        said = self.ask(*argv)
        if said.exit_code != 0:
            raise NotHeld(_words(said.stderr) or f"{argv[0]} failed on the server.")
        return said.stdout

    def ask(self, *argv: str) -> Output:
        """How a command ends, as root."""
        return self._session.run([*self._as_root, *argv])

    def look(self, *argv: str) -> Output:
        """As whoever Estiva is there: what is asked again and again shall not fill sudo's log."""
        return self._session.run(argv)

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

    def _used(self, group: Group) -> int:
        """Only the first version refuses a limit for what is used already; in bytes."""
        said = self.look("cat", f"{ROOT}/memory{group.memory}/memory.usage_in_bytes").stdout.strip()
        return int(said) if self.version == 1 and said.isdigit() else 0

    def _tee(self, value: str, paths: Sequence[str]) -> Output:
        return self._session.run([*self._as_root, "tee", *paths], stdin=f"{value}\n".encode("ascii"))


def checked_group(parent: str) -> str:
    """`/docker`, `/a/b`; nothing that could lead out of the tree of groups."""
    group = "/" + parent.strip("/")
    as_systemd = ".slice" in group and group.endswith(":")  # BuildKit then makes no group of its own below it
    if not _GROUP.fullmatch(group) or ".." in group.split("/") or as_systemd:
        raise NotHeld(f"the engine's parent group {parent[:100]!r} is not one that limits are written to.")
    return group


def in_words(memory: int | None, cpus: float | None) -> str:
    """Limits as a person reads them."""
    parts = [f"{memory / 1024**2:.0f} MB of memory"] if memory is not None else []
    parts += [f"{cpus:g} CPU{'' if cpus == 1 else 's'}"] if cpus is not None else []
    return " and ".join(parts)


def _quota(cpus: float) -> int:
    return max(1000, round(cpus * PERIOD))  # the kernel takes no less than a millisecond


def _same(wanted: str, found: str) -> bool:
    """The kernel rounds memory down to whole pages, and shows "no limit" as a number of its own."""
    if wanted == _NO_LIMIT:
        return True
    if wanted.isdigit() and found.strip().isdigit():
        return 0 <= int(wanted) - int(found) < 1 << 16
    return wanted == found.strip()


def _is_unlimited(value: str) -> bool:
    """Also in the kernel's own way: a number that no machine has."""
    first = value.split()[0] if value.split() else ""
    return first in (_UNLIMITED, _NO_LIMIT) or (first.isdigit() and int(first) >= 1 << 60)


def _words(stderr: bytes) -> str:
    return stderr.decode("utf-8", "replace").strip().partition("\n")[0]
