"""Whether anybody asked: a prober that is dead, starved or absent proves nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parts.faults import judge
from parts.faults.judge import Seen
from parts.faults.probing import Asked, Asking, Prober
from parts.faults.sight import Sight
from parts.processes import free_port, kill_all, wait_until
from tests.bin.seen import T0, answered, kinds, refused, replaced, share


def asking(since: float, until: float, died: str = "") -> dict[str, list[Asking]]:
    """When a prober was there."""
    return {"web-1": [Asking(T0 + since, T0 + until, died)]}


@pytest.fixture
def good() -> Seen:
    """Version 1, then version 2 in its place from 10 to 14, asked ten times a second and all the while."""
    seen = replaced()
    before = [answered(at / 10) for at in range(90, 121)]
    after = [answered(at / 10, "2") for at in range(126, 220)]
    seen.asked = {"web-1": [*before, refused(12.1), refused(12.3), *after]}
    seen.asking = asking(9, 22)
    return seen


def test_who_asks_all_the_while_has_seen_enough(good: Seen) -> None:
    assert judge.judge(good) == []
    assert round(judge.longest_pause(good), 2) == 0.3


def test_a_server_that_nobody_ever_asked_is_found(good: Seen) -> None:
    good.asked = {"web-1": []}
    good.asking = {}
    assert kinds(good) == ["unasked"]
    good.asked = {}
    assert kinds(good) == ["unasked"]


def test_where_nothing_ever_served_nobody_has_to_ask(good: Seen) -> None:
    good.asked, good.asking, good.final, good.events = {}, {}, {}, []
    good.shares = [share(1, "failed_untouched", 0, 4), share(2, "failed_untouched", 10, 14)]
    assert judge.judge(good) == []


def test_a_prober_that_ended_by_itself_is_found(good: Seen) -> None:
    good.asking = asking(9, 22, "ended with code 1")
    assert kinds(good) == ["unasked"]


def without(seen: Seen, begin: float, end: float) -> None:
    """Nothing was asked in this time."""
    seen.asked = {"web-1": [each for each in seen.asked["web-1"] if not T0 + begin <= each.at < T0 + end]}


def test_a_long_pause_in_a_deploy_is_found_but_for_a_busy_machine(good: Seen) -> None:
    without(good, 12.65, 13.95)
    assert kinds(good) == ["unasked"]
    assert round(judge.longest_pause(good), 2) == 1.39
    good.stretch = 1.5
    assert judge.judge(good) == []


def test_a_pause_between_deploys_says_nothing(good: Seen) -> None:
    without(good, 14, 18)
    assert judge.judge(good) == []


def test_who_asks_no_more_before_the_deploy_is_over_is_found(good: Seen) -> None:
    without(good, 12.65, 30)
    assert kinds(good) == ["unasked"]


def test_one_that_hangs_is_a_request(good: Seen) -> None:
    without(good, 12.05, 14)
    hangs = [Asked("shop", T0 + at, T0 + at + 1.9, "", "", "no answer") for at in (12.05, 12.1)]
    good.asked = {"web-1": sorted([*good.asked["web-1"], *hangs], key=lambda each: each.at)}
    good.shares[1] = share(2, "succeeded", 10, 14, gap=2.0)
    assert judge.judge(good) == []


@pytest.fixture
def prober(tmp_path: Path) -> Any:
    """One that asks where nobody answers."""
    one = Prober(tmp_path, {"shop@web-1": ("127.0.0.1", free_port())})
    one.start()
    yield one
    one.stop()


def test_one_that_died_is_known_to_have(prober: Prober) -> None:
    assert prober.asking.died == ""
    child = prober._child
    assert child is not None
    kill_all([child.pid])
    wait_until(lambda: bool(prober.asking.died), "its end is noticed")
    prober.stop()
    assert prober.asking.died == "ended with code -9"


def test_one_that_was_stopped_has_not_died(prober: Prober) -> None:
    prober.stop()
    stopped = prober.asking
    prober.stop()
    assert (stopped.died, prober.asking) == ("", stopped)


def test_two_probers_of_one_page_write_into_files_of_their_own(prober: Prober, tmp_path: Path) -> None:
    assert Prober(tmp_path, {"shop@web-1": ("127.0.0.1", 1)}).path != prober.path


def test_an_application_that_nobody_asks_is_not_known_to_serve(tmp_path: Path) -> None:
    sight = Sight(tmp_path)
    application = cast("Any", SimpleNamespace(name="shop", servers=[SimpleNamespace(name="web-1")]))
    assert not sight.serves(application)
    assert sight.asking(application) == {"web-1": []}
