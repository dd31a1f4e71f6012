"""Where mirrors lie on the worker's disk, and freeing what nobody uses."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from worker.sources import locks
from worker.sources.errors import GitRefused
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


def keep_within(folder: Path, most: int) -> list[Path]:
    """Bring all mirrors below `folder` together down to `most` bytes, the least recently used first; the folders emptied.

    One that somebody uses or fetches into at this moment is left alone, and nothing waits for it.
    """
    found = [each.parent for each in folder.glob("*/*/fetch.lock")]
    sizes = {each: size_of(each) for each in found}
    excess = sum(sizes.values()) - most
    emptied = []
    for mirror in sorted(found, key=_used_at) if excess > 0 else ():
        if excess <= 0:
            break
        if sizes[mirror]:
            with suppress(GitRefused):  # somebody is at it
                _empty(mirror, nobody, seconds=0)
                emptied.append(mirror)
                excess -= sizes[mirror]
    return emptied


def size_of(mirror: Path) -> int:
    """Bytes of a mirror's files, its Git LFS files among them."""
    return sum(_sizes(mirror))


def _sizes(folder: Path) -> Iterator[int]:
    """What somebody removes meanwhile counts as nothing."""
    for path, _folders, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(path, name).lstat().st_size


def _used_at(mirror: Path) -> float:
    locks_of_it = (mirror / "fetch.lock", mirror / "use.lock")
    return max((each.stat().st_mtime for each in locks_of_it if each.exists()), default=0.0)


def _empty(folder: Path, interrupt: Interrupt, seconds: float = GitLimits().lock_seconds) -> None:
    if not folder.exists():
        return
    with (
        locks.held(folder / "fetch.lock", shared=False, seconds=seconds, interrupt=interrupt),
        locks.held(folder / "use.lock", shared=False, seconds=seconds, interrupt=interrupt),
    ):
        for doomed in ("repo.git", "lfs"):
            shutil.rmtree(folder / doomed, ignore_errors=True)
