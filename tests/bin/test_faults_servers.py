"""The rows about servers and cables: what they take for a clean end, for a silence that is told, and for how long a blow excuses."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from parts.faults import cables, servers
from parts.faults.probing import Asked
from parts.faults.record import CLEAN, Share
from parts.faults.row import Round, Row, Wanted
from parts.faults.servers import Blow
from parts.processes import PartError
from tests.bin.seen import share


class MadeUp:
    """A world of one Deployment, its lines and its page."""

    def __init__(self) -> None:
        self.shares: list[Share] = []
        self.lines: list[list[Any]] = []
        self.page = ""
        self.answers: list[Asked] = []
        self.record = self
        self.ada = SimpleNamespace(open=lambda _: SimpleNamespace(text=self.page))

    def of(self, _: int) -> list[Share]:
        """Its shares."""
        return self.shares

    def ended(self, _: int, *, timeout: float) -> str:
        """At once."""
        return "failed"

    def chunks(self, several: list[int]) -> dict[int, list[tuple[int, int, int, list[Any]]]]:
        """Its log in one piece."""
        return {several[0]: [(1, len(self.lines), 1, self.lines)]}

    def asked(self, _: object) -> dict[str, list[Asked]]:
        """What its page was asked."""
        return {"web-1": self.answers}

    def wait(self, condition: Any, what: str, timeout: float) -> None:
        """Now or never."""
        if not condition():
            raise PartError(f"Waited {timeout:g} s in vain: {what}.")


@pytest.fixture
def world() -> MadeUp:
    """Nothing happened yet."""
    return MadeUp()


@pytest.fixture
def turn(world: MadeUp, monkeypatch: pytest.MonkeyPatch) -> Round:
    """A round in it, on a machine with nothing else to do."""
    one = Round(world, Row(12, "made-up", "", lambda _: None), Wanted(), random.Random(1))  # type: ignore[arg-type]
    monkeypatch.setattr(one, "patience", lambda seconds: seconds)
    return one


def found(turn: Round) -> list[str]:
    """What kinds."""
    return [each.kind for each in turn.result.findings]


STATUSES = ("succeeded", "failed_untouched", "failed_restored", "failed", "needs_attention", "cancelled", "skipped")


@pytest.mark.parametrize("status", STATUSES)
def test_a_deploy_ends_well_or_as_if_it_had_not_been(turn: Round, world: MadeUp, status: str) -> None:
    world.shares = [share(2, status, 10, 14)]
    servers.expect_clean_end(turn, 2, "a blow")
    assert found(turn) == ([] if status in CLEAN else ["row"])


def test_each_server_of_it(turn: Round, world: MadeUp) -> None:
    world.shares = [share(2, "succeeded", 10, 14), share(3, "failed", 10, 14)]
    servers.expect_clean_end(turn, 2, "a blow")
    assert found(turn) == ["row"]


LOST = "The connection to server web-1 was lost."


@pytest.mark.parametrize(
    ("status", "reason", "page", "wrong"),
    [
        ("stalled", LOST, f"<p>{LOST}</p>", 0),
        ("stalled", "Server web-1 does not answer at web-1:22.", "Server web-1 does not answer at web-1:22.", 0),
        ("stalled", "The worker w1 was stopped.", LOST, 1),
        ("stalled", LOST, "Stalled", 1),
        ("failed", LOST, LOST, 1),
        ("failed_untouched", "", LOST, 2),
    ],
)
def test_stalled_is_a_state_with_the_silence_as_its_reason(
    turn: Round, world: MadeUp, status: str, reason: str, page: str, wrong: int
) -> None:
    world.shares, world.page = [share(2, status, 10, 0, stalled_reason=reason)], page
    cables._stalls(turn, 2, "cut off")
    assert len(found(turn)) == wrong


def test_who_goes_on_is_not_stalled(turn: Round, world: MadeUp) -> None:
    world.shares = [share(2, "running", 10, 0)]
    with pytest.raises(PartError):
        cables._stalls(turn, 2, "cut off")


MACHINE: Any = SimpleNamespace(name="web-1")


def application() -> Any:
    """One that can be excused."""
    return SimpleNamespace(name="shop", placement=1, broken=[])


def test_a_blow_that_stops_nothing_excuses_nothing(turn: Round) -> None:
    app, struck = application(), list[object]()
    servers._strike(turn, app, MACHINE, Blow("sessions killed", lambda *given: struck.append(given)), 2)
    assert (len(struck), app.broken) == (1, [])


def test_a_power_cut_excuses_until_something_answers_again(turn: Round, world: MadeUp) -> None:
    app, began = application(), time.time()

    def reboot(*_: object) -> None:
        world.answers = [Asked("shop", began, began, "1", "x", ""), Asked("shop", time.time() + 1, 0, "1", "x", "")]

    servers._strike(turn, app, MACHINE, Blow("rebooted", reboot, stops=True), 2)
    ((server, begin, end),) = app.broken
    assert server == MACHINE.name
    assert began <= begin <= end <= time.time()


def test_what_stays_silent_is_excused_no_longer_than_it_may(
    turn: Round, world: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer from before the blow is none."""
    app = application()
    world.answers = [Asked("shop", time.time(), time.time(), "1", "x", "")]
    waited: list[tuple[float, bool]] = []

    def wait(condition: Any, _: str, timeout: float) -> None:
        waited.append((timeout, condition()))
        raise PartError("in vain")

    monkeypatch.setattr(world, "wait", wait)
    servers._strike(turn, app, MACHINE, Blow("rebooted", lambda *_: None, stops=True), 2)
    assert waited == [(servers.BACK_SECONDS, False)]
    assert len(app.broken) == 1


