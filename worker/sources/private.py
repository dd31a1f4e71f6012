"""What only this user may read and nothing keeps: folders, and files that are in memory alone."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_PREFIX = "estiva-git-"
_STALE_SECONDS = 24 * 3600


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new empty folder of mode 0700."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@cache
def _sweep() -> None:
    """Once a process: what a killed one left. Nothing of ours runs for a day, and no secret is in there."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        found = folder.lstat()
        if (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.getuid()
            and time.time() - found.st_mtime > _STALE_SECONDS
        ):
            shutil.rmtree(folder, ignore_errors=True)  # another worker may be sweeping as well


@contextmanager
def readable_as_file(content: bytes, folder: Path) -> Iterator[Path]:
    """A path under which programs of this user read the content, without it being on a disk where Linux can do that.

    An anonymous file in memory ends with its last holder, so that a killed worker leaves no key behind. ssh closes
    inherited descriptors before it reads anything: hence a path through this very process.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("estiva-git", os.MFD_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(content)
            path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
            if os.access(path, os.R_OK):
                yield path
                return
        finally:
            os.close(descriptor)
    path = folder / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    yield path
