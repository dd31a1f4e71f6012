"""One-off runs: who may ask for what, that it is on record, and how one is cancelled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from deployments import claims, clock, one_offs, operations, stalls
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory import applications
from deployments.live import LogLine, encode_lines
from deployments.models import AuditEntry, Grant, Host, OneOffRun, Operation, Release, RunChunk
from deployments.queries import runs
from deployments.states import HostState, OperationStatus
from tests import factories as make
from tests.deployments.world import World, make_world, ready_host

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

COMMAND = ["./manage.py", "migrate", "--name", "two words"]


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def release(world: World) -> Release:
    found = make.release(world.placement, "2.4.1")
    make.ran(found)
    return found


def ask(world: World, release: Release, **changes: Any) -> OneOffRun:
    given = {"host": world.hosts[0], "command": COMMAND, "seconds": 600, **changes}
    return one_offs.request_run(**{"actor": world.actor, "release": release, **given})


def test_it_is_queued_and_on_record(world: World, release: Release) -> None:
    run = ask(world, release)
    operation = run.operation
    assert (operation.kind, operation.status) == (Operation.Kind.RUN, OperationStatus.QUEUED)
    assert operation.deadline_at - operation.requested_at == timedelta(seconds=600 + one_offs.PULL_SECONDS)
    entry = AuditEntry.objects.get(action="run.request")
    assert (entry.actor_name, entry.after["command"], entry.after["server"]) == ("Ana Prado", COMMAND, "web-1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": []}, "Say what is to be run"),
        ({"command": [" ", "x"]}, "Say what is to be run"),
        ({"command": ["x\x00"]}, "null character"),
        ({"command": ["x"] * 101}, "too long"),
        ({"command": ["x" * 8_001]}, "too long"),
        ({"seconds": 0}, "deadline"),
        ({"seconds": 86_401}, "deadline"),
    ],
)
def test_what_is_refused(world: World, release: Release, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        ask(world, release, **changes)
    assert not Operation.objects.filter(kind=Operation.Kind.RUN).exists()


def test_a_release_with_power_over_the_server_is_an_admins_to_run(world: World, release: Release) -> None:
    """One that an admin had let run once, and that doesn't run any more."""
    Grant.objects.create(user=world.bruno, application=world.application, environment=world.production)
    bruno = Actor.of(world.bruno)
    ask(world, release, actor=bruno)
    Release.objects.filter(pk=release.pk).update(settings={**release.settings, "privileged": True})
    release.refresh_from_db()
    world.placement.seats.update(running_release=None)
    with pytest.raises(Refused, match="Only an admin"):
        ask(world, release, actor=bruno)
    ask(world, release)
    world.placement.seats.update(running_release=release)
    ask(world, release, actor=bruno)


def test_only_on_a_server_of_its_own_that_is_open(world: World, release: Release) -> None:
    with pytest.raises(Refused, match="not one of its servers"):
        ask(world, release, host=ready_host(world.actor, "elsewhere"))
    Host.objects.update(state=HostState.KEY_CHANGED)
    world.hosts[0].refresh_from_db()
    with pytest.raises(Refused, match="Nothing is sent"):
        ask(world, release)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"source": {"kind": "compose", "compose": {"ref": "main"}}}, "Which services it has"),
        ({"source": {"kind": "git", "commit": "a" * 40}, "digest": ""}, "never built"),
        ({"lost_secrets": ["TOKEN"]}, "Deleted since: TOKEN"),
    ],
)
def test_releases_of_which_nothing_can_be_run(world: World, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        ask(world, make.release(world.placement, "2.4.1", **fields))


def test_not_of_an_archived_application(world: World, release: Release) -> None:
    applications.archive_application(actor=world.actor, application=world.application)
    release.refresh_from_db()
    with pytest.raises(Refused, match="archived"):
        ask(world, release)


def test_not_too_many_at_once(world: World, release: Release) -> None:
    for _ in range(one_offs.MOST_EACH):
        ask(world, release)
    with pytest.raises(Refused, match="As many commands"):
        ask(world, release)


def test_one_that_nobody_took_up_is_cancelled_at_once(world: World, release: Release) -> None:
    run = ask(world, release)
    assert one_offs.cancel_run(actor=world.actor, run_id=run.pk)
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.CANCELLED
    assert not one_offs.cancel_run(actor=world.actor, run_id=run.pk)
    acts = AuditEntry.objects.filter(action__startswith="run.").order_by("number")
    assert [entry.action for entry in acts] == ["run.request", "run.cancel", "run.end"]


def test_one_that_was_begun_is_left_to_whoever_has_it(world: World, release: Release) -> None:
    run = ask(world, release)
    claim = claims.claim_operation(run.pk, holder="look@one")
    assert claim is not None
    assert one_offs.cancel_run(actor=world.actor, run_id=run.pk)
    assert claims.cancel_wanted_of_runs([run.pk]) == {run.pk}
    assert claims.hand_back_operation(claim)
    assert not one_offs.cancel_run(actor=world.actor, run_id=run.pk), "it runs on the server: a worker has to end it"
    assert Operation.objects.get(pk=run.pk).status == OperationStatus.QUEUED


def test_its_end_is_on_record_whoever_tells_it(world: World, release: Release) -> None:
    run, late = ask(world, release), ask(world, release)
    claim = claims.claim_operation(run.pk, holder="look@one")
    assert claim is not None
    assert operations.end_operation(
        claim, OperationStatus.FAILED, {"what": "It ended with exit code 3.", "exit_code": 3}
    )
    Operation.objects.filter(pk=late.pk).update(deadline_at=clock.now() - timedelta(seconds=1))
    stalls.release_expired()
    entries = {entry.object_id: entry for entry in AuditEntry.objects.filter(action="run.end")}
    assert entries[str(run.pk)].after["exit_code"] == 3
    assert entries[str(run.pk)].message == "It ended with exit code 3."
    assert entries[str(late.pk)].message == "Nobody took this up in time."


def test_words_are_lines_as_they_are() -> None:
    assert one_offs.words_of("sh\r\n-c\r\necho $HOME; ls\n\n  \n") == ["sh", "-c", "echo $HOME; ls"]
    assert one_offs.words_of(" a b \n\nc") == [" a b ", "", "c"]
    assert one_offs.words_of("\n ") == []


def test_its_lines_are_found_again(world: World, release: Release) -> None:
    run = ask(world, release)
    for first in (1, 4):
        rows = [LogLine(n, 1_700_000_000_000, "run", "stdout", f"Zeile {n}") for n in range(first, first + 3)]
        RunChunk.objects.create(run=run, first_line=first, last_line=first + 2, fence=1, lines=encode_lines(rows))
    OneOffRun.objects.filter(pk=run.pk).update(last_line=6, log_cut_at=6)
    run.refresh_from_db()
    assert [line.number for line in runs.lines_after(run.pk, 2, 10)[0]] == [3, 4, 5, 6]
    held, more = runs.lines_after(run.pk, 0, 4)
    assert ([line.number for line in held], more) == ([1, 2, 3, 4], True)
    assert [line.number for line in runs.search(run.pk, "ZEILE 5", 0).lines] == [5]
    assert runs.last_lines([run.pk, 999]) == {run.pk: 6}
    text = "".join(runs.as_text(run)).splitlines()
    assert text[0] == "2023-11-14T22:13:20.000+00:00 web-1 run stdout | Zeile 1"
    assert text[-1] == "web-1: the log was longer; keeping it stopped after line 6."
