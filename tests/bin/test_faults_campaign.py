"""Which rows `bin/faults --only` means."""

from __future__ import annotations

import pytest

from parts.faults import campaign


def test_a_name_that_no_row_has_is_told_beside_those_that_one_has() -> None:
    assert campaign.unknown(["kill", "3", "kll", "99"]) == ["kll", "99"]


def test_a_mistaken_name_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main(["--only", "cable", "--only", "cabel"]) == 2
    assert "no row is called cabel;" in capsys.readouterr().out
