"""What a run that was killed left is found and cleared, whatever is still mounted there."""

import os
import tempfile
from pathlib import Path

import pytest

from parts import leftovers, mounts
from parts.part import PIDS_FILE, part_files
from parts.processes import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting is root's")


def test_what_is_mounted_after_its_engine_was_cleared_does_not_keep_the_folder() -> None:
    folder = Path(tempfile.mkdtemp(prefix="estiva-mounted-", dir="/tmp"))
    point = folder / "w1" / "with blank" / "merged"
    point.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "none", str(point)])
    try:
        assert list(mounts.below(folder)) == [str(point)]
        leftovers.remove(folder)
        assert not folder.exists()
    finally:
        mounts.release(folder)


@pytest.mark.parametrize("place", ["", "redis", "w1/postgres", "w1/m2/engine"])
def test_what_a_part_keeps_is_found_as_deep_as_parts_lie(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / PIDS_FILE).touch()
    assert part_files(tmp_path, PIDS_FILE) == [tmp_path / place / PIDS_FILE]
