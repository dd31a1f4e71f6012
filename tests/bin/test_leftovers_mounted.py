"""A folder in which something is still mounted is cleared all the same."""

import os
import tempfile
from pathlib import Path

import pytest

from parts import leftovers, mounts
from parts.processes import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting is root's")


def test_what_is_mounted_after_its_engine_was_cleared_does_not_keep_the_folder() -> None:
    folder = Path(tempfile.mkdtemp(prefix="estiva-mounted-", dir="/tmp"))
    point = folder / "w1" / "with blank" / "merged"
    point.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "none", str(point)])
    try:
        assert list(mounts.below(folder)) == [str(point)]
        leftovers._remove(folder)
        assert not folder.exists()
    finally:
        mounts.release(folder)
