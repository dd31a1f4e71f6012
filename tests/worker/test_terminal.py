"""A terminal where the database, or the way to the server, is away while it is held: its program never goes on unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from deployments import terminal_keys, terminals
from deployments.actors import Actor
from deployments.models import Environment, Operation, Role, Terminal
from deployments.states import OperationStatus
from tests import factories as make
from tests.deployments.world import World, make_world
from tests.worker.conftest import Sent
from worker.brief import CannotBrief
from worker.engine.errors import HostLost
from worker.keeper import Keeper
from worker.operations import running, terminal

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@dataclass
class Server:
    """One whose program says nothing, and ends only when it is ended."""

    ended: list[str] = field(default_factory=list)
    trouble: Exception | None = None

    def container(self, _name: str) -> SimpleNamespace:
        return SimpleNamespace(id="c" * 64, name="shop", running=True, status="running", started_at="now")

    def prepare_terminal(self, _container: str, _argv: object) -> str:
        return "exec-1"

    def start_terminal(self, _exec_id: str, _wake: Callable[[], None]) -> SimpleNamespace:
        return SimpleNamespace(ended=False, available=lambda: b"", send=lambda _data: None, close=lambda: None)

    def resize_terminal(self, _exec_id: str, *_size: int) -> bool:
        if self.trouble is not None:
            raise self.trouble
        return True

    def end_terminal(self, _container: str, exec_id: str, _begun_in: str) -> bool:
        self.ended.append(exec_id)
        return True

    def terminal_state(self, _exec_id: str) -> None:
        return None


class Nothing:
    """Nobody types."""

    are_lost = False

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None: ...

    def available(self) -> list[Any]:
        return []


@pytest.fixture
def world(sent: Sent, transactional_db: None) -> World:
    """The shop, whose environment allows terminals, with a release."""
    found = make_world()
    make.release(found.placement)
    Environment.objects.update(allows_terminal=True)
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The only one."""
    found = Server()

    @contextmanager
    def reached(_attempt: object) -> Iterator[Server]:
        yield found

    monkeypatch.setattr(terminal._Attempt, "_reached", reached)
    monkeypatch.setattr(terminal, "TypedKeys", Nothing)
    monkeypatch.setattr(terminal, "ours", lambda container, *_: container)
    monkeypatch.setattr(terminal, "RIGHTS_SECONDS", 0.0)
    monkeypatch.setattr(terminal_keys, "close", lambda _number: None)
    return found


def asked(world: World) -> Terminal:
    container = {"id": "c" * 64, "name": "shop-r1.f1", "ours": True, "placement": world.placement.pk, "release": "1"}
    return terminals.request_terminal(
        actor=Actor.of(make.person("Ada Lane", Role.ADMIN)),
        host=world.hosts[0],
        container={**container, "state": "running"},
        command=["/bin/sh"],
    )


def fails_once(answer: str) -> Callable[[object], str]:
    """A question to a database that was restarted just now."""
    left = [OperationalError("the connection was closed")]

    def ask(_row: object) -> str:
        if left:
            raise left.pop()
        return answer

    return ask


def test_a_database_that_is_away_for_a_moment_ends_nothing_unseen(
    world: World, server: Server, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "still_allowed", fails_once(str(Terminal.End.RIGHTS)))
    row = asked(world)
    running.run(row.pk, keeper)
    row.refresh_from_db()
    assert (row.ended_how, server.ended) == (Terminal.End.RIGHTS, ["exec-1"])
    assert Operation.objects.get(pk=row.pk).status == OperationStatus.CANCELLED


def test_a_server_that_may_not_be_reached_any_more_is_no_fault_of_ours(
    world: World, server: Server, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key changed while the terminal was open: nothing is sent to it, and the page says what may be left there."""
    server.trouble = HostLost("The connection was lost.")
    ways = iter((server,))

    @contextmanager
    def reached(_attempt: object) -> Iterator[Server]:
        for found in ways:
            yield found
            return
        raise CannotBrief("web-1 showed another key.", "Look at it.")

    monkeypatch.setattr(terminal._Attempt, "_reached", reached)
    row = asked(world)
    running.run(row.pk, keeper)
    row.refresh_from_db()
    assert row.ended_how == Terminal.End.LOST
    assert "may run on" in row.outcome["remedy"]
    assert Operation.objects.get(pk=row.pk).result["what"] == "The connection was lost."


def test_a_server_that_may_not_be_reached_once_the_worker_is_lost(
    world: World, server: Server, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker takes it over; whom the server was trusted by, it is no longer."""
    row = asked(world)
    Terminal.objects.filter(pk=row.pk).update(exec_id="exec-1")
    Operation.objects.filter(pk=row.pk).update(attempts=1)

    def refused(_host: object) -> None:
        raise CannotBrief("web-1 showed another key.", "Look at it.")

    @contextmanager
    def reached(_attempt: object) -> Iterator[Server]:
        refused(None)
        yield server

    monkeypatch.setattr(terminal._Attempt, "_reached", reached)
    monkeypatch.setattr(terminal, "host_connection", refused)
    running.run(row.pk, keeper)
    row.refresh_from_db()
    assert row.ended_how == Terminal.End.WORKER
    assert "may run on" in row.outcome["remedy"]
