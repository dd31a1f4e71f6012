"""Where mirrors lie on the worker's disk, and freeing what nobody uses."""

import hashlib
import shutil
import time
from pathlib import Path

from worker.sources import locks
from worker.sources.shapes import GitLimits, Interrupt, nobody


def mirror_folder(folder: Path, url: str) -> Path:
    """Where the mirror of this address is, among those of all."""
    return folder / hashlib.sha256(url.encode()).hexdigest()


def remove_mirror(folder: Path, url: str, interrupt: Interrupt = nobody) -> None:
    """Free the space of a repository that is no longer used: its copy and its Git LFS files. Its lock files stay."""
    _empty(mirror_folder(folder, url), interrupt)


def remove_unused(folder: Path, seconds: float, interrupt: Interrupt = nobody) -> list[Path]:
    """Free the space of the mirrors that nobody fetched into for so long; their folders."""
    removed = []
    for lock in sorted(folder.glob("*/fetch.lock")):
        if lock.parent.joinpath("repo.git").exists() and time.time() - lock.stat().st_mtime > seconds:
            _empty(lock.parent, interrupt)
            removed.append(lock.parent)
    return removed


def _empty(folder: Path, interrupt: Interrupt) -> None:
    if not folder.exists():
        return
    with (
        locks.held(folder / "fetch.lock", shared=False, seconds=GitLimits().lock_seconds, interrupt=interrupt),
        locks.held(folder / "use.lock", shared=False, seconds=GitLimits().lock_seconds, interrupt=interrupt),
    ):
        for doomed in ("repo.git", "lfs"):
            shutil.rmtree(folder / doomed, ignore_errors=True)
