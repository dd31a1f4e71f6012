"""Signals are heard at once, `Cancelled` once, the loss of the lease always."""

import threading
import time

import pytest

from worker.connections.signals import Signals
from worker.engine.errors import Cancelled, LeaseLost


def test_nothing_is_raised_while_nobody_asks() -> None:
    signals = Signals()
    signals.check()
    signals.wait(0.0)
    assert not signals.pending


def test_cancelled_is_raised_once() -> None:
    signals = Signals()
    signals.cancelled.set()
    with pytest.raises(Cancelled):
        signals.check()
    signals.check()
    assert not signals.pending


def test_after_the_shield_only_the_lost_lease_is_raised() -> None:
    signals = Signals()
    signals.shield()
    signals.cancelled.set()
    signals.wait(0.01)
    signals.lost.set()
    for _ in range(2):
        with pytest.raises(LeaseLost):
            signals.wait(10)


def test_the_lost_lease_outranks_a_cancel() -> None:
    signals = Signals()
    signals.cancelled.set()
    signals.lost.set()
    with pytest.raises(LeaseLost):
        signals.check()


@pytest.mark.parametrize("shielded", [False, True])
def test_a_wait_ends_with_the_signal(shielded: bool) -> None:
    signals = Signals()
    if shielded:
        signals.shield()
        signals.cancelled.set()
    timer = threading.Timer(0.05, signals.lost.set)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(LeaseLost):
        signals.wait(30)
    assert 0.04 < time.monotonic() - begun < 5
    timer.join()
