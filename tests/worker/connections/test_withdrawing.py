"""Taken back is what was asked for and never started, under the very name it was asked for, and nothing else."""

import pytest

from tests.worker.connections.contract import LABELS, body, pulled
from tests.worker.connections.test_fake_contract import FakeWorld
from worker.connections.withdrawing import Asked, Parting, withdraw
from worker.engine.errors import LeaseLost


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def asked_for(*names: str, unanswered: str = "") -> Asked:
    """A session that asked for these."""
    asked = Asked()
    for name in names:
        asked.sent(name, LABELS)
        if name != unanswered:
            asked.answered(made=True)
    return asked


def test_what_was_never_started_goes(world: FakeWorld) -> None:
    image = pulled(world)
    for name in ("shop-r3.f1", "shop-r2.f2"):
        world.host.create(name, body(image))
    world.host.start("shop-r2.f2")
    assert withdraw(world.host, asked_for("shop-r3.f1")) == ["shop-r3.f1"]
    assert {each.name for each in world.server.containers.values()} == {"shop-r2.f2"}


def test_what_somebody_has_now_stays(world: FakeWorld) -> None:
    """Started, renamed by a newer holder, or a stranger's from the beginning."""
    image = pulled(world)
    world.host.create("started", body(image))
    world.host.start("started")
    world.host.create("asked", body(image))
    world.host.rename("asked", "renamed")
    world.host.create("stranger", {**body(image), "Labels": {"estiva.installation": "another"}})
    assert withdraw(world.host, asked_for("started", "asked", "stranger")) == []
    assert {each.name for each in world.server.containers.values()} == {"started", "renamed", "stranger"}


def test_what_is_on_its_way_is_waited_for(world: FakeWorld) -> None:
    image = pulled(world)

    def create() -> None:
        world.host.create("late", body(image))

    world.server.at(1, create)
    assert withdraw(world.host, asked_for("late", unanswered="late")) == ["late"]
    assert not world.server.containers


def test_a_refused_one_is_not_ours() -> None:
    asked = asked_for("one", "taken", unanswered="taken")
    asked.answered(made=False)
    assert (list(asked.labels), asked.unanswered) == (["one"], "")


def test_its_own_seconds_alone_end_it() -> None:
    signals = Parting(60)
    signals.lost.set()
    signals.check()
    with pytest.raises(LeaseLost, match="no time left"):
        Parting(0).check()
