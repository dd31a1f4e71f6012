"""What the processes of an installation take of this machine, read from the kernel."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from parts.processes import PartError

TICKS = os.sysconf("SC_CLK_TCK")  # a second
ROLES = {  # in a command: workers are told apart by a number where several of a queue may run
    "web": re.compile(r"\bgunicorn\b"),
    "worker": re.compile(r"\bdeploy\d*@"),
    "looker": re.compile(r"\blook\d*@"),
    "reconciler": re.compile(r"\bmanage\.py reconcile\b"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """Of all processes of a role together: resident memory in MB, threads, and CPU seconds since their start."""

    memory_mb: float
    threads: int
    cpu_seconds: float


def pids(folder: Path, role: str) -> list[int]:
    """The processes of the installation in `folder` that have this role."""
    mark = f"ESTIVA_VAR={folder}".encode()
    return [
        pid for pid, words in _running() if ROLES[role].search(words) and mark in _read(pid, "environ").split(b"\0")
    ]


def taken(folder: Path, role: str) -> Taken:
    """What the role's processes take now; PartError where there are none, since nothing would pass for a measurement."""
    found = pids(folder, role)
    if not found:
        raise PartError(f"No {role} of the installation in {folder} runs: there is nothing to measure.")
    memory = threads = 0
    seconds = 0.0
    for pid in found:
        kilobytes, own = _status(pid)
        memory, threads = memory + kilobytes, threads + own
        seconds += cpu_seconds(pid)
    return Taken(memory / 1024, threads, seconds)


def cpu_seconds(pid: int) -> float:
    """What a process has taken of the processors since its start; 0 for one that has ended."""
    stat = _read(pid, "stat").rpartition(b")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS if stat else 0.0


def resident(pids: Iterable[int]) -> float:
    """The memory of these processes together, in MB; cheaper than to look for them each time."""
    return sum(_status(pid)[0] for pid in pids) / 1024


def _status(pid: int) -> tuple[int, int]:
    """Resident memory in kB, and threads; zeros for one that has ended."""
    lines = dict(line.split(":", 1) for line in _read(pid, "status").decode().splitlines() if ":" in line)
    return int(lines.get("VmRSS", "0 kB").split()[0]), int(lines.get("Threads", "0"))


def ports(pid: int) -> set[int]:
    """The local ports of a process's TCP connections."""
    sockets: set[str] = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(str(each.readlink()))
    rows = [line.split() for line in _read(pid, "net/tcp").decode().splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in sockets}


def _running() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name), _read(int(entry.name), "cmdline").replace(b"\0", b" ").decode("utf-8", "replace")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended meanwhile
        return b""
