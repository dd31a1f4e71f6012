"""Whether what serves is what was asked for, by the page's own word and by the image that runs."""

from __future__ import annotations

import pytest

from parts.faults import judge
from parts.faults.evidence import Brought
from parts.faults.images import Pushed
from parts.faults.judge import Seen
from parts.faults.sight import STOP_FIRST, Application
from tests.bin.seen import T0, answered, kinds, replaced, share


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place until 14, and who clicked knows both."""
    seen = replaced()
    seen.brought = {1: Brought("1", "old"), 2: Brought("2", "i")}
    seen.asked["web-1"].extend([answered(20, "2"), answered(30, "2")])
    return seen


def test_what_was_asked_for_serves(good: Seen) -> None:
    assert judge.judge(good) == []


def test_the_old_version_after_a_success_is_found(good: Seen) -> None:
    good.asked["web-1"].extend([answered(31, "1"), answered(32, "1")])
    (found,) = judge.judge(good)
    assert (found.kind, "2 answers were of another version than 2" in found.text) == ("wrong_verdict", True)


def test_the_new_version_before_it_was_asked_for_is_found(good: Seen) -> None:
    good.asked["web-1"].insert(2, answered(6, "2"))
    assert kinds(good) == ["wrong_verdict"]


def test_while_a_deploy_goes_on_either_may_answer(good: Seen) -> None:
    good.asked["web-1"].extend([answered(13.5, "1"), answered(13.6, "2")])
    good.asked["web-1"].sort(key=lambda each: each.at)
    assert judge.judge(good) == []


def test_after_one_that_was_put_back_the_earlier_version_serves(good: Seen) -> None:
    good.shares.append(share(3, "failed_restored", 40, 41, outcome={"serving_release": 2}))
    good.brought = {**good.brought, 3: Brought("3")}
    good.asked["web-1"].append(answered(42, "2"))
    assert judge.judge(good) == []
    good.asked["web-1"].append(answered(43, "3"))
    assert kinds(good) == ["wrong_verdict"]


def test_where_it_ended_in_doubt_nobody_knows(good: Seen) -> None:
    good.shares.append(share(3, "needs_attention", 40, 41))
    good.asked["web-1"].append(answered(42, "3"))
    assert judge.judge(good) == []


def test_another_image_than_the_last_one_is_found_though_it_was_asked_for_once(good: Seen) -> None:
    good.images = frozenset({"old", "i"})
    good.final["web-1"][0]["ImageID"] = "old"
    assert kinds(good) == ["wrong_verdict"]


def test_the_image_on_record_counts_where_an_engine_made_it(good: Seen) -> None:
    good.brought = {1: Brought("1"), 2: Brought("2")}
    good.shares[1] = share(2, "succeeded", 10, 14, image_id="i")
    assert judge.judge(good) == []
    good.shares[1] = share(2, "succeeded", 10, 14, image_id="another")
    assert kinds(good) == ["wrong_verdict"]


def test_an_image_that_nobody_ever_asked_for_is_found(good: Seen) -> None:
    good.brought, good.images = {}, frozenset({"i"})
    assert judge.judge(good) == []
    good.images = frozenset({"old"})
    assert kinds(good) == ["wrong_verdict"]


def test_a_click_brings_what_is_set_then() -> None:
    app = Application("shop", [], STOP_FIRST, 80, {}, 1, T0)
    app.clicked(1)
    app.brings = Brought(Pushed("10.0.0.1:5000/team/page:7", "d", "i").tag, "i")
    app.clicked(2)
    assert (app.clicks, app.brought) == ([1, 2], {2: Brought("7", "i")})
