"""A storm: drawn before it begins, alike for the same seed, with all that has to be in it; and what is said of its ends."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import pytest

from parts.faults import memory, storm_ends, storm_plan
from parts.faults.record import Deployed, Share
from parts.faults.storm_plan import Plan


def drawn(seed: str = "7 storm", *, servers: int = 4, deploys: int = 150, whole: bool = True) -> Plan:
    """A plan from dice of its own."""
    return storm_plan.draw(random.Random(seed), servers=servers, deploys=deploys, whole=whole)


def test_the_same_seed_draws_the_same_storm() -> None:
    one, again, other = drawn(), drawn(), drawn("8 storm")
    assert one == again
    assert one != other
    falling, as_before = (
        list(islice(storm_plan.blows(each.blows, postgres=True, whole=True), 60)) for each in (one, again)
    )
    assert falling == as_before
    assert falling != list(islice(storm_plan.blows(other.blows, postgres=True, whole=True), 60))


@pytest.mark.parametrize(("servers", "deploys"), [(1, 20), (2, 20), (3, 12), (4, 150), (4, 37), (12, 1000)])
@pytest.mark.parametrize("seed", range(20))
def test_every_plan_is_of_what_was_asked_for(servers: int, deploys: int, seed: int) -> None:
    plan = drawn(str(seed), servers=servers, deploys=deploys)
    assert sum(len(each.versions) for each in plan.apps) == deploys
    assert len({each.name for each in plan.apps}) == len(plan.apps)
    assert {number for each in plan.apps for number in each.servers} <= set(range(servers))
    for each in plan.apps:
        assert each.versions, "nobody clicks it"
        assert len(set(each.servers)) == len(each.servers)
        assert (len(each.servers) > 1) >= (each.kind in storm_plan.SEVERAL)
        assert all(one != other for one, other in zip((1, *each.versions), each.versions, strict=False))
        if each.kind in storm_plan.BUILT:
            assert each.servers == (storm_plan.BUILDER,)
            assert not each.start_first


@pytest.mark.parametrize("servers", [4, 12])
@pytest.mark.parametrize("seed", range(20))
def test_the_whole_has_every_kind_of_application_and_uses_every_server(seed: int, servers: int) -> None:
    plan = drawn(str(seed), servers=servers)
    assert plan.without() == []
    assert {number for each in plan.apps for number in each.servers} == set(range(servers))


def test_what_a_storm_on_few_servers_cannot_have_is_named() -> None:
    assert drawn(servers=2).without() == ["git", "compose"]
    assert drawn(servers=1).without() == ["batches", "canary", "git", "compose"]


@pytest.mark.parametrize("seed", range(20))
def test_the_whole_begins_with_every_kind_of_blow(seed: int) -> None:
    count = len(storm_plan.BLOWS)
    first = list(islice(storm_plan.blows(seed, postgres=True, whole=True), count + 30))
    assert {each.kind for each in first if each.due} == set(storm_plan.BLOWS)
    assert [each.due for each in first] == [True] * count + [False] * 30
    assert [each.seconds for each in first[:count] if each.kind == storm_plan.BROKER_FROZEN] == [60]
    assert all(0 <= each.victim < 1 and each.after > 0 for each in first)


def test_sqlite_has_no_server_to_crash_and_a_hurried_storm_owes_nothing() -> None:
    several = list(islice(storm_plan.blows(1, postgres=False, whole=True), 200))
    assert storm_plan.DATABASE not in {each.kind for each in several}
    assert sum(each.due for each in several) == len(storm_plan.BLOWS) - 1
    assert not any(each.due for each in islice(storm_plan.blows(1, postgres=True, whole=False), 50))


def test_the_order_of_the_blows_is_drawn() -> None:
    orders = {
        tuple(each.kind for each in islice(storm_plan.blows(seed, postgres=True, whole=True), 12)) for seed in range(5)
    }
    assert len(orders) == 5


def share(number: int, status: str, *, server: str = "web-1", **more: Any) -> Share:
    """A Target's, one after another."""
    given: dict[str, Any] = {
        "id": number,
        "deployment": number,
        "placement": 1,
        "application": "shop",
        "role": "deploy",
        "release": number,
        "image_id": "",
        "fence": number,
        "attempts": 1,
        "leases_lost": 0,
        "connections_lost": 0,
        "stalled_reason": "",
        "gap": None,
        "last_line": 0,
        "started": 1.0,
        "ended": 2.0,
        "outcome": {},
    }
    return Share(status=status, server=server, **{**given, **more})


