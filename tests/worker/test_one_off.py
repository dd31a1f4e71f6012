"""A one-off run from claim to end, on an in-memory server: its record, its cancel, a worker and a connection that go away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployments import claims, one_offs
from deployments.actors import Actor
from deployments.inventory import variables
from deployments.live import LogLine, decode_lines
from deployments.models import AuditEntry, OneOffRun, Operation, Release, RunChunk
from deployments.states import OperationStatus
from tests import factories as make
from tests.deployments.world import World, make_world
from tests.worker.conftest import Sent
from worker import run_record
from worker.connections.fake import FakeHost
from worker.connections.fake_images import Behaviour
from worker.connections.fake_server import FakeServer
from worker.connections.signals import Signals
from worker.engine.container_host import LogLine as Written
from worker.engine.errors import HostLost
from worker.keeper import Keeper
from worker.operations import one_off, running

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

IMAGE = "registry.example.com/storefront"
MIGRATE = ("./manage.py", "migrate")
SECRET = "correct-horse-battery"
WRITES = Behaviour(
    exits_after=1.0,
    output=((0.2, Written("stdout", f"with {SECRET}")), (0.9, Written("stderr", "Applied 0001"))),
)


@dataclass
class Place:
    """The shop, its server, and the doors that were opened to it; `on_open` may do something with each."""

    world: World
    server: FakeServer
    release: Release
    commands: dict[tuple[str, ...], Behaviour]
    doors: list[FakeHost] = field(default_factory=list)
    on_open: Callable[[FakeHost], None] = lambda _host: None

    def asked(self, **changes: Any) -> OneOffRun:
        """Ana asks for it."""
        given = {"host": self.world.hosts[0], "command": MIGRATE, "seconds": 30, **changes}
        return one_offs.request_run(actor=self.world.actor, release=self.release, **given)

    def left(self) -> list[str]:
        """Containers of runs that are there still."""
        return [each.name for each in self.server.containers.values() if "-run-" in each.name]


@pytest.fixture
def place(sent: Sent, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A Release of the shop with a secret, on web-1."""
    world = make_world()
    variables.set_variable(actor=world.actor, placement=world.placement, name="TOKEN", value=SECRET, is_secret=True)
    version = world.placement.secret_versions.get()
    server = FakeServer("web-1")
    commands: dict[tuple[str, ...], Behaviour] = {MIGRATE: WRITES}
    digest = server.images.publish(IMAGE, "2.4.1", commands=commands).partition("@")[2]
    world.placement.refresh_from_db()
    release = make.release(
        world.placement,
        "2.4.1",
        digest=digest,
        variables=[{"name": "TOKEN", "secret": version.pk, "number": 1}],
    )
    found = Place(world, server, release, commands)

    @contextmanager
    def opened(_connection: object, signals: Signals, _image_from: object = None) -> Iterator[FakeHost]:
        found.doors.append(FakeHost(server, signals))
        found.on_open(found.doors[-1])
        yield found.doors[-1]

    monkeypatch.setattr(one_off, "open_server", opened)
    monkeypatch.setattr(one_off, "AGAIN_SECONDS", 0.01)
    return found


def lines(run: OneOffRun) -> list[LogLine]:
    """What is on record."""
    return [line for chunk in RunChunk.objects.filter(run=run) for line in decode_lines(chunk.lines)]


def behaves(place: Place, **changes: Any) -> None:
    """The command does something else."""
    place.commands[MIGRATE] = Behaviour(**{"exits_after": 1.0, "output": WRITES.output, **changes})


def test_it_runs_and_everything_is_kept(place: Place, keeper: Keeper, sent: Sent) -> None:
    run = place.asked()
    running.run(run.pk, keeper)
    run.refresh_from_db()
    operation = Operation.objects.get(pk=run.pk)
    assert (operation.status, run.exit_code) == (OperationStatus.SUCCEEDED, 0)
    kept = lines(run)
    assert [line.number for line in kept] == list(range(1, len(kept) + 1))
    assert [line.text for line in kept if line.stream != "estiva"] == ["with [redacted]", "Applied 0001"]
    assert kept[-1].text == "It ended well on web-1."
    assert (run.last_line, run.heard) == (len(kept), 2)
    assert {entry["follow"] for entry in sent.of_kind("follow")} == {str(run.pk)}
    assert place.left() == []
    assert AuditEntry.objects.get(action="run.end").after["exit_code"] == 0
    body = next(call for call in place.doors[0].journal if call.name == "create").arguments[1]
    assert body["Env"] == [f"TOKEN={SECRET}"]  # type: ignore[index]


def test_its_exit_code_fails_it(place: Place, keeper: Keeper) -> None:
    behaves(place, exit_code=3)
    run = place.asked()
    running.run(run.pk, keeper)
    result = Operation.objects.get(pk=run.pk).result
    assert result["exit_code"] == 3
    assert result["what"] == "It ended with exit code 3 on web-1."


def test_a_cancel_ends_it(place: Place, keeper: Keeper) -> None:
    behaves(place, exits_after=None)
    run = place.asked()

    def cancelled(host: FakeHost) -> None:
        # by then it runs; the keeper passes on what the record says
        host.on_call("follow", 1, "after", lambda: _cancel(place, run, host))

    place.on_open = cancelled
    running.run(run.pk, keeper)
    operation = Operation.objects.get(pk=run.pk)
    assert operation.status == OperationStatus.CANCELLED
    assert operation.result["what"] == "Cancelled by Ana Prado."
    assert place.left() == []


