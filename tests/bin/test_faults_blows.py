"""Blows fall as they were drawn, beside each other where they hit different things; clicks are remembered by who clicked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parts.faults import storm_clicks, storm_plan
from parts.faults.evidence import Brought
from parts.faults.sight import STOP_FIRST, Application
from parts.faults.storm_apps import Stormy
from parts.faults.storm_blows import Breaker
from parts.faults.storm_clicks import Clicker
from parts.faults.storm_plan import Blow, Drawn
from parts.processes import PartError


class Broker:
    """Notes what is done to it; frozen, it waits for nobody."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.frozen = threading.Event()

    def freeze(self) -> None:
        """From now on."""
        self.told.append("freeze")
        self.frozen.set()

    def resume(self) -> None:
        """No longer."""
        self.told.append("resume")

    def restart(self) -> None:
        """At once."""
        self.told.append("restart")


class Database:
    """May refuse to come back."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.wrong = broker, ""

    def restart(self, *, immediate: bool) -> None:
        """While the broker is frozen, or not at all."""
        assert immediate
        assert self.broker.frozen.wait(5)
        if self.wrong:
            raise PartError(self.wrong)
        self.broker.told.append("database")


@pytest.fixture
def world() -> Any:
    """A broker and a database; no servers, nothing that runs."""
    broker = Broker()
    estiva = SimpleNamespace(valkey=broker, postgres=Database(broker), url="http://127.0.0.1:1")
    return SimpleNamespace(estiva=estiva, machines=[], ending=threading.Event(), ada=None)


def blow(kind: str, *, seconds: float = 0.0, due: bool = True, after: float = 0.0) -> Blow:
    """One that falls at once."""
    return Blow(kind, after, seconds, 0.5, due)


def test_two_things_are_hit_at_once_and_one_thing_by_one_blow_after_another(world: Any) -> None:
    several = [
        blow(storm_plan.BROKER_FROZEN, seconds=0.3),
        blow(storm_plan.DATABASE),
        blow(storm_plan.BROKER_RESTARTED),
    ]
    with Breaker(world, cast("Any", None), [], iter(several)) as breaker:
        pass  # nobody clicks: what is due falls all the same
    assert world.estiva.valkey.told == ["freeze", "database", "resume", "restart"]
    assert breaker.dealt == {each.kind: 1 for each in several}
    assert breaker.most_at_once >= 2


def test_what_is_not_due_falls_only_while_somebody_clicks(world: Any) -> None:
    def forever() -> Iterator[Blow]:
        while True:
            yield blow(storm_plan.BROKER_RESTARTED, due=False, after=0.001)

    with Breaker(world, cast("Any", None), [], forever()) as breaker:
        threading.Event().wait(0.1)
    told = len(world.estiva.valkey.told)
    assert breaker.dealt[storm_plan.BROKER_RESTARTED] == told > 1


def test_a_blow_that_could_not_be_dealt_is_said(world: Any) -> None:
    world.estiva.postgres.wrong = "it never came back"
    several = [blow(storm_plan.BROKER_FROZEN), blow(storm_plan.DATABASE)]
    with (
        pytest.raises(PartError, match="it never came back"),
        Breaker(world, cast("Any", None), [], iter(several)),
    ):
        pass


class Person:
    """Somebody whose clicks come to what is given, one after another."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers, self.plans = iter(answers), 0

    def share(self, _: object) -> None:
        """Nobody has signed in."""

    def ask_plan(self, application: str, environment: str) -> str:
        """A new one."""
        self.plans += 1
        return f"/plans/{self.plans}/"

    def until_planned(self, _: str) -> str:
        """In vain, if that is what comes next."""
        self.next = next(self.answers)
        if isinstance(self.next, PartError):
            raise self.next
        return "f"

    def press(self, _: str, __: str) -> tuple[int, int | None]:
        """What comes next."""
        if isinstance(self.next, OSError):
            raise self.next
        return cast("tuple[int, int | None]", self.next)


@pytest.fixture
def clicker(world: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], tuple[Clicker, list[int]]]:
    """Of versions 3 and 5, with these answers."""

    def make(answers: list[Any]) -> tuple[Clicker, list[int]]:
        monkeypatch.setattr(storm_clicks, "Visitor", lambda _: Person(answers))
        app = Application("a0", [], STOP_FIRST, 80, {}, 1, 0.0)
        drawn = Drawn("a0", storm_plan.STOP_FIRST, (0,), False, (3, 5), 1, storm_plan.RESUME)

        def change(version: int, count: int) -> Brought:
            brought.append((version, count))
            return Brought(f"{version}")

        world.app = app
        return Clicker(world, Stormy(drawn, app, change)), app.clicks

    brought: list[tuple[int, int]] = []
    world.brought = brought
    world.record = SimpleNamespace(rows=lambda _: [(0,)])
    world.wait = lambda condition, *_: condition() or pytest.fail("there is room")
    world.ending = SimpleNamespace(wait=lambda _: False)
    return make


def test_each_version_is_asked_for_until_a_number_comes(world: Any, clicker: Any) -> None:
    one, clicks = clicker([OSError("gone"), PartError("no plan"), (503, None), (302, 7), (409, None), (302, 9)])
    one.click_all()
    assert clicks == [7, 9]
    assert world.app.brought == {7: Brought("3"), 9: Brought("5")}
    assert (one.lost, one.unplanned, one.refused) == ({1, 3}, 1, 1)
    assert world.brought == [(3, 1), (3, 2), (3, 3), (3, 4), (5, 5), (5, 6)]


def test_who_gets_no_answer_for_long_says_what_the_last_one_was(clicker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm_clicks, "SILENT_SECONDS", -1.0)
    one, clicks = clicker([(503, None)])
    with pytest.raises(PartError, match="a0 is answered any more: the click was answered with 503"):
        one.click_all()
    assert clicks == []
