"""Row 1's setbacks: what commands have done is counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parts.faults.setbacks import ran_wrongly


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["before v1", "after v1", "before v2", "after v2"], []),
        (
            ["before v1", "after v1", "after v1", "before v2", "after v2"],
            ["the command after the deploy of v1 ran 2 times"],
        ),
        (["before v1", "after v1", "before v2"], ["the command after the deploy of v2 ran 0 times"]),
    ],
)
def test_a_command_runs_once_for_each_version(lines: Sequence[str], wrong: Sequence[str]) -> None:
    assert ran_wrongly(lines, ["v1", "v2"]) == wrong
