"""What all parts have in common: a folder of their own, a start, a stop, and a trace that lets a later run clear up after a crash."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from parts.processes import PartError, Process, kill_all, start_time

SOCKET_PATH_LIMIT = 60
TEMPORARY_PREFIX = "estiva-"
OWNER_FILE = "owner"
PIDS_FILE = "pids"
DEEPEST = 3  # folders between a run's and a part's: a campaign's world, its machine, the machine's engine


class Part(ABC):
    """A real program that Estiva needs, run from a folder of its own. Use it as a context manager, or call start and stop."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def start(self) -> None:
        """Start, and return when it answers."""

    @abstractmethod
    def stop(self) -> None:
        """End everything that start began; calling it twice is fine."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ProcessPart(Part):
    """A part that is one process."""

    process: Process

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.alive

    def wait(self) -> int:
        """Block until its process ends; the exit code."""
        return self.process.wait()

    def launch(self, ready: Callable[[], bool], *, timeout: float = 30) -> None:
        """Start the process, note its id for a later clean-up, and wait until it is ready (seconds)."""
        self.process.start()
        remember(self.folder, self.process.pid)
        try:
            self.process.wait_ready(ready, timeout=timeout)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """SIGKILL, as when the machine loses this process."""
        self.process.kill()


def sockets_folder(folder: Path) -> Path:
    """Where a part's unix sockets go: beside its files, or, where that path is too long for a socket, a short private folder."""
    if len(str(folder)) <= SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"estiva.{os.getuid()}.{digest}"
    short.mkdir(mode=0o711, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise PartError(f"{short} belongs to somebody else; remove it or start again as its owner.")
    return short


def temporary_folder(kind: str) -> Path:
    """A new short folder for throwaway parts, owned by this process: `clear_leftovers` removes it if this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{kind}-", dir="/tmp"))
    folder.chmod(0o711)  # PostgreSQL's own user must be able to pass through
    (folder / OWNER_FILE).write_text(f"{os.getpid()} {start_time(os.getpid())}")
    return folder


def remember(folder: Path, pid: int) -> None:
    """Note a process that runs from this folder, so that a later run can end it if this one is killed."""
    with (folder / PIDS_FILE).open("a") as pids:
        pids.write(f"{pid} {start_time(pid)}\n")


def remembered(folder: Path) -> list[int]:
    """The noted processes of this folder that are still the same running processes."""
    try:
        lines = (folder / PIDS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []
    pairs = [line.split() for line in lines]
    return [int(pid) for pid, started in pairs if start_time(int(pid)) == started]


def remove_folder(folder: Path) -> None:
    """Remove a part's folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=False)


def abandoned_folders() -> list[Path]:
    """Temporary folders of ours whose owner is no longer running."""
    found = []
    for owner in Path("/tmp").glob(f"{TEMPORARY_PREFIX}*/{OWNER_FILE}"):
        try:
            if owner.stat().st_uid != os.getuid():
                continue
            pid, _, started = owner.read_text().partition(" ")
        except FileNotFoundError:
            continue  # its owner is just clearing up
        if pid.isdecimal() and start_time(int(pid)) != started:
            found.append(owner.parent)
    return found


def part_files(folder: Path, name: str) -> list[Path]:
    """The files of this name that parts keep in or below a folder; an engine's own data, which is deep, is not searched."""
    return [found for depth in range(DEEPEST + 1) for found in folder.glob("*/" * depth + name)]


def end_remembered(folder: Path) -> None:
    """SIGKILL every process noted under this folder, and forget it."""
    for noted in part_files(folder, PIDS_FILE):
        kill_all(remembered(noted.parent))
        noted.unlink()
