"""A server whose engine's data lies on a small file system of its own, which can be filled, used up, broken and mended."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from parts.machine import Machine, MachineEngine
from parts.namespaces import Namespace
from parts.processes import PartError, run, wait_until

MEGABYTES: Final = 4000
INODES: Final = 3000
MENDED: Final = (0, 1)  # what e2fsck ends with where all is well now


class SmallEngine(MachineEngine):
    """One whose data lies on a small file system of its own."""

    @property
    def data(self) -> Path:
        """Where that is mounted."""
        return self.folder / "data"

    @property
    def _image(self) -> Path:
        return self.folder / "disk"

    def reboot(self) -> None:
        """As any machine boots: its file system is looked through and mended, then mounted, then the engine starts."""
        self.kill()
        wait_until(
            lambda: not run(["losetup", "--associated", str(self._image)]).strip(), "the disk is let go", timeout=30
        )
        mended = subprocess.run(["e2fsck", "-f", "-y", str(self._image)], capture_output=True, text=True, check=False)
        if mended.returncode not in MENDED:
            raise PartError(f"e2fsck ended with code {mended.returncode}: {mended.stdout} {mended.stderr}")
        self._mount()
        self._launch_daemon()

    def _own_network(self) -> tuple[str, list[str]]:
        self.data.mkdir(exist_ok=True)
        run(["truncate", f"--size={MEGABYTES}M", str(self._image)])
        run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), str(self._image)])
        self._mount()
        return super()._own_network()

    def _mount(self) -> None:
        run(["mount", "-o", "loop", str(self._image), str(self.data)])


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


def fail(machine: SmallMachine) -> None:
    """The disk fails: the file system makes itself read-only, as ext4 does on Debian, until the next boot."""
    device = run(["findmnt", "--noheadings", "--output=SOURCE", str(machine.disk.data)]).strip()
    run(["mount", "-o", "remount,errors=remount-ro", str(machine.disk.data)])
    Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")
