"""Hints and a broker that doesn't answer: one wait a click, however many servers it is for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments import queue

SEND, PUBLISH = queue.send, queue.publish  # before this folder's tests get them replaced


@pytest.fixture
def silent_broker(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Iterator[socket.socket]:
    """As a frozen Redis: the kernel takes connections, and nobody ever answers."""
    path = Path(tmp_path_factory.mktemp("b")) / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(20)
        settings.ESTIVA_REDIS_URL = f"unix://{path}"
        _forget()
        yield listening
    _forget()


def _forget() -> None:
    queue.client.cache_clear()
    queue.connection.cache_clear()
    queue._rest._until = 0.0


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
