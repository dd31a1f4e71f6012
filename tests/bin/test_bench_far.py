"""What `bin/bench far` counts: each line that the viewer should have met, and only deploys that went well at the first attempt."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from bench import far_runs
from bench.far_runs import Far
from parts.faults.world import World
from parts.processes import PartError


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([1, 2, 3, 4], (0, 0)), ([1, 3, 4], (1, 0)), ([1, 2, 3], (1, 0)), ([1, 2, 2, 3, 4, 4], (0, 2)), ([], (4, 0))],
    ids=["all", "a hole", "the last", "two twice", "none"],
)
def test_lines_are_held_against_the_record(numbers: list[int], expected: tuple[int, int]) -> None:
    found = Far()

    far_runs._count_lines(found, numbers, 4)

    assert (found.lost, found.doubled) == expected


def world(shares: Sequence[SimpleNamespace]) -> World:
    return cast(World, SimpleNamespace(record=SimpleNamespace(of=lambda _deployment: shares)))


def share(status: str = "succeeded", attempts: int = 1, leases_lost: int = 0) -> SimpleNamespace:
    return SimpleNamespace(status=status, attempts=attempts, leases_lost=leases_lost, stalled_reason="")


def test_a_lease_that_was_lost_is_counted() -> None:
    found = Far()

    far_runs._ended_well(world([share(leases_lost=1)]), found, 5)

    assert found.leases_lost == 1


@pytest.mark.parametrize("bad", [share(status="failed_restored"), share(attempts=2)], ids=["failed", "taken up twice"])
def test_a_deploy_that_did_not_go_well_at_once_gives_no_time(bad: SimpleNamespace) -> None:
    with pytest.raises(PartError):
        far_runs._ended_well(world([bad]), Far(), 5)
