"""Taking over: everything gets our fence, a stale worker's calls meet nothing, a newer holder is respected."""

import pytest

from tests.worker.engine.stage import SHOP, Stage
from worker.connections.fake import FakeHost
from worker.engine.errors import LeaseLost, NotFound
from worker.engine.events import Event, Line
from worker.engine.inventory import Inventory
from worker.engine.spec import Identity
from worker.engine.takeover import discard, sweep, take_over


def identity(fence: int, target: int = 2) -> Identity:
    """Target 2's next attempt."""
    return Identity("test", 7, "shop-production", 2, 102, target, fence, incumbent_target=1)


def create(host: FakeHost, name: str, target: int) -> None:
    """A container of ours, as another worker would make it."""
    reference = f"{SHOP}@{host.server.images.published[f'{SHOP}:1'].digest}"
    labels = {
        "estiva.installation": "test",
        "estiva.placement": "7",
        "estiva.release": str(target),
        "estiva.target": str(target),
    }
    host.create(name, {"Image": reference, "Labels": labels})


@pytest.fixture
def host() -> FakeHost:
    return FakeHost(Stage().serving_first().server)


def taken_over(host: FakeHost, wanted: Identity, into: list[Event] | None = None) -> Inventory:
    """Take over; what was said goes into `into`."""
    said = take_over(host, wanted)
    while True:
        try:
            event = next(said)
        except StopIteration as end:
            inventory: Inventory = end.value
            return inventory
        if into is not None:
            into.append(event)


def names(host: FakeHost) -> list[str]:
    """All names on the server."""
    return sorted(each.name for each in host.server.containers.values())


def test_everything_gets_our_fence(host: FakeHost) -> None:
    create(host, "shop-production-r2.f3", 2)
    inventory = taken_over(host, identity(9))
    assert names(host) == ["shop-production-r1.f9", "shop-production-r2.f9"]
    assert inventory.mine is not None
    assert inventory.mine.name == "shop-production-r2.f9"
    with pytest.raises(NotFound):
        host.stop("shop-production-r1.f1", timeout=1)


def test_it_is_done_once(host: FakeHost) -> None:
    taken_over(host, identity(9))
    before = len(host.changing_calls())
    taken_over(host, identity(9))
    assert len(host.changing_calls()) == before


def test_two_of_the_same_release_get_different_names(host: FakeHost) -> None:
    create(host, "shop-production-r1.f4", 1)
    taken_over(host, identity(9))
    assert names(host) == ["shop-production-r1.f9", "shop-production-r1.f9-2"]


def test_one_that_somebody_renamed_by_hand_is_taken_back(host: FakeHost) -> None:
    host.rename("shop-production-r1.f1", "mine-now")
    taken_over(host, identity(9))
    assert names(host) == ["shop-production-r1.f9"]


def test_a_name_held_by_a_stranger_is_avoided(host: FakeHost) -> None:
    host.create("shop-production-r1.f9", {"Image": host.server.find("shop-production-r1.f1").body["Image"]})
    stranger = host.server.find("shop-production-r1.f9")
    said: list[Event] = []
    taken_over(host, identity(9), said)
    assert names(host) == ["shop-production-r1.f9", "shop-production-r1.f9-2"]
    assert host.server.find("shop-production-r1.f9") is stranger
    (line,) = said
    assert isinstance(line, Line)
    assert line.level == "warn"
    assert f"shop-production-r1.f9 is taken by a container that is not Estiva's ({stranger.id[:12]}," in line.text
    assert "ours gets another name" in line.text


def test_a_rename_that_another_worker_did_first_is_seen_in_the_next_round(host: FakeHost) -> None:
    host.on_call("rename", 1, "before", lambda: host.server.rename("shop-production-r1.f1", "shop-production-r1.f8"))
    taken_over(host, identity(9))
    assert names(host) == ["shop-production-r1.f9"]


def test_a_higher_fence_ends_it_without_a_touch(host: FakeHost) -> None:
    create(host, "shop-production-r3.f10", 3)
    with pytest.raises(LeaseLost):
        taken_over(host, identity(9))
    assert "shop-production-r1.f1" in names(host)


def test_a_sweep_removes_what_a_stale_worker_created(host: FakeHost) -> None:
    taken_over(host, identity(9))
    create(host, "shop-production-r2.f9", 2)
    create(host, "shop-production-r2.f8", 2)
    assert sweep(host, identity(9), "shop-production-r2.f9") == ["shop-production-r2.f8"]
    assert names(host) == ["shop-production-r1.f9", "shop-production-r2.f9"]


def test_a_stale_worker_takes_its_own_creation_with_it(host: FakeHost) -> None:
    taken_over(host, identity(10, target=3))
    create(host, "shop-production-r2.f9", 2)
    with pytest.raises(LeaseLost):
        sweep(host, identity(9), "shop-production-r2.f9")
    assert names(host) == ["shop-production-r1.f10"]


def test_removing_what_is_gone_is_no_error(host: FakeHost) -> None:
    assert not discard(host, "nobody")
