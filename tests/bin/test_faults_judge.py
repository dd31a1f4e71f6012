"""The campaign's judge: it sees what is wrong, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from parts.faults import judge
from parts.faults.judge import Seen
from parts.faults.lives import with_power_cuts
from tests.bin.seen import T0, answered, deployed, event, kinds, replaced, running, share


def test_what_ran_when_the_power_was_cut_ended_though_no_engine_tells_it() -> None:
    told = [event(1, "start", 1), event(2, "die", 1), event(3, "start", 2), event(9, "start", 1), event(12, "die", 2)]
    found = with_power_cuts(told, {"web-1": [T0 + 5], "web-2": [T0 + 10]})
    assert [(each.at - T0, each.action, each.target) for each in found] == [
        (1, "start", 1),
        (2, "die", 1),
        (3, "start", 2),
        (5, "die", 2),
        (9, "start", 1),
        (12, "die", 2),
    ]


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place, stop-first."""
    return replaced()


def test_nothing_is_found_where_all_is_well(good: Seen) -> None:
    assert judge.judge(good) == []


def test_a_click_that_is_not_on_record_is_lost(good: Seen) -> None:
    good.clicks.append(3)
    assert kinds(good) == ["lost"]


def test_a_deployment_that_goes_on_is_unended(good: Seen) -> None:
    good.deployments[1] = deployed(2, "running", 10, 0)
    assert "unended" in kinds(good)


def test_a_success_of_which_no_engine_knows_is_lost(good: Seen) -> None:
    good.shares.append(share(3, "succeeded", 20, 21, server="web-2"))
    assert "lost" in kinds(good)


def test_an_engine_that_was_killed_may_not_have_told_of_a_create(good: Seen) -> None:
    good.events.pop(2)
    assert judge.judge(good) == []


def test_two_containers_in_one_attempt_are_a_duplicate(good: Seen) -> None:
    good.events.insert(4, event(11.5, "create", 2, name="other"))
    good.events.append(event(13.5, "destroy", 2, name="other"))
    assert kinds(good) == ["duplicated"]


def test_two_that_run_at_once_are_a_duplicate(good: Seen) -> None:
    good.events[:] = [each for each in good.events if each.action not in ("die", "destroy")]
    assert "duplicated" in kinds(good)


def test_one_left_behind_is_a_duplicate(good: Seen) -> None:
    good.final["web-1"].append(running(1, "exited"))
    assert kinds(good) == ["duplicated"]


def test_nothing_running_at_the_end(good: Seen) -> None:
    good.final["web-1"][0]["State"] = "exited"
    assert "not_serving" in kinds(good)


@pytest.mark.parametrize(("status", "expected"), [("failed", ["not_serving"]), ("needs_attention", [])])
def test_a_failure_after_a_success_excuses_nothing(good: Seen, status: str, expected: list[str]) -> None:
    """Whatever it says of itself: where a version served, one has to serve. In doubt, people are told to look."""
    good.final["web-1"][0]["State"] = "exited"
    good.shares.append(share(3, status, 20, 21))
    assert kinds(good) == expected


def test_a_success_that_was_none(good: Seen) -> None:
    good.events[:] = [each for each in good.events if not (each.action == "start" and each.target == 2)]
    assert "wrong_verdict" in kinds(good)


def test_a_failure_whose_version_runs(good: Seen) -> None:
    good.shares[1] = share(2, "failed_restored", 10, 14)
    assert "wrong_verdict" in kinds(good)


def test_deploys_that_overlap_are_interleaved(good: Seen) -> None:
    good.deployments[1] = deployed(2, "succeeded", 3, 14)
    assert kinds(good) == ["interleaved"]


def test_a_late_create_that_stays_is_interleaved(good: Seen) -> None:
    good.events.append(event(20, "create", 1, name="late"))
    assert "interleaved" in kinds(good)


def test_a_late_create_that_is_swept_is_only_one_too_many(good: Seen) -> None:
    good.events += [event(20, "create", 1, name="late"), event(21, "destroy", 1, name="late")]
    good.shares[0] = share(1, "succeeded", 0, 4, attempts=2)
    assert judge.judge(good) == []


@pytest.mark.parametrize(
    "chunks",
    [
        [(1, 2, 1, [[1], [2]]), (4, 4, 1, [[4]])],
        [(1, 2, 1, [[1], [2]]), (2, 3, 1, [[2], [3]])],
        [(1, 2, 2, [[1], [2]]), (3, 4, 1, [[3], [4]])],
        [(1, 3, 1, [[1], [2], [3]])],
    ],
    ids=["a gap", "a repeat", "a lower fence", "too short"],
)
def test_a_log_with_a_gap_or_a_repeat(good: Seen, chunks: list[Any]) -> None:
    good.shares[0] = share(1, "succeeded", 0, 4, last_line=4)
    good.chunks = {1: chunks}
    assert "log" in kinds(good)


def test_a_version_that_was_said_to_be_restored_and_was_not(good: Seen) -> None:
    good.events[:] = [event(1, "create", 1), event(2, "start", 1), event(11, "create", 2), event(13, "destroy", 2)]
    good.final = {"web-1": [running(1)]}
    good.shares[1] = share(2, "failed_restored", 10, 14, outcome={"serving_release": 1})
    good.asked = {"web-1": [answered(3)]}
    assert judge.judge(good) == []
    good.shares[1] = share(2, "failed_restored", 10, 14, outcome={"serving_release": 7})
    assert kinds(good) == ["wrong_verdict"]
    good.shares[1] = share(2, "failed_restored", 10, 14, outcome={})
    assert kinds(good) == ["wrong_verdict"]


@pytest.mark.parametrize("status", ["failed_untouched", "cancelled_restored", "cancelled"])
def test_what_was_said_to_serve_untouched_has_to_run(good: Seen, status: str) -> None:
    good.events[:] = [event(1, "create", 1), event(2, "start", 1), event(13, "die", 1), event(15, "start", 1)]
    good.final = {"web-1": [running(1)]}
    good.shares[1] = share(2, status, 10, 14, outcome={"serving_release": 1})
    good.asked = {"web-1": [answered(3)]}
    assert kinds(good) == ["wrong_verdict"]
    good.broken = (("web-2", T0 + 12.9, T0 + 15),)  # somewhere else
    assert kinds(good) == ["wrong_verdict"]
    good.broken = (("web-1", T0 + 12.9, T0 + 15),)  # the fault had stopped it just then
    assert judge.judge(good) == []
