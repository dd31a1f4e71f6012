"""What `bin/bench ship` runs by hand: one program's output into another, and no program that outlives it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bench.ship import piped
from parts.processes import PartError

ENDLESS = [sys.executable, "-c", "import sys\nwhile True: sys.stdout.write('x' * 65536)"]


def test_what_one_writes_the_other_reads(tmp_path: Path) -> None:
    piped(["echo", "layers"], ["tee", str(tmp_path / "image")])
    assert (tmp_path / "image").read_text() == "layers\n"


def test_either_that_fails_is_named_with_its_words() -> None:
    with pytest.raises(PartError, match="false ended with 1"):
        piped(["false"], ["cat"])
    with pytest.raises(PartError, match="no space"):
        piped(["echo", "layers"], [sys.executable, "-c", "raise SystemExit('no space')"])


def test_a_reader_that_gives_up_holds_no_writer_open() -> None:
    begun = time.monotonic()
    with pytest.raises(PartError, match="true with 0"):
        piped(ENDLESS, ["true"])
    assert time.monotonic() - begun < 60


def test_what_hangs_is_ended() -> None:
    with pytest.raises(PartError, match="within 1 s"):
        piped(["sleep", "600"], ["cat"], timeout=1)
