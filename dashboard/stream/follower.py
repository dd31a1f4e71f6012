"""Follows the live tail for the whole process: one XREAD, and the database where Redis can't tell.

While Redis answers, the database is asked only now and then whether a line was written, or somebody shut out, whose wake entry got lost. While it doesn't,
the database is asked every two seconds, for what is watched and nothing else.
"""

import asyncio
import logging
import time
from typing import Any, Final

import redis.asyncio
from django.db import Error as AnyDatabaseError
from redis.exceptions import RedisError

from dashboard.stream import reads
from dashboard.stream.hub import LISTS, Hub
from deployments import follows, live, queue

log = logging.getLogger(__name__)

BLOCK_SECONDS: Final = 5
POLL_SECONDS: Final = 2.0
SAFETY_SECONDS: Final = 10.0
RECONNECT_SECONDS: Final = 1.0
BATCH: Final = 500


class Follower:
    """Feeds a hub until it is stopped."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.is_live = False
        self._since = ""
        self._marks: dict[str, object] = {}
        self._went_away = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._poll())]

    async def stop(self) -> None:
        """End both tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            client = redis.asyncio.Redis.from_url(
                queue.live_url(),
                decode_responses=True,
                socket_connect_timeout=2,
                socket_timeout=None,  # a blocking read takes as long as it takes; `_read` has a deadline of its own
            )
            try:
                await self._begin(client)
                while True:
                    await self._read(client)
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
            finally:
                await _close(client)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _begin(self, client: "redis.asyncio.Redis[str]") -> None:
        """Continue after the newest entry; whatever came before it, everybody finds in the record."""
        async with asyncio.timeout(BLOCK_SECONDS):
            newest = await client.xrevrange(live.WAKE_STREAM, count=1)
        self._since = newest[0][0] if newest else "0-0"
        if not self.is_live:
            self.is_live = True
            log.info("the live tail is followed")
        self.hub.start_over()

    async def _read(self, client: "redis.asyncio.Redis[str]") -> None:
        async with asyncio.timeout(BLOCK_SECONDS + 5):
            answer = await client.xread({live.WAKE_STREAM: self._since}, count=BATCH, block=BLOCK_SECONDS * 1000)
        for _, entries in _streams(answer):
            for number, entry in entries:
                self._since = number
                self._take(entry)

    def _take(self, entry: dict[str, str]) -> None:
        try:
            self.hub.take(entry)
        except (KeyError, ValueError) as error:  # another version's entry: the record has what it meant
            log.warning("live entry not understood", extra={"kind": entry.get("kind"), "error": repr(error)})

    def _lost(self, error: BaseException) -> None:
        if self.is_live or not self._since:
            log.warning("the live tail can't be followed; reading the database", extra={"error": repr(error)})
        self.is_live, self._since = False, self._since or "0-0"
        self._marks.clear()
        self._went_away.set()

    async def _poll(self) -> None:
        looked = time.monotonic()
        while True:
            await self._pause()
            if self.hub.follows:
                await reads.in_database(follows.keep_watched, self.hub.follows)
            if not self.hub.viewers or (self.is_live and time.monotonic() - looked < SAFETY_SECONDS):
                continue
            looked = time.monotonic()
            try:
                await self._look_at_lines()
                await self._look_at_people()
                if not self.is_live:
                    await self._look_at_rows()
            except AnyDatabaseError as error:
                log.warning("the database doesn't answer the live stream", extra={"error": str(error)})

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._went_away.wait()
        except TimeoutError:
            return
        self._went_away.clear()

    async def _look_at_lines(self) -> None:
        targets = self.hub.targets
        if not targets:
            return
        newest = await reads.in_database(reads.last_lines, targets)
        grown = [target for target, last in newest.items() if self.hub.grew(target, last)]
        if grown:
            self.hub.wake_all()

    async def _look_at_rows(self) -> None:
        marks = await reads.in_database(reads.marks, self.hub.keys)
        moved = [key for key, mark in marks.items() if key in self._marks and self._marks[key] != mark]
        begun = not self._marks
        self._marks = marks
        if begun:
            self.hub.start_over()
        for key in moved:
            kind, _, number = key.partition(":")
            self.hub.changed(kind if number else LISTS, int(number or 0))

    async def _look_at_people(self) -> None:
        people = await reads.in_database(reads.standings, {viewer.rights.user_id for viewer in self.hub.viewers})
        for viewer in self.hub.viewers:
            if people.get(viewer.rights.user_id) != viewer.rights.standing:
                viewer.check_rights_now()


def _streams(answer: Any) -> list[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """XREAD's answer under both protocols: a list of pairs, or a mapping whose values are lists of lists."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [(name, batch) for name, batches in answer.items() for batch in batches]
    return list(answer)


async def _close(client: "redis.asyncio.Redis[str]") -> None:
    try:
        await client.aclose()  # type: ignore[attr-defined] # the stubs are older than the library
    except (RedisError, OSError) as error:
        log.debug("closing a broken connection", extra={"error": repr(error)})