def _cancel(place: Place, run: OneOffRun, host: FakeHost) -> None:
    thread = threading.Thread(target=_cancel_apart, args=(place.world.actor, run.pk))
    thread.start()
    thread.join()
    assert host.signals.cancelled.wait(10), "the keeper passes it on"


def _cancel_apart(actor: Actor, run_id: int) -> None:
    from django.db import connection

    assert one_offs.cancel_run(actor=actor, run_id=run_id)
    connection.close()


def test_a_connection_that_breaks_is_made_again(place: Place, keeper: Keeper) -> None:
    place.on_open = lambda host: host.fail_after("follow") if len(place.doors) == 1 else None
    run = place.asked()
    running.run(run.pk, keeper)
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.SUCCEEDED
    assert len(place.doors) == 2
    assert [line.text for line in lines(run)].count("Applied 0001") == 1


def test_one_whose_server_is_away_from_the_beginning_fails(place: Place, keeper: Keeper) -> None:
    place.on_open = lambda host: host.fail_before("containers")
    run = place.asked()
    running.run(run.pk, keeper)
    operation = Operation.objects.get(pk=run.pk)
    assert operation.status == OperationStatus.FAILED
    assert "was lost" in operation.result["what"]
    assert len(place.doors) == 1


def test_what_cannot_be_started_is_tidied_up(place: Place, keeper: Keeper) -> None:
    place.on_open = lambda host: host.refuse("start") if len(place.doors) == 1 else None
    run = place.asked()
    running.run(run.pk, keeper)
    operation = Operation.objects.get(pk=run.pk)
    assert "could not be started" in operation.result["what"]
    assert place.left() == []


def test_another_worker_goes_on_and_writes_no_line_twice(place: Place, keeper: Keeper) -> None:
    run = place.asked()
    _dies_at(place, run, "container", 4)
    assert place.left()
    running.run(run.pk, keeper)
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.SUCCEEDED
    texts = [line.text for line in lines(run)]
    assert (texts.count("Applied 0001"), texts.count("with [redacted]")) == (1, 1)
    starts = [call for door in place.doors for call in door.journal if call.name == "start"]
    assert len(starts) == 1


def test_another_worker_only_tidies_up_behind_an_end_that_is_on_record(place: Place, keeper: Keeper) -> None:
    run = place.asked()
    _dies_at(place, run, "remove", 1)
    run.refresh_from_db()
    assert run.outcome["status"] == "succeeded"
    assert place.left()
    running.run(run.pk, keeper)
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.SUCCEEDED
    assert AuditEntry.objects.filter(action="run.end").count() == 1
    assert place.left() == []
    assert [line.text for line in lines(run)].count("It ended well on web-1.") == 1


class _Killed(BaseException):
    """The process is gone."""


def _dies_at(place: Place, run: OneOffRun, call: str, n: int) -> None:
    """A worker claims it and dies at this call; its lease is let run out."""

    def die() -> None:
        raise _Killed

    place.on_open = lambda host: host.on_call(call, n, "before", die)
    first = Keeper("deploy@dying", "deploy", 1)
    with pytest.raises(_Killed):
        running.run(run.pk, first)
    operation = Operation.objects.get(pk=run.pk)
    assert claims.hand_back_operation(claims.Claim(run.pk, operation.fence, operation.holder, "operation"))
    place.on_open = lambda _host: None


def test_what_a_run_left_that_is_over_goes_before_the_next(place: Place, keeper: Keeper) -> None:
    behaves(place, exits_after=None)
    run = place.asked()
    _dies_at(place, run, "container", 4)
    Operation.objects.filter(pk=run.pk).update(status=OperationStatus.FAILED, ended_at="2026-01-01T00:00:00Z")
    (left,) = place.left()
    behaves(place)
    following = place.asked()
    running.run(following.pk, keeper)
    assert place.left() == []
    assert f"Removing {left}, which run {run.pk} left (running)." in [line.text for line in lines(following)]


def test_five_megabytes_are_kept(place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "MOST_BYTES", 2_000_000)
    output = tuple((0.1, Written("stdout", f"{number} " + "·" * 5_000)) for number in range(400))
    behaves(place, output=output)
    run = place.asked()
    running.run(run.pk, keeper)
    run.refresh_from_db()
    assert run.log_bytes <= 2_000_000
    assert run.heard == 400
    texts = [line.text for line in lines(run)]
    assert texts.count("The first 2 MB are kept; what follows is not.") == 1
    assert texts[run.log_cut_at or 0] == "The first 2 MB are kept; what follows is not."
    assert texts[-1] == "It ended well on web-1."


def test_a_lost_lease_writes_nothing_more(place: Place, keeper: Keeper) -> None:
    behaves(place, exits_after=None)
    run = place.asked()

    def taken_over() -> None:
        Operation.objects.filter(pk=run.pk).update(fence=99)

    place.on_open = lambda host: host.on_call("follow", 1, "after", taken_over)
    running.run(run.pk, keeper)
    run.refresh_from_db()
    assert run.outcome == {}
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.RUNNING
    assert place.left(), "it goes on: whoever holds it now sees to it"


def test_a_server_that_stays_away_is_told_at_the_deadline(place: Place, keeper: Keeper) -> None:
    behaves(place, exits_after=None)
    run = place.asked(seconds=1)
    place.on_open = lambda host: host.fail_after("follow") if len(place.doors) == 1 else _away(host)
    running.run(run.pk, keeper)
    operation = Operation.objects.get(pk=run.pk)
    assert operation.status == OperationStatus.FAILED
    assert "Whether the command has ended is not known." in operation.result["why"]


def _away(host: FakeHost) -> None:
    raise HostLost(f"{host.server.name} does not answer.")
