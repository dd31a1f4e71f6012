"""Following what containers write and take, while somebody looks: asking for it, and the few minutes that are kept in Redis.

A runtime log is no record: its lines stand in one Redis stream a follow, masked and numbered by the worker, whose entries are
`{"first", "last", "lines"}` with the last line's number as their id. A follow ends by itself once it has `MOST_LINES` lines or
`MOST_BYTES`, so nothing is ever trimmed beneath a viewer. The web processes say every few seconds what is still looked at.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import redis
from django.db import transaction
from django.utils.translation import gettext as _

from deployments import clock, live, queue
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, Operation, Placement
from deployments.operations import request_operation
from deployments.room import check_open, is_open
from deployments.states import OPERATION_OPEN, OperationStatus

log = logging.getLogger(__name__)

LOG: Final = "log"
USAGE: Final = "usage"
TAILS: Final = (100, 1000, 5000)
SINCE: Final = (0, 600, 3600, 86_400)
"""Seconds back from now; 0 for everything that the server still has."""

MOST_LINES: Final = 20_000
MOST_BYTES: Final = 4_000_000
MOST_SECONDS: Final = 4 * 3600.0
MOST_OPEN: Final = 16
MOST_EACH: Final = 4
KEPT_SECONDS: Final = 900
WATCHED_SECONDS: Final = 20
"""After this long without anybody looking a follow ends."""

PAUSE: Final = timedelta(seconds=60)
_READ_AT_ONCE: Final = 50


class Chunk(NamedTuple):
    """Lines `first…last`, as `live.encode_lines` writes them."""

    first: int
    last: int
    lines: str


# asking


def follow_log(*, actor: Actor, host: Host, container: Mapping[str, Any], tail: int, since: int) -> Operation:
    """Follow one container of ours: the last `tail` lines of the last `since` seconds, and what comes.

    Refused for others' containers, whose secrets Estiva doesn't know and so can't mask.
    """
    check_open(host)
    placement = Placement.objects.filter(pk=container["placement"] or 0).first()
    if not container["ours"] or placement is None:
        raise Refused(
            _("Only the logs of Estiva's containers are shown: of others it doesn't know the secrets to mask.")
        )
    if tail not in TAILS or since not in SINCE:
        raise Refused(_("Choose how much to show."))
    with transaction.atomic():
        Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        _check_room_left(actor)
        moment = int(clock.now().timestamp()) - since if since else 0
        keys = ("id", "name", "placement", "release")
        return request_operation(
            actor=actor,
            kind=Operation.Kind.FOLLOW,
            host=host,
            placement=placement,
            request={"what": LOG, "tail": tail, "since": moment, **{key: container[key] for key in keys}},
            deadline_seconds=MOST_SECONDS,
        )


def watch_usage(*, actor: Actor, host: Host) -> Operation | None:
    """What all containers of a server take, followed once for all who look; None where it can't be, or just failed."""
    if not is_open(host):
        return None
    follows = Operation.objects.filter(host=host, kind=Operation.Kind.FOLLOW, placement=None).order_by("-pk")
    newest = follows.first()
    if newest is not None and newest.status in OPERATION_OPEN:
        return newest
    if newest is not None and newest.status == OperationStatus.FAILED and newest.requested_at > clock.now() - PAUSE:
        return None
    try:
        _check_room_left(actor)
    except Refused:
        return None
    return request_operation(
        actor=actor, kind=Operation.Kind.FOLLOW, host=host, request={"what": USAGE}, deadline_seconds=MOST_SECONDS
    )


def _check_room_left(actor: Actor) -> None:
    following = Operation.objects.filter(kind=Operation.Kind.FOLLOW, status__in=OPERATION_OPEN)
    mine = following.filter(requested_by=actor.user_id, placement__isnull=False)
    if mine.count() >= MOST_EACH or following.count() >= MOST_OPEN:
        raise Refused(
            _("As many logs are followed as may be."),
            remedy=_("Close the pages of some: each ends by itself once nobody has looked at it for a while."),
        )


# the lines, in Redis


def append(follow_id: int, first: int, last: int, lines: str) -> bool:
    """Put lines behind those that are there, and wake who looks; False when Redis can't be reached."""
    try:
        with queue.connection().pipeline(transaction=True) as pipe:
            pipe.xadd(_key(follow_id), {"first": str(first), "last": str(last), "lines": lines}, id=f"{last}-1")
            pipe.expire(_key(follow_id), KEPT_SECONDS)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        log.warning("lines of a follow not sent", extra={"follow": follow_id, "error": str(error)})
        return False
    return queue.publish(live.wake_follow(follow_id, last))


def lines_after(follow_id: int, line: int, most_chunks: int = _READ_AT_ONCE) -> list[Chunk]:
    """The chunks that end after a line, a bounded number of them; the first may begin before it. Empty without Redis."""
    try:
        rows = queue.connection().xrange(_key(follow_id), min=f"({max(0, line)}-1", count=most_chunks)
    except (redis.RedisError, OSError) as error:
        log.warning("lines of a follow not read", extra={"follow": follow_id, "error": str(error)})
        return []
    return [Chunk(int(row["first"]), int(row["last"]), row["lines"]) for _number, row in rows]


def last_lines(follow_ids: Iterable[int]) -> dict[int, int]:
    """The newest line of each; 0 for one without lines, or without Redis."""
    return {each: _last_line(each) for each in follow_ids}


def _last_line(follow_id: int) -> int:
    try:
        rows = queue.connection().xrevrange(_key(follow_id), count=1)
    except (redis.RedisError, OSError) as error:
        log.warning("lines of a follow not read", extra={"follow": follow_id, "error": str(error)})
        return 0
    return int(rows[0][1]["last"]) if rows else 0


def _key(follow_id: int) -> str:
    return f"estiva:follow:{follow_id}"


# who looks


def keep_watched(follow_ids: Collection[int]) -> None:
    """Say that these are looked at."""
    try:
        with queue.connection().pipeline(transaction=False) as pipe:
            for each in follow_ids:
                pipe.set(f"{_key(each)}:watched", "1", ex=WATCHED_SECONDS)
                pipe.expire(_key(each), KEPT_SECONDS)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        log.warning("it can't be said that a follow is looked at", extra={"error": str(error)})


def is_watched(follow_id: int) -> bool:
    """Somebody looked within `WATCHED_SECONDS`; nobody, where Redis can't be reached."""
    try:
        return bool(queue.connection().exists(f"{_key(follow_id)}:watched"))
    except (redis.RedisError, OSError):
        return False
