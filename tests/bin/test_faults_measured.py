"""A gap on record, held from above against what the prober saw."""

from __future__ import annotations

import pytest

from parts.faults import judge
from parts.faults.judge import Seen
from tests.bin.seen import answered, event, kinds, refused, replaced, share

BOTH = (("1", range(90, 121)), ("2", range(125, 220)))


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place, asked all the while; nobody answers from 12.0 to 12.5."""
    seen = replaced()
    before, after = ([answered(at / 10, version) for at in times] for version, times in BOTH)
    seen.asked = {"web-1": [*before, refused(12.1), refused(12.3), *after]}
    seen.calm = True
    return seen


def measured(seen: Seen, gap: float, **more: int) -> Seen:
    """So much is on record."""
    seen.shares[1] = share(2, "succeeded", 10, 14, gap=gap, **more)
    return seen


def test_a_gap_as_long_as_the_silence_is_well(good: Seen) -> None:
    assert judge.judge(measured(good, 1.4)) == []
    assert round(judge.beyond_silence(good), 2) == 0.9


def test_a_gap_much_longer_than_the_silence_is_found(good: Seen) -> None:
    assert kinds(measured(good, 1.8)) == ["outage"]
    assert round(judge.beyond_silence(good), 2) == 1.3


def test_a_gap_where_nobody_was_silent_is_found(good: Seen) -> None:
    good.asked = {"web-1": [each for each in good.asked["web-1"] if each.ok]}
    assert kinds(measured(good, 1.1)) == ["outage"]


def test_a_busy_machine_has_more_time(good: Seen) -> None:
    good.stretch = 2.0
    assert judge.judge(measured(good, 1.8)) == []


def test_where_it_was_kept_from_looking_it_is_a_figure_alone(good: Seen) -> None:
    good.calm = False
    assert judge.judge(measured(good, 9)) == []
    assert judge.beyond_silence(good) > 8


def test_a_second_attempt_measures_up_to_its_own_look(good: Seen) -> None:
    assert judge.judge(measured(good, 9, attempts=2)) == []


def test_a_bad_version_that_answers_is_no_service(good: Seen) -> None:
    good.shares[1] = share(2, "failed_restored", 10, 14, gap=9, outcome={"serving_release": 1})
    assert judge.beyond_silence(good) == 0


def test_who_was_not_asked_all_the_while_proves_nothing(good: Seen) -> None:
    good.asked = {"web-1": [each for each in good.asked["web-1"] if each.at > 1011]}
    assert judge.judge(measured(good, 9)) == []


def test_what_was_told_to_end_may_serve_until_it_does(good: Seen) -> None:
    good.events.insert(3, event(10.5, "kill", 1))
    assert judge.judge(measured(good, 2.9)) == []
    assert kinds(measured(good, 3.1)) == ["outage"]