class Engine:
    """One that has a container, and tells since when it runs."""

    def __init__(self, *since: str) -> None:
        self.name, self.since = "web-1", list(since)
        self.engine = self.api = self

    def json(self, _: str, path: str) -> Any:
        """What it is asked, in the order in which it is."""
        if path.startswith("/containers/json"):
            return [{"Id": "c1"}] if self.since else []
        return {"State": {"StartedAt": self.since.pop(0)}}


@pytest.mark.parametrize(("since", "wrong"), [(("one", "one"), []), (("one", "two"), ["row"]), (("one",), ["row"])])
def test_live_restore_spares_what_runs(turn: Round, since: tuple[str, ...], wrong: list[str]) -> None:
    """Its ports are away as long as the engine is: nothing is waited for."""
    app, machine = application(), Engine(*since)
    blow = Blow("restarted", lambda *_: None, stops=True, ends_engine=True)
    servers._strike(turn, app, cast("Any", machine), blow, 2, live=True)
    assert (found(turn), len(app.broken), machine.since) == (wrong, 1, [])


def test_what_estiva_just_replaces_may_end_with_the_engine(turn: Round) -> None:
    app, given = application(), cast("Any", Engine("one", "two"))
    blow = Blow("killed", lambda *_: None, stops=True, ends_engine=True)
    servers._strike(turn, app, given, blow, 2, live=True, settled=False)
    assert (found(turn), len(app.broken)) == ([], 1)


def line(number: int, text: str, stream: str = "stdout") -> list[Any]:
    """As the record has it."""
    return [number, 0, "health", stream, text, "info"]


def test_a_log_that_leaves_out_a_line_of_the_containers_own(turn: Round, world: MadeUp) -> None:
    world.shares = [share(2, "succeeded", 10, 14)]
    steps = [line(each + 1, f"page: step {each} of the start-up") for each in range(1, servers.LINES + 1)]
    world.lines = [line(1, "Started shop-r2.f2.", "estiva"), *steps]
    servers.check_lines(turn, 2)
    assert found(turn) == []
    world.lines = [each for each in world.lines if each[0] != 100]
    servers.check_lines(turn, 2)
    assert found(turn) == ["log"]


def test_only_what_stops_an_application_excuses_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions, an sshd and a frozen engine keep nobody from a page."""
    given: dict[str, Blow] = {}

    def keep(_: object, __: object, blows: Any, more: Any = ()) -> None:
        given.update({each.name: each for each in (*blows, *(blow for _, blow, _ in more))})

    monkeypatch.setattr(servers, "_blow_by_blow", keep)
    full: Any = SimpleNamespace(amount=lambda _, full: full)
    servers.sshd_killed(full)
    servers.engine_broken(full)
    assert {name for name, blow in given.items() if blow.stops} == {"rebooted", "restarted", "killed"}
    assert {name for name, blow in given.items() if blow.ends_engine} == {"restarted", "killed"}
    assert {name for name, blow in given.items() if not blow.stops} == {
        "sessions killed",
        "sshd restarted",
        "frozen",
        "frozen beyond a call",
        "frozen beyond a pull",
    }