@pytest.mark.parametrize(
    "several",
    [
        [share(1, "succeeded"), share(2, "failed_untouched"), share(3, "failed_restored"), share(4, "skipped")],
        [share(1, "succeeded"), share(2, "needs_attention", leases_lost=3)],
        [share(1, "succeeded"), share(2, "needs_attention", connections_lost=8)],
        [share(1, "succeeded"), share(2, "needs_attention", leases_lost=3), share(3, "failed")],
        [share(1, "needs_attention", leases_lost=3), share(2, "failed_untouched"), share(3, "failed")],
    ],
)
def test_ends_that_a_storm_explains(several: list[Share]) -> None:
    assert list(storm_ends.unexplained(several)) == []


@pytest.mark.parametrize(
    ("several", "said"),
    [
        ([share(1, "succeeded"), share(2, "needs_attention", leases_lost=2)], "needs attention though"),
        ([share(1, "succeeded"), share(2, "failed")], "nothing serves where something did"),
        ([share(1, "needs_attention", leases_lost=3), share(2, "succeeded"), share(3, "failed")], "nothing serves"),
        ([share(1, "needs_attention", leases_lost=3), share(2, "failed", server="web-2")], "nothing serves"),
        ([share(1, "cancelled")], "nobody cancelled"),
        ([share(1, "failed_untouched", outcome={"what": f"{storm_ends.UNFORESEEN}, through"})], "nobody foresaw"),
    ],
)
def test_ends_that_nothing_explains(several: list[Share], said: str) -> None:
    (found,) = storm_ends.unexplained(several)
    assert said in found


def deployed(number: int, plan: int | None, restores: int | None = None) -> Deployed:
    """One on record."""
    return Deployed(number, 1, "shop", "succeeded", number, 1.0, 1.0, 2.0, plan, restores)


def test_deployments_that_somebody_asked_for() -> None:
    """Two answered, one whose answer was lost, one that takes back another; a lost one that never counted."""
    several = [deployed(1, 11), deployed(2, 12), deployed(3, 13), deployed(4, None, restores=2)]
    assert list(storm_ends.surplus(several, {1, 2}, {13, 14})) == []


def test_deployments_that_nobody_asked_for_though_as_many_answers_were_lost() -> None:
    (twice,) = storm_ends.surplus([deployed(1, 11), deployed(2, 12), deployed(3, 12)], {1}, {12, 13})
    assert "plan 12 was deployed 2 times" in twice
    (answered, again) = storm_ends.surplus([deployed(1, 11), deployed(2, 11)], {1}, {12})
    assert "plan 11 was deployed 2 times" in answered
    assert "#2 is on record, of plan 11" in again
    (unasked,) = storm_ends.surplus([deployed(1, 11), deployed(2, 15)], {1}, {12})
    assert "#2 is on record, of plan 15" in unasked
    (of_none,) = storm_ends.surplus([deployed(1, None)], set(), {12})
    assert "#1 is on record, of plan None" in of_none


def test_what_kills_its_workers_is_drawn_alike_and_takes_every_way_out() -> None:
    one, again = (memory.draw(random.Random("3 out-of-memory"), 6) for _ in range(2))
    assert one == again
    assert [each.deaths for each in sorted(one, key=lambda each: each.deaths)] == [2, 2, 3, 3, 3, 3]
    assert {"resume", "restore"} <= {each.way for each in one if not each.serves}
    assert "as_is" in {each.way for each in one}
    assert sum(each.serves and bool(each.way) for each in one) == 2
    assert {bool(each.way) for each in memory.draw(random.Random("3"), 2)} == {True, False}
