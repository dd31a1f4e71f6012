"""Hints to the workers: a bare Celery client that sends a task by name. A lost hint loses nothing; the reconciler hints again."""

import functools
import itertools
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import redis
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError  # type: ignore[attr-defined]  # the stubs lack it

from deployments import live

log = logging.getLogger(__name__)

DEPLOY_QUEUE = "deploy"
LOOK_QUEUE = "look"
RUN_TARGET = "worker.run_target"
RUN_OPERATION = "worker.run_operation"
BROKER_OPTIONS = {
    "socket_timeout": 3,
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "interval_start": 0,  # a broker that is away must not hold up a click: kombu would sleep 2 s before its retry
    "interval_step": 0,
    "interval_max": 0,
}


def broker_url(url: str) -> str:
    """Celery's spelling of a Redis address: `unix:///path` is `redis+socket:///path` there."""
    return url.replace("unix://", "redis+socket://", 1) if url.startswith("unix://") else url


# A frozen broker keeps its connections and answers nothing. One wait is what a click may cost, however many servers it is for.
CLIENT_OPTIONS = {**BROKER_OPTIONS, "socket_timeout": 2, "socket_connect_timeout": 1}
_TRIM_EVERY = 100
_HALVINGS = 4
SLOW_SECONDS = 0.5
REST_SECONDS = 1.0


class _Rest:
    """A broker that left us waiting in vain isn't asked again for a moment: this process's other hints are the reconciler's."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether to spare ourselves the wait."""
        return time.monotonic() < self._until

    def failed(self, began: float) -> None:
        """A call that was begun at this `time.monotonic()` has failed."""
        now = time.monotonic()
        if now - began >= SLOW_SECONDS:
            self._until = now + REST_SECONDS


_rest, _rest_of_live = _Rest(), _Rest()


@functools.cache
def client() -> Celery:
    """The Celery client of this process."""
    app = Celery("estiva", broker=broker_url(settings.ESTIVA_REDIS_URL), set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_transport_options=CLIENT_OPTIONS,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=1,
        task_publish_retry=False,
    )
    return app


def live_url() -> str:
    """Where the live tail is: a Redis of its own, or the broker."""
    return str(settings.ESTIVA_LIVE_REDIS_URL or settings.ESTIVA_REDIS_URL)


@functools.cache
def connection() -> "redis.Redis[str]":
    """The plain Redis connection of this process, for the live tail. Short deadlines: it's only ever a hint."""
    return _plain(live_url())


def broker() -> "redis.Redis[str]":
    """The same to the broker, to look at what it holds."""
    return connection() if is_shared() else _broker_alone()


@functools.cache
def _broker_alone() -> "redis.Redis[str]":
    return _plain(settings.ESTIVA_REDIS_URL)


def _plain(url: str) -> "redis.Redis[str]":
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, decode_responses=True)


def is_shared() -> bool:
    """Whether the broker holds the live tail, too."""
    return live_url() == settings.ESTIVA_REDIS_URL


def send(task: str, queue: str, object_id: int) -> bool:
    """Send one hint now; False when the broker can't be reached (said in our log, the reconciler comes by)."""
    if _rest.is_on:
        return False
    began = time.monotonic()
    try:
        send_it = functools.partial(client().send_task, task, args=(object_id,), queue=queue, retry=False)
        if is_shared():
            _with_room(send_it)
        else:
            send_it()
    except (OperationalError, redis.RedisError, OSError) as error:
        _rest.failed(began)
        log.warning("hint not sent", extra={"task": task, "object": object_id, "error": str(error)})
        return False
    return True


def publish(entry: dict[str, str]) -> bool:
    """Put one wake entry on the live stream; False when Redis can't be reached (viewers fill the gap from the database)."""
    rest = _rest if is_shared() else _rest_of_live
    if rest.is_on:
        return False
    began = time.monotonic()
    try:
        _with_room(lambda: _append(entry))
    except (redis.RedisError, OSError) as error:
        rest.failed(began)
        log.warning("live entry not sent", extra={"kind": entry.get("kind"), "error": str(error)})
        return False
    return True


_appended = itertools.count(1)


def _append(entry: dict[str, str]) -> None:
    """What is older than ten minutes goes; where much is written, what is beyond the most that are kept goes before that."""
    oldest = int((time.time() - live.WAKE_SECONDS) * 1000)
    connection().xadd(live.WAKE_STREAM, entry, minid=oldest, approximate=True)
    if next(_appended) % _TRIM_EVERY == 0:
        connection().xtrim(live.WAKE_STREAM, maxlen=live.WAKE_MOST, approximate=True)


def _with_room(write: Callable[[], object]) -> None:
    """Write; where Redis has no memory left, the older half of the live tail makes room: pages have the record, deploys wait for hints."""
    for _ in range(_HALVINGS):
        try:
            write()
        except OutOfMemoryError:
            length = connection().xlen(live.WAKE_STREAM)
            connection().xtrim(live.WAKE_STREAM, maxlen=length // 2, approximate=False)
        else:
            return
    write()


def changed_on_commit(noun: str, object_id: int, placement_id: int | None = None) -> None:
    """Tell the viewers, once committed, that a row moved."""
    transaction.on_commit(functools.partial(publish, live.wake_changed(noun, object_id, placement_id)))


def length(name: str) -> int | None:
    """How many hints the broker holds in a queue; None when it can't be reached."""
    try:
        return int(broker().llen(name))
    except (redis.RedisError, OSError) as error:
        log.warning("broker not reached", extra={"queue": name, "error": str(error)})
        return None


class Broker(NamedTuple):
    """What the broker holds: hints by queue, and entries of the live tail."""

    hints: dict[str, int]
    live_entries: int


def look() -> Broker | None:
    """A round trip for each Redis; None when one can't be reached, after two seconds where it keeps us waiting."""
    names = (DEPLOY_QUEUE, LOOK_QUEUE)
    try:
        asked = broker().pipeline(transaction=False)
        for name in names:
            asked.llen(name)
        hints = asked.execute()
        entries = connection().xlen(live.WAKE_STREAM)
    except (redis.RedisError, OSError) as error:
        log.warning("broker not reached", extra={"error": str(error)})
        return None
    return Broker(dict(zip(names, hints, strict=True)), entries)
