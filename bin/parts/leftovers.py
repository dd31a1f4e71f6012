"""Clears up after runs that were killed before they could: only folders of ours whose owner is gone, only processes noted in them."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from pathlib import Path

from parts import machine, mounts, namespaces, podman, registry_address, systemd_machine
from parts.dockerd import DockerEngine
from parts.part import abandoned_folders, end_remembered, part_files, remove_folder

LOCK = Path(tempfile.gettempdir()) / f"estiva-leftovers.{os.getuid()}.lock"
TRIES = 5


def clear_leftovers() -> list[Path]:
    """End and remove what abandoned temporary folders still hold; the folders that were removed.

    Runs that start side by side wait for one another here: a folder is cleared by one of them.
    """
    cleared = []
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in abandoned_folders():
            clear_folder(folder)
            remove(folder)
            cleared.append(folder)
    return cleared


def remove(folder: Path) -> None:
    """A folder and all in it. What was being mounted as its engine was killed may only be there now."""
    for _ in range(TRIES):
        try:
            remove_folder(folder)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            mounts.release(folder)
        else:
            return
    remove_folder(folder)


def clear_folder(folder: Path) -> None:
    """End every part that still runs from this folder, and undo what its engines changed on the machine."""
    end_remembered(folder)
    for state in part_files(folder, "engine.json"):
        DockerEngine(state.parent).clear()
    for state in part_files(folder, podman.STATE):
        podman.Podman(state.parent).clear()
    for state in part_files(folder, registry_address.STATE):
        registry_address.give_back(state.parent)
    for state in part_files(folder, machine.STATE):
        machine.clear(state.parent)
    for state in part_files(folder, systemd_machine.STATE):
        systemd_machine.clear(state.parent)
    for state in part_files(folder, namespaces.STATE):
        namespaces.clear(state.parent)
