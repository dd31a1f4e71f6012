"""Processes that somebody of Estiva's left behind: on the workers' host, and on the servers that they were sent to.

Read from /proc alone. On the workers' host everything that was started is noted (`parts.part.remember`), so what works in Estiva's folder or
was given its settings, and hangs below nobody of those that live, has lost its parent. On a server an SSH session belongs to whoever
holds the other end of its connection; where nobody does, it and what runs below it is left over. So is what hangs below no session at all.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parts.part import PIDS_FILE, part_files, remembered, sockets_folder
from parts.processes import descendants, process_ids, start_time

if TYPE_CHECKING:
    from parts.faults.world import World
    from parts.machine import Machine

LOOK_SECONDS: Final = 0.2
ESTABLISHED: Final = "01"  # as the kernel's table of connections has it
ENGINES: Final = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "docker-proxy", "runc")
CAMPAIGN: Final = "parts.faults."  # in the words of a process: the campaign's own
Peer = tuple[str, int]


def left_over(world: World, patience: float) -> list[str]:
    """What is still there after so many seconds: a connection's end, or a signal, takes a moment to be noticed."""
    return settled(lambda: [*_of_workers(world), *on_servers(world.machines)], patience)


def settled(look: Callable[[], list[str]], patience: float) -> list[str]:
    """What is seen again and again until nothing is, or the time is over: only what was there all the while."""
    until, never = time.monotonic() + patience, threading.Event()
    found = look()
    while found and time.monotonic() < until:
        never.wait(LOOK_SECONDS)
        now = look()
        found = [each for each in found if each in now]
    return found


def _of_workers(world: World) -> Iterator[str]:
    known = [pid for noted in part_files(world.folder, PIDS_FILE) for pid in remembered(noted.parent)]
    for pid in orphans(world.estiva.folder, known):
        yield f"on the workers' host, of nobody who lives: {in_words(pid)}"


def orphans(folder: Path, living: Iterable[int]) -> list[int]:
    """Processes that work in this folder or were told of it, and are neither one of these nor below one."""
    known = below(living)
    return [pid for pid in process_ids() if pid not in known and start_time(pid) and _belongs(pid, str(folder))]


def _belongs(pid: int, folder: str) -> bool:
    try:
        where = str(Path(f"/proc/{pid}/cwd").readlink())
        given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False  # it has just ended
    values = [each.partition(b"=")[2].decode(errors="replace") for each in given]
    return any(each == folder or each.startswith(f"{folder}/") for each in (where, *values))


def on_servers(machines: Iterable[Machine]) -> Iterator[str]:
    """What runs on these, and belongs to no engine and to no session that somebody still holds."""
    for machine in machines:
        held = held_here(machine.address, machine.sshd.port)
        there = machine.namespace.pids()
        sessions = [pid for pid in there if client_of(pid, machine.sshd.port) in held]
        known = {machine.sshd.process.pid, *below(sessions), *below([machine.engine.process.pid])}
        for pid in [*there, *_built(machine)]:
            if pid not in known and not _is_part(pid, machine):
                yield f"on {machine.name}, of no session that anybody holds: {in_words(pid)}"


def _is_part(pid: int, machine: Machine) -> bool:
    """The campaign's own, or one of the engine's programs, which name its folder; or one that has ended meanwhile.

    Naming that folder isn't enough: whatever talks to the engine, as Compose does, names its socket.
    """
    words = in_words(pid)
    folders = (str(machine.engine.folder), str(sockets_folder(machine.engine.folder)))
    program = _text(f"/proc/{pid}/cmdline").partition("\0")[0].rpartition("/")[2]
    is_engine = program in ENGINES and any(each in words for each in folders)
    return not start_time(pid) or CAMPAIGN in words or is_engine


def _built(machine: Machine) -> Iterator[int]:
    """What runs in the engine's control group and in no container: commands of builds."""
    state = machine.engine.folder / "machine.json"
    group = re.search(r'"group":\s*"([^"]+)"', state.read_text()) if state.exists() else None
    if group is None:
        return
    known = [str(each["Id"]) for each in machine.engine.api.json("GET", "/containers/json?all=1")]
    for pid in process_ids():
        lines = [line for line in _text(f"/proc/{pid}/cgroup").splitlines() if f":/{group[1]}/" in line]
        if lines and start_time(pid) and not any(each in line for each in known for line in lines):
            yield pid


def below(pids: Iterable[int]) -> set[int]:
    """These, and all that they started."""
    found: set[int] = set()
    for pid in pids:
        found |= {pid, *descendants(pid)}
    return found


def in_words(pid: int) -> str:
    """A process as people know it."""
    return f"{pid} {_text(f'/proc/{pid}/cmdline').replace(chr(0), ' ').strip() or '(ended)'}"


# connections


def held_here(address: str, port: int) -> set[Peer]:
    """Our ends of the connections with this server's sshd that a process of this machine still holds: address and port."""
    return {
        local
        for local, remote, state, _ in _connections("/proc/net/tcp")
        if remote == (address, port) and state == ESTABLISHED  # one that its process left is being ended
    }


def client_of(pid: int, port: int) -> Peer | None:
    """The other end of the connection that an SSH session serves; None for what serves none."""
    mine = _sockets(pid)
    for local, remote, _, inode in _connections(f"/proc/{pid}/net/tcp"):
        if inode in mine and local[1] == port and remote[1]:
            return remote
    return None


def _sockets(pid: int) -> set[str]:
    """The numbers of the sockets that it has open."""
    found = set()
    with suppress(OSError):  # it has just ended
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # just closed, as the one that lists this folder is
                target = str(each.readlink())
                if target.startswith("socket:["):
                    found.add(target.removeprefix("socket:[").rstrip("]"))
    return found


def _connections(table: str) -> Iterator[tuple[Peer, Peer, str, str]]:
    for line in _text(table).splitlines()[1:]:
        words = line.split()
        yield _peer(words[1]), _peer(words[2]), words[3], words[9]


def _peer(text: str) -> Peer:
    """As the kernel writes an address: its bytes as one number of this machine's order, and the port."""
    address, _, port = text.partition(":")
    return socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
