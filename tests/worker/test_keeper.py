"""Leases are kept, cancellations passed on, and everything let go when the process ends."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from deployments import claims, requests, stalls
from deployments.models import Target, WorkerProcess
from parts.processes import wait_until
from tests.deployments.world import World, deployed, make_world, only_target
from tests.worker.conftest import Sent
from worker.engine.errors import Cancelled, LeaseLost
from worker.keeper import Held, Keeper, LeaseSignals, uptime

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def claimed_by(keeper: Keeper, target: Target) -> claims.Claim:
    """A claim as a run makes it."""
    claim = claims.claim_target(target.pk, holder=keeper.holder)
    assert claim is not None
    return claim


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop."""
    return make_world()


@pytest.mark.both_databases
def test_a_lease_is_renewed_as_long_as_it_is_held(keeper: Keeper, world: World) -> None:
    target = only_target(deployed(world))
    claim = claimed_by(keeper, target)
    Target.objects.update(lease_until=Now() + timedelta(seconds=5))
    with keeper.holding("target", claim, uptime()):
        wait_until(lambda: Target.objects.filter(lease_until__gt=Now() + timedelta(seconds=20)).exists(), "renewed")


@pytest.mark.both_databases
def test_a_claim_that_somebody_else_has_now_is_lost(keeper: Keeper, world: World) -> None:
    claim = claimed_by(keeper, only_target(deployed(world)))
    with keeper.holding("target", claim, uptime()) as held:
        Target.objects.update(lease_until=Now() - timedelta(seconds=1))
        stalls.release_expired()
        assert held.signals.lost.wait(5)
        assert not held.handing_back
        with pytest.raises(LeaseLost):
            held.signals.check()


def test_a_cancel_reaches_the_engine(keeper: Keeper, world: World) -> None:
    deployment = deployed(world)
    claim = claimed_by(keeper, only_target(deployment))
    with keeper.holding("target", claim, uptime()) as held:
        Target.objects.update(touched=True)
        requests.cancel_deployment(actor=world.actor, deployment=deployment)
        assert held.signals.cancelled.wait(5)
        with pytest.raises(Cancelled):
            held.signals.check()
        held.signals.check()  # once


def test_the_process_is_on_record_while_it_runs(keeper: Keeper, world: World) -> None:
    wait_until(WorkerProcess.objects.filter(name="deploy@test", role="deploy", capacity=4).exists, "it is on record")
    claim = claimed_by(keeper, only_target(deployed(world)))
    with keeper.holding("target", claim, uptime()):
        wait_until(WorkerProcess.objects.filter(busy=1).exists, "it is busy")
    keeper.begin_stop()
    keeper.join()
    assert not WorkerProcess.objects.exists()


def test_the_end_of_the_process_lets_go_of_everything(keeper: Keeper, world: World) -> None:
    claim = claimed_by(keeper, only_target(deployed(world)))
    with keeper.holding("target", claim, uptime()) as held:
        keeper.begin_stop()
        assert held.signals.lost.wait(5)
        assert held.handing_back
    keeper.join()


def test_what_is_claimed_while_the_process_ends_is_let_go_at_once(keeper: Keeper, world: World) -> None:
    claim = claimed_by(keeper, only_target(deployed(world)))
    keeper.begin_stop()
    with keeper.holding("target", claim, uptime()) as held:
        assert held.handing_back
        assert held.signals.lost.is_set()


def test_a_database_that_is_away_is_survived(keeper: Keeper, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claimed_by(keeper, only_target(deployed(world)))
    failed = threading.Event()
    with keeper.holding("target", claim, uptime()) as held:
        with monkeypatch.context() as patched:

            def away(*_: object) -> None:
                failed.set()
                raise OperationalError("the database is starting up")

            patched.setattr(claims, "beat", away)
            assert failed.wait(5)
            before = held.signals.patience()  # only less, as long as nothing is renewed
        wait_until(lambda: held.signals.patience() > before, "beating again")
        assert not held.signals.lost.is_set()


def test_a_lease_that_no_beat_renewed_is_lost_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a SIGSTOP or a suspended machine: the engine's own thread finds out first."""
    signals = LeaseSignals(uptime())
    signals.check()
    assert 26 < signals.patience() <= 27
    signals.beaten(uptime() - 40)
    with pytest.raises(LeaseLost):
        signals.check()
    assert signals.lost.is_set()


def test_a_shielded_cancel_comes_back_when_it_is_armed_again() -> None:
    signals = Held("target", claims.Claim(1, 1, "x"), uptime()).signals
    signals.shield()
    signals.cancelled.set()
    signals.check()
    signals.rearm()
    with pytest.raises(Cancelled):
        signals.check()


def test_a_process_that_ends_before_it_began_work_ends_quietly(sent: Sent) -> None:
    """The broker never answered, so the worker was never ready, and somebody stops it."""
    keeper = Keeper("deploy@test", "deploy", 4)
    keeper.begin_stop()
    keeper.join(0.1)
    assert keeper.stopping
