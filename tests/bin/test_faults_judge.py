"""The campaign's judge: it sees what is wrong, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from parts.faults import judge
from parts.faults.events import Event
from parts.faults.judge import Seen
from parts.faults.lives import with_power_cuts
from parts.faults.probing import Asked, holes
from parts.faults.record import Deployed, Share

PLACEMENT, T0 = 1, 1000.0


def event(
    at: float, action: str, target: int, *, release: int | None = None, server: str = "web-1", name: str = ""
) -> Event:
    """One of an engine's, `at` seconds after the beginning."""
    number = target if release is None else release
    labels = {"estiva.placement": "1", "estiva.target": str(target), "estiva.release": str(number)}
    return Event(T0 + at, server, action, name or f"c{target}", name or f"shop-r{number}.f{target}", labels)


def share(number: int, status: str, began: float, ended: float, **more: Any) -> Share:
    """A Target of Deployment and Release of the same number."""
    given: dict[str, Any] = {
        "id": number,
        "deployment": number,
        "placement": PLACEMENT,
        "application": "shop",
        "server": "web-1",
        "role": "deploy",
        "status": status,
        "release": number,
        "image_id": "",
        "fence": number,
        "attempts": 1,
        "leases_lost": 0,
        "connections_lost": 0,
        "stalled_reason": "",
        "gap": 0.5,
        "last_line": 0,
        "started": T0 + began,
        "ended": T0 + ended if ended else 0.0,
        "outcome": {},
    }
    return Share(**{**given, **more})


def deployed(number: int, status: str, began: float, ended: float) -> Deployed:
    """A Deployment."""
    return Deployed(number, PLACEMENT, "shop", status, number, T0 + began, T0 + began, T0 + ended if ended else 0.0)


def running(target: int, state: str = "running") -> dict[str, Any]:
    """A container as an engine lists it."""
    return {
        "Names": [f"/shop-r{target}.f{target}"],
        "State": state,
        "Labels": {"estiva.release": str(target)},
        "ImageID": "i",
    }


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
    first = [event(1, "create", 1), event(2, "start", 1)]
    swap = [event(11, "create", 2), event(12, "die", 1), event(12.3, "start", 2), event(13, "destroy", 1)]
    asked = [Asked("shop", T0 + at, T0 + at + 0.01, "1", "x", "") for at in (3, 5, 10, 11, 12)]
    asked += [Asked("shop", T0 + 12.1, T0 + 12.1, "", "", "refused"), Asked("shop", T0 + 12.5, T0 + 12.5, "2", "y", "")]
    return Seen(
        "shop",
        PLACEMENT,
        start_first=False,
        clicks=[1, 2],
        events=[*first, *swap],
        asked={"web-1": asked},
        final={"web-1": [running(2)]},
        deployments=[deployed(1, "succeeded", 0, 4), deployed(2, "succeeded", 10, 14)],
        shares=[share(1, "succeeded", 0, 4), share(2, "succeeded", 10, 14)],
    )


def kinds(seen: Seen) -> list[str]:
    """What the judge finds."""
    return sorted(each.kind for each in judge.judge(seen))


def test_nothing_is_found_where_all_is_well(good: Seen) -> None:
    assert judge.judge(good) == []


def test_a_click_that_is_not_on_record_is_lost(good: Seen) -> None:
    good.clicks.append(3)
    assert kinds(good) == ["lost"]


def test_a_deployment_that_goes_on_is_unended(good: Seen) -> None:
    good.deployments[1] = deployed(2, "running", 10, 0)
    assert "unended" in kinds(good)


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


def test_no_answer_without_a_deploy_is_an_outage(good: Seen) -> None:
    asked = good.asked["web-1"]
    asked += [Asked("shop", T0 + 30, T0 + 30, "", "", "refused"), Asked("shop", T0 + 31, T0 + 31, "2", "y", "")]
    assert kinds(good) == ["outage"]


def test_a_gap_longer_than_measured_is_an_outage(good: Seen) -> None:
    good.asked["web-1"][-1] = Asked("shop", T0 + 13.8, T0 + 15, "2", "y", "")
    assert kinds(good) == ["outage"]


def test_any_gap_of_a_start_first_deploy_is_an_outage(good: Seen) -> None:
    good.start_first = True
    assert kinds(good) == ["outage"]


def test_a_request_that_the_old_one_broke_off_is_counted_beside(good: Seen) -> None:
    good.start_first = True
    good.events.append(event(12.05, "kill", 1))
    assert (judge.judge(good), judge.broken_off(good)) == ([], 1)


def test_a_server_that_was_broken_itself_is_no_outage(good: Seen) -> None:
    good.start_first = True
    good.broken = ((T0 + 11, T0 + 13),)
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


def test_a_hole_lasts_from_the_last_answer_to_the_next(good: Seen) -> None:
    (hole,) = holes(good.asked["web-1"])
    assert (round(hole.seconds, 2), hole.failures, hole.first) == (0.49, 1, "refused")


def test_a_request_that_waited_through_a_hole_does_not_turn_it_round() -> None:
    waited = Asked("shop", T0, T0 + 1.2, "1", "x", "")
    asked = [
        waited,
        Asked("shop", T0 + 0.1, T0 + 0.1, "", "", "refused"),
        Asked("shop", T0 + 0.3, T0 + 0.31, "2", "y", ""),
    ]
    (hole,) = holes(asked)
    assert (round(hole.begin - T0, 2), round(hole.end - T0, 2)) == (0.1, 0.31)
