"""Requests that nobody answered: what an announced gap explains, and what nothing does."""

from __future__ import annotations

import pytest

from parts.faults import judge
from parts.faults.judge import Seen
from parts.faults.probing import Asked, between, holes
from tests.bin.seen import T0, answered, event, kinds, refused, replaced, share


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place, stop-first; for half a second nothing serves."""
    return replaced()


@pytest.fixture
def beside(good: Seen) -> Seen:
    """Start-first: the old one is told to end while the new one runs, and one request fails at that moment."""
    good.start_first = True
    good.events[3:] = [event(11.5, "start", 2), event(12.05, "kill", 1), event(12.2, "die", 1), event(13, "destroy", 1)]
    good.shares[1] = share(2, "succeeded", 10, 14, gap=0.0, attempts=2)
    return good


def test_no_answer_without_a_deploy_is_an_outage(good: Seen) -> None:
    good.asked["web-1"].extend([answered(29.9, "2"), refused(30), answered(31, "2")])
    assert kinds(good) == ["outage"]


def test_a_gap_longer_than_measured_is_an_outage(good: Seen) -> None:
    good.asked["web-1"][-1:] = [refused(13.4), answered(13.5, "2")]
    assert kinds(good) == ["outage"]
    assert round(judge.beyond_measure(good), 2) == 0.8


def test_a_gap_as_long_as_measured_is_announced(good: Seen) -> None:
    good.asked["web-1"][-1:] = [refused(12.55), answered(12.6, "2")]
    assert (judge.judge(good), judge.beyond_measure(good)) == ([], 0.0)


def test_requests_that_hang_have_no_answer_all_the_while(good: Seen) -> None:
    hangs = Asked("shop", T0 + 12.15, T0 + 15.15, "", "", "no answer within 3 s")
    good.asked["web-1"][-1:] = [hangs, answered(15.2, "2")]
    assert kinds(good) == ["outage"]


def test_a_prober_that_is_late_itself_proves_no_longer_gap(good: Seen) -> None:
    good.asked["web-1"][-1] = answered(14, "2")
    assert judge.judge(good) == []


def test_one_deploys_gap_excuses_no_other(good: Seen) -> None:
    good.shares.append(share(3, "failed_untouched", 14.2, 19, gap=0.0, outcome={"serving_release": 2}))
    good.asked["web-1"].extend([answered(14.25, "2"), refused(14.3), refused(15.2), answered(15.3, "2")])
    assert kinds(good) == ["outage"]


def test_any_gap_of_a_start_first_deploy_is_an_outage(good: Seen) -> None:
    good.start_first = True
    assert kinds(good) == ["outage"]


def test_a_request_that_the_old_one_of_a_lost_worker_broke_off_is_counted_beside(beside: Seen) -> None:
    assert (judge.judge(beside), judge.broken_off(beside)) == ([], 1)


def test_a_deploy_that_nobody_interrupted_breaks_off_nothing(beside: Seen) -> None:
    beside.shares[1] = share(2, "succeeded", 10, 14, gap=0.0)
    assert (kinds(beside), judge.broken_off(beside)) == (["outage"], 0)


def test_a_request_that_is_broken_off_with_no_other_running_is_an_outage(beside: Seen) -> None:
    beside.events[3] = event(12.3, "start", 2)
    assert (kinds(beside), judge.broken_off(beside)) == (["outage"], 0)


def test_a_request_that_a_new_one_broke_off_is_an_outage(beside: Seen) -> None:
    """It was never to be asked."""
    beside.events[4] = event(12.05, "kill", 2)
    assert (kinds(beside), judge.broken_off(beside)) == (["outage"], 0)


def test_more_than_two_requests_are_an_outage(beside: Seen) -> None:
    beside.asked["web-1"][-1:-1] = [refused(12.12), refused(12.14)]
    assert kinds(beside) == ["outage"]


def test_what_the_fault_itself_kept_from_answering_is_no_outage(good: Seen) -> None:
    good.start_first = True
    good.broken = (("web-1", T0 + 11.9, T0 + 12.1),)
    assert judge.judge(good) == []


def test_what_was_broken_on_one_server_excuses_nothing_on_another(good: Seen) -> None:
    good.start_first = True
    good.broken = (("web-2", T0 + 11.9, T0 + 12.1),)
    assert kinds(good) == ["outage"]


def test_silence_after_the_fault_is_an_outage(good: Seen) -> None:
    """It excuses its own time and not all of a hole that touches it."""
    good.asked["web-1"].extend([refused(30), refused(31), refused(33), answered(33.1, "2")])
    good.broken = (("web-1", T0 + 29.9, T0 + 31),)
    assert kinds(good) == ["outage"]
    good.broken = (("web-1", T0 + 29.9, T0 + 33),)
    assert judge.judge(good) == []


def test_silence_before_the_fault_is_an_outage(good: Seen) -> None:
    good.asked["web-1"].extend([answered(27.9, "2"), refused(28), refused(29), refused(30), answered(31.1, "2")])
    good.broken = (("web-1", T0 + 30, T0 + 31),)
    assert kinds(good) == ["outage"]


def test_what_was_asked_just_before_a_fault_and_hung_says_nothing(good: Seen) -> None:
    hangs = Asked("shop", T0 + 28.9, T0 + 31.9, "", "", "no answer within 3 s")
    good.asked["web-1"].extend([answered(28.8, "2"), hangs, answered(31.2, "2")])
    good.broken = (("web-1", T0 + 30, T0 + 31),)
    assert judge.judge(good) == []


def test_who_never_answered_is_not_taken_to_answer_after_a_fault() -> None:
    asked = [refused(1), refused(4)]
    assert between(asked, [(T0 + 2, T0 + 3)]) == [[asked[0]], [asked[1]]]


def test_a_hole_lasts_from_the_last_answer_to_the_next(good: Seen) -> None:
    (hole,) = holes(good.asked["web-1"])
    assert (round(hole.seconds, 2), hole.failures, hole.first) == (0.49, 1, "refused")


def test_a_request_that_waited_through_a_hole_does_not_turn_it_round() -> None:
    waited = Asked("shop", T0, T0 + 1.2, "1", "x", "")
    asked = [waited, refused(0.1), Asked("shop", T0 + 0.3, T0 + 0.31, "2", "y", "")]
    (hole,) = holes(asked)
    assert (round(hole.begin - T0, 2), round(hole.end - T0, 2)) == (0.1, 0.31)
