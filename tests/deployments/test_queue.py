"""Hints and a broker that doesn't answer: one wait a click, however many servers it is for."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments import live, queue
from parts.valkey import Valkey

SEND, PUBLISH = queue.send, queue.publish  # before this folder's tests get them replaced


@pytest.fixture
def silent_broker(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[socket.socket]:
    with _silent(tmp_path_factory) as (listening, url):
        settings.ESTIVA_REDIS_URL = url
        _forget()
        yield listening
    _forget()


@contextmanager
def _silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[socket.socket, str]]:
    """As a frozen Redis: the kernel takes connections, and nobody ever answers."""
    path = Path(tmp_path_factory.mktemp("b")) / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(20)
        yield listening, f"unix://{path}"


def _forget() -> None:
    queue.client.cache_clear()
    queue.connection.cache_clear()
    queue._broker_alone.cache_clear()
    queue._rest._until = queue._rest_of_live._until = 0.0


@pytest.mark.timeout(60)
def test_a_frozen_broker_is_waited_for_once(silent_broker: socket.socket) -> None:
    """A click for five servers sends seven hints and entries: it is to answer within three seconds all the same."""
    began = time.monotonic()
    sent = [PUBLISH({"kind": "changed"}), PUBLISH({"kind": "changed"})]
    sent += [SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, target) for target in range(5)]
    assert not any(sent)
    assert time.monotonic() - began < 3


@pytest.mark.timeout(60)
def test_after_a_moment_it_is_asked_again(silent_broker: socket.socket) -> None:
    assert not PUBLISH({"kind": "changed"})
    queue._rest._until = 0.0
    began = time.monotonic()
    assert not SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)
    assert time.monotonic() - began >= queue.SLOW_SECONDS


def test_one_that_refuses_costs_nothing_and_is_asked_each_time(tmp_path: Path, settings: Any) -> None:
    settings.ESTIVA_REDIS_URL = f"unix://{tmp_path}/nobody"
    _forget()
    assert not SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)
    assert not queue._rest.is_on
    _forget()


@pytest.fixture
def small_broker(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[Valkey]:
    """One of its own with little memory that gives nothing up by itself, as docker-compose.yml starts it."""
    with Valkey(Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))) as valkey:
        settings.ESTIVA_REDIS_URL = valkey.url
        _forget()
        used = int(queue.connection().info("memory")["used_memory"])
        queue.connection().config_set("maxmemory", used + 6_000_000)
        queue.connection().config_set("maxmemory-policy", "noeviction")
        yield valkey
        queue.connection().close()
    _forget()


def test_the_live_tail_leaves_room_for_hints(small_broker: Valkey) -> None:
    """Builds and chatty containers write more in ten minutes than Redis may hold: pages may lose the entries, deploys may not wait for it."""
    entry = live.wake_log(1, 1, 1, 50, "x" * live.CARRIED_CHARACTERS)
    sent = [PUBLISH(entry) for _ in range(2000)]
    assert all(sent), f"{sent.count(False)} entries were refused"
    assert SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1), "a hint found no room"
    assert queue.length(queue.DEPLOY_QUEUE) == 1
    newest = queue.connection().xrevrange(live.WAKE_STREAM, count=1)
    assert newest[0][1] == entry, "the newest are kept"


def test_a_full_broker_that_is_not_ours_to_empty_refuses(small_broker: Valkey) -> None:
    queue.connection().config_set("maxmemory", 0)
    queue.connection().set("somebody's", "x" * 3_000_000)
    queue.connection().config_set("maxmemory", 1_000_000)
    assert not PUBLISH(live.wake_changed("deployment", 1))
    assert not SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)


@pytest.fixture
def own_tail(small_broker: Valkey, tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[Valkey]:
    """A second one for the live tail, beside a broker with little memory."""
    with Valkey(Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))) as valkey:
        settings.ESTIVA_LIVE_REDIS_URL = valkey.url
        _forget()
        yield valkey
        queue.connection().close()
        queue.broker().close()
    settings.ESTIVA_LIVE_REDIS_URL = ""
    _forget()


def test_a_live_tail_of_its_own_takes_nothing_of_the_broker(own_tail: Valkey) -> None:
    before = int(queue.broker().info("memory")["used_memory"])
    entry = live.wake_log(1, 1, 1, 50, "x" * live.CARRIED_CHARACTERS)
    assert all(PUBLISH(entry) for _ in range(500))
    assert SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)
    seen = queue.look()
    assert seen is not None
    assert (seen.hints[queue.DEPLOY_QUEUE], seen.live_entries) == (1, 500)
    assert queue.broker().keys(live.WAKE_STREAM) == []
    assert int(queue.broker().info("memory")["used_memory"]) - before < 1_000_000
    assert queue.connection().llen(queue.DEPLOY_QUEUE) == 0


def test_a_full_broker_is_not_emptied_of_a_tail_that_is_elsewhere(own_tail: Valkey) -> None:
    assert PUBLISH(live.wake_changed("deployment", 1))
    queue.broker().config_set("maxmemory", 1)
    assert not SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)
    assert queue.connection().xlen(live.WAKE_STREAM) == 1


@pytest.mark.timeout(60)
def test_a_frozen_tail_keeps_no_hint_waiting(small_broker: Valkey, tmp_path_factory: Any, settings: Any) -> None:
    with _silent(tmp_path_factory) as (_, settings.ESTIVA_LIVE_REDIS_URL):
        _forget()
        assert not PUBLISH(live.wake_changed("deployment", 1))
        assert SEND(queue.RUN_TARGET, queue.DEPLOY_QUEUE, 1)
    settings.ESTIVA_LIVE_REDIS_URL = ""
    _forget()


def test_so_many_entries_are_kept_and_no_more(small_broker: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WAKE_MOST", 300)
    for number in range(1000):
        assert PUBLISH(live.wake_changed("deployment", number))
    assert 300 <= queue.connection().xlen(live.WAKE_STREAM) <= 300 + 2 * queue._TRIM_EVERY
