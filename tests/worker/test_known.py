"""A worker beside newer ones: what it has no code for it neither takes nor breaks, even where it was given it."""

from contextlib import AbstractContextManager
from typing import Any

import pytest

from deployments import claims
from deployments.models import Operation, PlacementHost, Release, Target
from deployments.operations import request_operation
from tests.deployments.world import World, deployed, make_world, only_target, succeed
from tests.worker.conftest import Sent
from worker import runs
from worker.connections.fake import FakeHost, FakeServer
from worker.keeper import Keeper
from worker.operations import running
from worker.operations.drift import look_for_drift

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.both_databases]


@pytest.fixture
def world(sent: Sent) -> World:
    return make_world()


def no_server(*_args: Any, **_options: Any) -> AbstractContextManager[FakeHost]:
    """Nobody goes to a server for what isn't known."""
    raise AssertionError("a server was asked for")


@pytest.mark.parametrize("change", [{"source": {"kind": "nix"}}, {"settings": {"sidecar": "proxy"}}])
def test_a_release_of_a_later_version_is_not_begun(world: World, keeper: Keeper, change: dict[str, Any]) -> None:
    target = only_target(deployed(world))
    Release.objects.update(**change)
    runs.run(target.pk, keeper, no_server)
    target.refresh_from_db()
    assert (target.status, target.attempts, target.deployment.status) == ("queued", 0, "queued")


@pytest.mark.parametrize(("role", "source"), [("migrate", ""), ("deploy", "nix"), ("build", "")])
def test_a_claim_of_something_unknown_is_handed_back(
    world: World, keeper: Keeper, sent: Sent, monkeypatch: pytest.MonkeyPatch, role: str, source: str
) -> None:
    """Whatever the claim let through: nothing is done as if it were an image in a container."""
    target = only_target(deployed(world))
    claim_target = claims.claim_target

    def let_through(target_id: int, **options: Any) -> claims.Claim | None:
        claim = claim_target(target_id, **options)
        assert claim is not None
        return claims.Claim(claim.id, claim.fence, claim.holder, role=role, source=source)

    monkeypatch.setattr(claims, "claim_target", let_through)
    sent.hints.clear()
    runs.run(target.pk, keeper, no_server)
    target.refresh_from_db()
    assert (target.status, target.touched, target.stalled_reason) == ("stalled", False, runs.NOT_KNOWN)
    assert target.not_before is not None
    assert sent.targets() == [], "it isn't offered at once to who gave it back"


def test_each_kind_that_this_version_asks_for_it_carries_out() -> None:
    """One without anybody to do it would wait until its deadline."""
    assert set(running.KINDS) == set(Operation.Kind.values)


def test_an_operation_that_this_worker_cannot_carry_out_stays_queued(
    world: World, keeper: Keeper, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = request_operation(actor=world.actor, kind="defragment", host=world.hosts[0])
    terminal = request_operation(actor=world.actor, kind=Operation.Kind.TERMINAL, host=world.hosts[0])
    monkeypatch.delitem(running.KINDS, Operation.Kind.TERMINAL)
    sent.hints.clear()
    for operation in (later, terminal):
        running.run(operation.pk, keeper)
        operation.refresh_from_db()
        assert (operation.status, operation.attempts, operation.result) == ("queued", 0, {})
    assert sent.hints == []


def test_an_operation_that_was_claimed_all_the_same_is_handed_back(
    world: World, keeper: Keeper, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = request_operation(actor=world.actor, kind=Operation.Kind.CHECK, host=world.hosts[0])
    claim_operation = claims.claim_operation

    def let_through(operation_id: int, **options: Any) -> claims.Claim | None:
        claim = claim_operation(operation_id, holder=options["holder"])
        Operation.objects.filter(pk=operation_id).update(kind="defragment")
        return claim

    monkeypatch.setattr(claims, "claim_operation", let_through)
    sent.hints.clear()
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert (operation.status, operation.holder, operation.result) == ("queued", "", {})
    assert sent.hints == []


def test_a_look_says_nothing_of_a_release_that_it_cannot_read(world: World) -> None:
    release, host = succeed(world), world.hosts[0]
    for change in ({"source": {"kind": "nix"}}, {"variables": [{"name": "TOKEN", "vault": "shop/token"}]}):
        Release.objects.update(**change)
        look_for_drift(host, FakeHost(FakeServer()))
        assert PlacementHost.objects.get().drift == ""
        Release.objects.update(source=release.source, variables=release.variables)
    look_for_drift(host, FakeHost(FakeServer()))
    assert "no container of it is there" in PlacementHost.objects.get().drift
    assert Target.objects.get().status == "succeeded"
