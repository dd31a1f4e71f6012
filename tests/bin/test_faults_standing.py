"""Old or new, always: a version that served goes only after another was proven, and something of it is always there."""

from __future__ import annotations

import pytest

from parts.faults import judge
from parts.faults.events import SERVICE
from parts.faults.judge import Seen
from tests.bin.seen import answered, event, kinds, proof, replaced, running, share


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place, stop-first, asked once."""
    seen = replaced()
    seen.asked = {"web-1": [answered(3)]}
    return seen


def only(seen: Seen, *wanted: str) -> None:
    """Just these of what `standing` finds."""
    assert [kind for kind in kinds(seen) if kind in ("absent", "too_early")] == list(wanted)


def test_the_old_one_goes_after_the_new_one_was_proven(good: Seen) -> None:
    assert judge.judge(good) == []


def test_a_moment_without_any_container(good: Seen) -> None:
    good.events[2:] = [
        event(11, "die", 1),
        event(11.1, "destroy", 1),
        event(11.2, "create", 2),
        event(12.3, "start", 2),
    ]
    only(good, "absent", "too_early")


def test_nothing_left_at_the_end(good: Seen) -> None:
    good.events += [event(20, "die", 2), event(20.1, "destroy", 2)]
    only(good, "absent", "too_early")


def test_before_the_first_success_nothing_has_to_be_there(good: Seen) -> None:
    good.events[:0] = [event(0.1, "create", 9), event(0.2, "destroy", 9)]
    only(good)


def test_the_old_one_removed_before_the_new_one_was_started(good: Seen) -> None:
    good.events[3:] = [event(12, "die", 1), event(12.1, "destroy", 1), event(12.3, "start", 2)]
    only(good, "too_early")
    assert "no other was started" in " ".join(each.text for each in judge.judge(good))


def test_the_old_one_removed_while_the_new_one_was_being_judged(good: Seen) -> None:
    good.stages = {1: [proof(2, 3)], 2: [proof(12.3, 13.5)]}
    only(good, "too_early")


def test_the_old_one_removed_though_the_new_one_was_found_bad(good: Seen) -> None:
    good.stages = {1: [proof(2, 3)], 2: [proof(12.3, 12.8, "bad")]}
    only(good, "too_early")


def test_stopped_is_not_removed(good: Seen) -> None:
    """Stop-first: until the new one is proven, the old one is there."""
    good.events[-1:] = [event(13.6, "destroy", 1)]
    good.stages = {1: [proof(2, 3)], 2: [proof(12.3, 13.5)]}
    only(good)


def test_the_last_words_of_a_worker_that_was_killed_may_be_lost(good: Seen) -> None:
    good.stages = {1: [proof(2, 3)], 2: [proof(12.3, 13.2, "broken_off"), proof(13.3, 13.8)]}
    only(good, "too_early")
    good.shares[1] = share(2, "succeeded", 10, 14, attempts=2)
    only(good)


def test_a_killed_worker_that_had_judged_nothing_removes_nothing(good: Seen) -> None:
    good.stages = {1: [proof(2, 3)], 2: [proof(13.3, 13.8)]}
    good.shares[1] = share(2, "succeeded", 10, 14, attempts=2)
    only(good, "too_early")


def test_what_a_killed_worker_was_judging_has_to_run(good: Seen) -> None:
    good.stages = {1: [proof(2, 3)], 2: [proof(12.3, 13.2, "broken_off"), proof(13.3, 13.8)]}
    good.shares[1] = share(2, "succeeded", 10, 14, attempts=2)
    good.events[-1:] = [event(12.9, "die", 2), event(13, "destroy", 1), event(13.1, "start", 2)]
    only(good, "too_early")


def test_a_proven_one_that_died_a_moment_later_was_proven(good: Seen) -> None:
    good.events[-1:] = [event(12.9, "die", 2), event(13, "destroy", 1), event(13.1, "start", 2)]
    only(good)


def test_an_old_one_that_lies_there_stopped_takes_nobodys_place(good: Seen) -> None:
    """Version 1 was left over; version 2 goes before version 3 is started."""
    later = [event(20, "create", 3), event(21, "die", 2), event(21.1, "destroy", 2), event(22, "start", 3)]
    good.events[-1:] = [*later, event(23, "destroy", 1)]
    good.shares.append(share(3, "succeeded", 19, 24))
    good.stages = {**good.stages, 3: [proof(22, 22.5)]}
    good.final = {"web-1": [running(3)]}
    only(good, "too_early")


def test_an_old_one_that_runs_takes_the_place_of_the_new_one(good: Seen) -> None:
    good.events[-1:] = [event(20, "start", 1), event(21, "die", 2), event(21.1, "destroy", 2)]
    only(good)


def test_a_bad_new_one_may_go_while_the_old_one_is_stopped(good: Seen) -> None:
    """A full disk: room has to be made before the old one can start. What never served is nobody's loss."""
    good.events[-1:] = [event(12.6, "die", 2), event(12.7, "destroy", 2), event(12.8, "start", 1)]
    good.shares[1] = share(2, "failed_restored", 10, 14, outcome={"serving_release": 1})
    good.final = {"web-1": [running(1)]}
    assert judge.judge(good) == []


def test_each_server_by_itself(good: Seen) -> None:
    good.events += [event(20, "die", 2), event(20.1, "destroy", 2)]
    good.events += [
        event(1, "create", 2, server="web-2", name="other"),
        event(2, "start", 2, server="web-2", name="other"),
    ]
    only(good, "absent", "too_early")


def test_compose_removes_before_it_starts(good: Seen) -> None:
    good.events[3:] = [event(12, "die", 1), event(12.1, "destroy", 1), event(12.3, "start", 2)]
    for each in good.events:
        each.labels[SERVICE] = "page"
    only(good)
    good.events[2:] = [
        event(11, "die", 1),
        event(11.1, "destroy", 1),
        event(11.2, "create", 2),
        event(12.3, "start", 2),
    ]
    only(good, "absent")
