"""The live stream in Redis stays small, whatever is said on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deployments import live, queue
from parts.valkey import Valkey


@pytest.fixture
def redis(valkey: Valkey, settings: Any) -> Iterator[Valkey]:
    """This process's connection leads to the run's Redis."""
    settings.ESTIVA_REDIS_URL = valkey.url
    queue.connection.cache_clear()
    queue.connection().delete(live.WAKE_STREAM)
    yield valkey
    queue.connection().close()
    queue.connection.cache_clear()


def test_what_was_said_long_ago_goes(redis: Valkey) -> None:
    entry = live.wake_changed("host", 1)
    for number in range(1, 1001):
        queue.connection().xadd(live.WAKE_STREAM, entry, id=f"{number}-0")  # the first second of 1970
    for _number in range(5):
        assert queue.publish(entry)
    kept = queue.connection().xrange(live.WAKE_STREAM)
    assert 5 <= len(kept) < 200  # Redis drops whole blocks
    assert [fields for _, fields in kept[-5:]] == [entry] * 5


def test_a_flood_of_long_lines_costs_little(redis: Valkey) -> None:
    text = live.encode_lines([live.LogLine(1, 0, "pull", "stdout", "x" * live.MAX_LINE_BYTES)])
    for number in range(1, 501):
        assert queue.publish(live.wake_log(7, 41, number, number, text))
    assert queue.connection().xlen(live.WAKE_STREAM) == 500
    assert int(queue.connection().memory_usage(live.WAKE_STREAM, samples=0) or 0) < 500_000
