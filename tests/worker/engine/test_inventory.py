"""Who is who among the containers on a server."""

import pytest

from tests.worker.engine.things import container
from worker.engine.inventory import Inventory, Owned, sort_out
from worker.engine.names import FENCE_UNKNOWN, fence_of, fenced
from worker.engine.spec import Identity

ME = Identity("test", 7, "shop-production", 3, 103, target=3, fence=5, incumbent_target=1)


def owned(
    target: int, *, running: bool = True, policy: str = "unless-stopped", wanted: str = "unless-stopped"
) -> Owned:
    """A container that a Target made; its Release has the same number."""
    labels = dict(container().labels) | {
        "estiva.target": str(target),
        "estiva.release": str(target),
        "estiva.restart": wanted,
    }
    status = "running" if running else "exited"
    name = f"shop-production-r{target}.f{target}"
    return Owned(
        container(name, id=f"id{target}", labels=labels, running=running, status=status, restart_policy=policy)
    )


def incumbent(*found: Owned, identity: Identity = ME) -> int | None:
    """The Target that made the one taken for the incumbent."""
    chosen = sort_out(found, identity).incumbent
    return chosen.target if chosen else None


def test_nothing_there() -> None:
    assert sort_out([], ME) == Inventory(None, None, ())


def test_the_recorded_one_goes_before_another_running_one() -> None:
    assert incumbent(owned(2), owned(1)) == 1


def test_a_proven_one_that_runs_goes_before_the_recorded_one_that_does_not() -> None:
    assert incumbent(owned(1, running=False, policy="no"), owned(2)) == 2


def test_the_recorded_one_goes_before_an_unproven_one_that_runs() -> None:
    assert incumbent(owned(1, running=False, policy="always"), owned(2, policy="no")) == 1


def test_without_a_record_the_stopped_one_under_always_goes_before_an_unproven_one() -> None:
    unrecorded = Identity("test", 7, "shop-production", 3, 103, target=3, fence=5)
    assert incumbent(owned(1, running=False, policy="always"), owned(2, policy="no"), identity=unrecorded) == 1


def test_ours_is_ours_whatever_its_state() -> None:
    found = sort_out([owned(3, running=False), owned(1)], ME)
    assert found.mine is not None
    assert found.mine.target == 3
    assert found.leftovers == ()


def test_one_that_was_chosen_before_stays_chosen() -> None:
    found = sort_out([owned(1), owned(2)], ME, incumbent_id="id2")
    assert found.incumbent is not None
    assert found.incumbent.target == 2


@pytest.mark.parametrize(
    ("old", "others", "expected"),
    [
        (owned(1), (), False),
        (owned(1, running=False), (), False),  # crashed, or stopped by hand
        (owned(1, running=False, policy="always"), (), True),
        (owned(1, running=False, policy="no"), (owned(3),), True),
        (owned(1, running=False, policy="always", wanted="always"), (), False),
        (owned(1, running=False, policy="always", wanted="always"), (owned(3, running=False),), True),
        (owned(1, running=False, policy="no", wanted="no"), (), False),
    ],
)
def test_was_it_stopped_by_a_deploy(old: Owned, others: tuple[Owned, ...], expected: bool) -> None:
    assert sort_out([old, *others], ME).stopped_by_deploy is expected


def test_a_policy_that_somebody_changed_by_hand_asks_for_no_care() -> None:
    assert not sort_out([owned(1, policy="on-failure")], ME).needs_care
    assert sort_out([owned(1, policy="always")], ME).needs_care
    assert sort_out([owned(1), owned(3, running=False)], ME).needs_care


def test_there_is_no_way_back_once_ours_is_proven_and_alone() -> None:
    assert sort_out([owned(3)], ME).past_return(ME)
    assert not sort_out([owned(3, policy="no")], ME).past_return(ME)
    assert not sort_out([owned(3), owned(1)], ME).past_return(ME)
    assert sort_out([owned(3, policy="no", wanted="no")], ME).past_return(ME)


def test_the_wanted_policy_is_read_back_with_its_retries() -> None:
    assert owned(1, wanted="on-failure:4", policy="always").wanted_policy == ("on-failure", 4)
    assert Owned(container(labels={}, restart_policy="always")).wanted_policy == ("always", 0)


@pytest.mark.parametrize(
    ("name", "fence"),
    [
        ("shop-production-r12.f7", 7),
        ("shop-production-r12.f7-2", 7),
        ("a-r1.f3-r2.f10", 10),
        ("shop", FENCE_UNKNOWN),
        ("shop-production-r12.f7-x", FENCE_UNKNOWN),
    ],
)
def test_the_fence_in_a_name(name: str, fence: int) -> None:
    assert fence_of(name) == fence


def test_a_taken_name_gets_a_number() -> None:
    assert fenced("shop", 1, 2, ()) == "shop-r1.f2"
    assert fenced("shop", 1, 2, {"shop-r1.f2", "shop-r1.f2-2"}) == "shop-r1.f2-3"
