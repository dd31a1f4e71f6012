"""Keys on their way to the worker: each once, in order, sealed, and nothing left behind; on a real Redis."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis.client import Pipeline

from deployments import queue, terminal_keys
from deployments.terminal_keys import Answer, Keys
from parts.valkey import Valkey

TAKEN = Answer(taken=True)
TERMINAL = 41


@pytest.fixture(autouse=True)
def broker(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own; nobody waits for long."""
    queue.connection().delete("estiva:terminal:41", "estiva:terminal:41:tabs")
    monkeypatch.setattr(terminal_keys, "TAKE_SECONDS", 0.05)


def put(number: int, text: str, tab: str = "a") -> Answer:
    return terminal_keys.put(TERMINAL, tab, number, Keys(text))


@pytest.fixture
def passed_on() -> dict[str, int]:
    """What the worker has passed on."""
    return {}


def test_nobody_takes_any_before_a_worker_does() -> None:
    assert put(1, "ls") == Answer(taken=False)


def test_each_once_and_in_order(passed_on: dict[str, int]) -> None:
    assert terminal_keys.open_for(TERMINAL)
    assert put(1, "l") == TAKEN
    assert put(1, "l") == TAKEN  # its answer was lost
    assert put(3, "?") == Answer(taken=False, expected=2)
    assert put(2, "s") == TAKEN
    assert put(1, "x", tab="b") == TAKEN  # another tab counts for itself
    terminal_keys.put(TERMINAL, "a", 3, Keys("", (120, 40)))
    assert terminal_keys.take(TERMINAL, passed_on) == [Keys("l"), Keys("s"), Keys("x"), Keys("", (120, 40))]
    assert put(2, "s") == TAKEN
    assert terminal_keys.take(TERMINAL, passed_on) == []


def test_what_was_typed_is_sealed_and_gone_once_taken(passed_on: dict[str, int]) -> None:
    terminal_keys.open_for(TERMINAL)
    put(1, "a-password-typed")
    held = repr(queue.connection().xrange("estiva:terminal:41"))
    assert "sealed" in held
    assert "a-password-typed" not in held
    terminal_keys.take(TERMINAL, passed_on)
    assert queue.connection().xlen("estiva:terminal:41") == 0
    assert 0 < queue.connection().ttl("estiva:terminal:41") <= terminal_keys.KEPT_SECONDS


def test_too_much_waits_its_turn(monkeypatch: pytest.MonkeyPatch, passed_on: dict[str, int]) -> None:
    monkeypatch.setattr(terminal_keys, "MOST_WAITING", 2)
    terminal_keys.open_for(TERMINAL)
    assert [put(number, "x") for number in (1, 2)] == [TAKEN, TAKEN]
    assert put(3, "x") == Answer(taken=False, expected=3)
    terminal_keys.take(TERMINAL, passed_on)
    assert put(3, "x") == TAKEN


def test_a_redis_that_forgot_is_told_from_one_that_has_nothing(passed_on: dict[str, int]) -> None:
    terminal_keys.open_for(TERMINAL)
    assert terminal_keys.take(TERMINAL, passed_on) == []
    queue.connection().flushall()
    with pytest.raises(LookupError):
        terminal_keys.take(TERMINAL, passed_on)
    assert put(1, "ls") == Answer(taken=False)


def test_after_its_end_nothing_is_taken() -> None:
    terminal_keys.open_for(TERMINAL)
    put(1, "ls")
    terminal_keys.close(TERMINAL)
    assert put(2, "ls") == Answer(taken=False)
    assert queue.connection().exists("estiva:terminal:41", "estiva:terminal:41:tabs") == 0


def test_a_redis_that_is_away(monkeypatch: pytest.MonkeyPatch, passed_on: dict[str, int]) -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2, decode_responses=True)
    monkeypatch.setattr(queue, "connection", lambda: away)
    assert put(1, "ls") == Answer(taken=False)
    assert not terminal_keys.open_for(TERMINAL)
    terminal_keys.close(TERMINAL)
    with pytest.raises(redis.RedisError):
        terminal_keys.take(TERMINAL, passed_on)


def test_a_connection_that_breaks_as_they_are_taken(monkeypatch: pytest.MonkeyPatch, passed_on: dict[str, int]) -> None:
    """Whether Redis heard that they were taken or not: each is typed once."""
    execute = Pipeline.execute
    terminal_keys.open_for(TERMINAL)
    for number, is_heard in ((1, True), (2, False)):
        put(number, "ls")

        def broken(pipe: Any, *, heard: bool = is_heard) -> None:
            if heard:
                execute(pipe)
            raise redis.ConnectionError

        monkeypatch.setattr(Pipeline, "execute", broken)
        assert terminal_keys.take(TERMINAL, passed_on) == [Keys("ls")]
        monkeypatch.setattr(Pipeline, "execute", execute)
        assert terminal_keys.take(TERMINAL, passed_on) == []


def test_what_stands_there_twice_or_elsewhere_is_not_typed_again(passed_on: dict[str, int]) -> None:
    terminal_keys.open_for(TERMINAL)
    put(1, "rm -r build\n")
    (_number, copied), *_rest = queue.connection().xrange("estiva:terminal:41")
    assert terminal_keys.take(TERMINAL, passed_on) == [Keys("rm -r build\n")]
    for name in ("estiva:terminal:41", "estiva:terminal:42"):
        queue.connection().xadd(name, copied)
    assert terminal_keys.take(TERMINAL, passed_on) == []
    assert terminal_keys.take(42, {}) == []
    terminal_keys.close(42)


def test_a_number_that_is_missing_is_told(passed_on: dict[str, int]) -> None:
    terminal_keys.open_for(TERMINAL)
    for number in (1, 2, 3):
        put(number, "x")
    queue.connection().xdel("estiva:terminal:41", queue.connection().xrange("estiva:terminal:41")[1][0])
    with pytest.raises(LookupError):
        terminal_keys.take(TERMINAL, passed_on)


def test_what_no_page_sent_is_told(passed_on: dict[str, int]) -> None:
    terminal_keys.open_for(TERMINAL)
    queue.connection().xadd("estiva:terminal:41", {"sealed": "bHM="})
    with pytest.raises(LookupError):
        terminal_keys.take(TERMINAL, passed_on)
