"""A process makes room for what must be alone, for a while, and not for ever."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import claims, solitude
from deployments.inventory import applications
from deployments.models import Target
from deployments.states import TargetStatus
from parts.processes import wait_until
from tests.deployments.world import World, claimed, deployed, make_world, only_target, place
from worker.solitude import ROOM_SECONDS, Claiming

pytestmark = pytest.mark.django_db
ME = "deploy@me#1"
SUSPECT = 3


class Process:
    """One that claims, and a clock."""

    def __init__(self) -> None:
        self.at = 0.0
        self.claiming = Claiming(lambda: self.at)
        self.held: list[claims.Claim] = []

    def take(self, target: Target) -> bool:
        """Whether it got it."""
        claim = self.claiming.claim_target(
            target.pk, lambda: claims.claim_target(target.pk, holder=ME), busy=bool(self.held)
        )
        self.held += [claim] if claim else []
        return claim is not None


@pytest.fixture
def stage() -> tuple[World, Target, Target, Target]:
    """One that runs here, one that must be alone, one that is new."""
    world = make_world()
    names = ("qa", "demo")
    environments = [
        world.production,
        *(applications.create_environment(actor=world.actor, name=each) for each in names),
    ]
    placements = [
        world.placement,
        *(place(world.actor, world.application, each, world.hosts) for each in environments[1:]),
    ]
    first, suspect, fresh = (only_target(deployed(world, placement=each)) for each in placements)
    claimed(suspect, "deploy@dead#1")
    Target.objects.filter(pk=suspect.pk).update(lease_until=Now() - timedelta(seconds=1))
    claims.release_expired()
    return world, first, suspect, fresh


def test_while_one_waits_to_be_alone_nothing_new_is_taken(stage: Any) -> None:
    _, first, suspect, fresh = stage
    process = Process()
    assert process.take(first)
    assert not process.take(suspect)
    assert not process.take(fresh)
    claims.hand_back_target(process.held.pop(), reason="Done.")
    assert process.take(suspect)
    assert not process.take(fresh)


def test_room_that_another_process_made_needless_is_given_up(stage: Any) -> None:
    _, first, suspect, fresh = stage
    process = Process()
    assert process.take(first)
    assert not process.take(suspect)
    claimed(suspect, "deploy@idle#2")
    assert process.take(fresh)


def test_after_a_minute_the_others_have_their_turn_and_then_it_again(stage: Any) -> None:
    _, first, suspect, fresh = stage
    process = Process()
    assert process.take(first)
    assert not process.take(suspect)
    process.at = ROOM_SECONDS
    assert not process.take(suspect)
    assert process.take(fresh)
    claims.hand_back_target(process.held.pop(), reason="Once more.")
    process.at = 2 * ROOM_SECONDS
    assert not process.take(suspect)
    assert not process.take(fresh)
    assert Target.objects.get(pk=fresh.pk).status == TargetStatus.STALLED


def test_what_must_be_alone_is_claimed_while_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solitude, "waits_to_be_alone", lambda target_id: target_id == SUSPECT)
    process = Process()
    order: list[str] = []
    begun, go_on = threading.Barrier(3), threading.Event()

    def ordinary() -> None:
        begun.wait(5)
        assert go_on.wait(5)
        order.append("ordinary")

    def alone() -> None:
        order.append("alone")

    def take(target_id: int, claim: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=lambda: process.claiming.claim_target(target_id, claim, busy=False))
        thread.start()
        return thread

    threads = [take(1, ordinary), take(2, ordinary)]
    begun.wait(5)  # both are at it side by side
    threads.append(take(SUSPECT, alone))
    wait_until(lambda: process.claiming._is_one_alone, "it stands at the door")
    threads.append(take(4, lambda: order.append("late")))
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert order == ["ordinary", "ordinary", "alone", "late"]
