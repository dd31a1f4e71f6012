"""The engine beside this process: found, announced, reached, and never taken for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from deployments import engines
from deployments.models import Host, Operation, WorkerProcess
from tests.factories import engine_worker, host, host_beside, placement, release
from tests.worker.conftest import Sent
from worker import local_engine, presence, reconcile
from worker.brief import CannotBrief, host_connection, image_source, secrets_of
from worker.connections.beside import LocalEngine, NoEngine

ENGINE = LocalEngine("AAAA:BBBB@build-1:/var/lib/docker", "build-1", "20.10.24", whole=True)


@pytest.fixture(autouse=True)
def nothing_beside() -> Iterator[None]:
    """Whatever a test lets this process have beside it, the next one has not."""
    yield
    local_engine.use(None)


@pytest.fixture
def allowed(settings: Any, tmp_path: Path) -> None:
    """The operator lets this worker use an engine."""
    settings.ESTIVA_LOCAL_ENGINE, settings.ESTIVA_VAR = "/run/engine.sock", tmp_path


def answers(monkeypatch: pytest.MonkeyPatch, *found: LocalEngine | NoEngine) -> None:
    """What is behind the socket, look by look; the last one stays."""
    left = list(found)

    def look(path: str) -> LocalEngine:
        assert path == "/run/engine.sock"
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, NoEngine):
            raise now
        return now

    monkeypatch.setattr(local_engine, "look", look)
    monkeypatch.setattr(local_engine, "LOOK_SECONDS", 0.01)


def test_without_the_operators_word_nobody_looks(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ESTIVA_LOCAL_ENGINE = ""
    monkeypatch.setattr(local_engine, "look", lambda _path: pytest.fail("looked"))
    local_engine.watch(lambda _engine: pytest.fail("found"), threading.Event())
    assert local_engine.held() == ()


def test_an_engine_that_starts_after_the_worker_is_found(allowed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, NoEngine("not yet"), NoEngine("not yet"), ENGINE)
    stop, found, seen = threading.Event(), threading.Event(), list[LocalEngine]()

    def note(engine: LocalEngine) -> None:
        seen.append(engine)
        found.set()

    local_engine.watch(note, stop)
    assert local_engine.held() == ()
    assert found.wait(5)
    stop.set()
    assert (seen, local_engine.held()) == ([ENGINE], (ENGINE.identity,))


def test_one_that_stays_is_told_once_and_another_anew(allowed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(ENGINE, identity="CCCC@build-1:/var/lib/docker")
    answers(monkeypatch, ENGINE, ENGINE, NoEngine("restarting"), ENGINE, other)
    stop, changed, seen = threading.Event(), threading.Event(), list[str]()

    def found(engine: LocalEngine) -> None:
        seen.append(engine.identity)
        if engine == other:
            changed.set()

    local_engine.watch(found, stop)
    assert changed.wait(5)
    stop.set()
    assert seen == [ENGINE.identity, other.identity]
    assert local_engine.held() == (other.identity,)


@pytest.mark.django_db
def test_a_beat_says_what_is_beside_it(allowed: None) -> None:
    presence.beat("deploy@build-1", "deploy", engine=ENGINE)
    row = WorkerProcess.objects.get()
    facts = {"identity": ENGINE.identity, "name": "build-1", "version": "20.10.24", "whole": True}
    assert (row.engine_id, row.engine) == (ENGINE.identity, {**facts, "socket": "/run/engine.sock"})
    presence.beat("deploy@build-1", "deploy")
    row.refresh_from_db()
    assert (row.engine_id, row.engine) == ("", {})


@pytest.mark.django_db
def test_its_server_is_reached_by_the_workers_own_setting(allowed: None, tmp_path: Path) -> None:
    """Whatever the row says: nobody who can write it leads a worker to another socket."""
    local_engine.use(ENGINE)
    row = host_beside("local", ENGINE.identity, docker_socket="/tmp/somebody-elses.sock", address="203.0.113.9")
    connection = host_connection(row)
    assert connection.docker_socket == "/run/engine.sock"
    assert connection.address.beside is not None
    assert connection.address.beside.socket == "/run/engine.sock"
    assert connection.address.beside.folder == str(tmp_path / "beside")
    assert [each.reveal() for each in secrets_of(connection)] == [""]


@pytest.mark.django_db
@pytest.mark.parametrize("held", [None, replace(ENGINE, identity="CCCC@build-1:/var/lib/docker")])
def test_a_worker_without_it_does_not_try(allowed: None, held: LocalEngine | None) -> None:
    local_engine.use(held)
    with pytest.raises(CannotBrief, match="beside another worker"):
        host_connection(host_beside("local", ENGINE.identity))


@pytest.mark.django_db
def test_an_image_is_not_looked_for_beside_another_worker(allowed: None) -> None:
    machine = host("web-1")
    shop = placement(hosts=[machine])
    local = host_beside("local", ENGINE.identity)
    made = release(shop, digest="", image_id="sha256:" + "1" * 64, built={"host": local.pk})
    assert image_source(machine.pk, made) is None
    local_engine.use(ENGINE)
    found = image_source(machine.pk, made)
    assert found is not None
    assert found.address.host_name == "local"


@pytest.mark.django_db
def test_it_is_checked_while_a_worker_has_it(sent: Sent) -> None:
    local = host_beside("local", ENGINE.identity)
    Host.objects.update(checked_at=None)
    reconcile.request_checks()
    assert not Operation.objects.exists(), "nobody could look"
    engine_worker(engine=ENGINE.identity)
    reconcile.request_checks()
    assert Operation.objects.get().host == local


@pytest.mark.django_db
def test_the_reconciler_says_when_its_workers_are_gone(sent: Sent) -> None:
    local = host_beside("local", ENGINE.identity)
    engine_worker(engine=ENGINE.identity, beat_at=timezone.now() - timedelta(minutes=2))
    reconcile.note_absent_engines()
    local.refresh_from_db()
    assert local.state == "unreachable"


@pytest.mark.django_db
def test_hints_go_to_the_queue_of_those_who_can(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more of them than that queue is short of, however long the common one is."""
    local, plain = host_beside("local", ENGINE.identity), host("web-1")
    now = timezone.now()
    rows = [
        Operation.objects.create(
            kind="check", host=each, requested_at=now, deadline_at=now + timedelta(minutes=1), request={}
        )
        for each in (local, plain)
    ]
    went: list[tuple[str, int]] = []

    def send(_task: str, name: str, object_id: int) -> bool:
        went.append((name, object_id))
        return True

    monkeypatch.setattr("deployments.queue.send", send)
    sent.held["look"] = 1
    reconcile.send_hints()
    own = f"look.{engines.short(ENGINE.identity)}"
    assert went == [(own, rows[0].pk)]
    sent.held = {own: 1}
    reconcile.send_hints()
    assert went[1:] == [("look", rows[1].pk)]
