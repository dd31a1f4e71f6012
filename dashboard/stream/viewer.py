"""One browser: its cursors, and the loop that writes what lies past them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from django.db import Error as AnyDatabaseError

from dashboard.stream import frames, reads
from dashboard.stream.hub import LISTS, Change, Hub, Progress
from dashboard.stream.ring import Entry
from dashboard.stream.watching import Asked, Rights, log_key, write_vector

KEEPALIVE_SECONDS: Final = 15.0
RIGHTS_SECONDS: Final = 60.0
PROGRESS_SECONDS: Final = 0.2
"""Progress is drawn by people's eyes: five times a second is plenty."""

RETRY_SECONDS: Final = 2.0

Write = Callable[[bytes], Awaitable[None]]


class Gone(Exception):
    """The browser has closed the connection."""


class Viewer:
    """Reads from the hub at its own pace; `write` returns when the browser has taken enough of what was sent before."""

    def __init__(
        self, hub: Hub, asked: Asked, rights: Rights, look_up_rights: Callable[[], Awaitable[Rights]], write: Write
    ) -> None:
        self.hub = hub
        self.asked = asked
        self.rights = rights
        self.woken = asyncio.Event()
        self.is_gone = False
        self.positions: dict[int, int] = {}
        self._look_up_rights = look_up_rights
        self._write = write
        self._serial = hub.serial
        self._progress_serial = hub.serial
        self._usage_serial = 0
        self._epoch = hub.epoch
        now = time.monotonic()
        self._next = {"keepalive": now + KEEPALIVE_SECONDS, "rights": now + RIGHTS_SECONDS, "progress": now}

    def check_rights_now(self) -> None:
        """Look again at once at what this person may see."""
        self._next["rights"] = 0.0
        self.woken.set()

    def leave(self) -> None:
        """The connection is closed, or this process ends."""
        self.is_gone = True
        self.woken.set()

    async def run(self) -> None:
        """Until the browser leaves, or may no longer look (then it is told bye)."""
        await self._write(frames.RETRY)
        await self._begin()
        try:
            while not self.is_gone:
                self.woken.clear()
                await self._due()
                await self._write_news()
                await self._rest()
        except reads.NotSignedIn:
            await self._write(frames.BYE)
        except reads.NotVisible:
            await self._write(frames.BYE)

    async def _begin(self) -> None:
        """Where to begin: as asked, else at the newest line of each target."""
        targets = {target for found in self.rights.targets.values() for target in found}
        newest = await reads.in_database(reads.last_lines, targets)
        asked = self.asked.positions
        for target, last in newest.items():
            if self.hub.grew(target, last):
                self._wake_who_watches(target)  # an entry got lost: the others would wait for their keepalive
            self.positions[target] = last if asked is None else min(asked.get(target, 0), self.hub.newest(target))
        if targets:
            await self._write(frames.position(write_vector(self.positions)))
        # the page is older than this stream: what moved in between would be lost
        await self._write_everything_changed()

    def _wake_who_watches(self, target_id: int) -> None:
        self.hub.wake(*(log_key(key) for key, found in self.rights.targets.items() if target_id in found))

    async def _rest(self) -> None:
        timeout = max(0.0, min(self._next["keepalive"], self._next["rights"]) - time.monotonic())
        if self._has_progress():
            timeout = min(timeout, max(0.0, self._next["progress"] - time.monotonic()))
        try:
            async with asyncio.timeout(timeout):
                await self.woken.wait()
        except TimeoutError:
            return

    async def _due(self) -> None:
        now = time.monotonic()
        if now >= self._next["rights"]:
            self._next["rights"] = now + RIGHTS_SECONDS
            await self._renew_rights()
        if now >= self._next["keepalive"]:
            await self._write(frames.KEEPALIVE)
            self._next["keepalive"] = time.monotonic() + KEEPALIVE_SECONDS

    async def _renew_rights(self) -> None:
        try:
            self.rights = await self._look_up_rights()
        except AnyDatabaseError:
            self._next["rights"] = time.monotonic() + RETRY_SECONDS

    async def _write_news(self) -> None:
        """Lines before the changes that were known when we began: a run's end is told after its last line."""
        missed = self._epoch != self.hub.epoch
        if missed:
            self._epoch = self.hub.epoch
            await self._grow()
        told = self._changes()
        for target_id in list(self.positions):
            await self._write_lines(target_id)
        if missed or told is None:
            await self._write_everything_changed()
        for noun, number in told or ():
            await self._write(frames.changed(noun, number))
        await self._write_usage()
        await self._write_progress()

    async def _grow(self) -> None:
        """What the record holds by now, where entries may have been missed."""
        try:
            newest = await reads.in_database(reads.last_lines, self.positions)
        except AnyDatabaseError:
            return
        for target, last in newest.items():
            self.hub.grew(target, last)

    async def _write_everything_changed(self) -> None:
        for key in sorted(self.asked.keys):
            kind, _, number = key.partition(":")
            await self._write(frames.changed(kind, int(number)))
        for name in sorted(self.asked.lists):
            await self._write(frames.changed(name, 0))

    def _changes(self) -> list[tuple[str, int]] | None:
        """What to tell of since last time, each once; None when more happened than is kept."""
        since, self._serial = self._serial, self.hub.serial
        news: list[Change] = []
        for change in reversed(self.hub.changes):
            if change.serial <= since:
                break
            news.append(change)
        else:
            if len(self.hub.changes) == self.hub.changes.maxlen:
                return None
        return list(dict.fromkeys(pair for change in reversed(news) for pair in self._told_of(change)))

    def _told_of(self, change: Change) -> Iterator[tuple[str, int]]:
        if change.noun == LISTS:
            yield from ((name, 0) for name in sorted(self.asked.lists))
            return
        keys = self.asked.keys
        if f"{change.noun}:{change.object_id}" in keys:
            yield change.noun, change.object_id
        if change.placement_id and f"placement:{change.placement_id}" in keys:
            yield "placement", change.placement_id
            yield change.noun, change.object_id
        if self.asked.lists and self.rights.sees(change.noun, change.object_id, change.placement_id):
            yield change.noun, change.object_id
            if change.placement_id:
                yield "placement", change.placement_id
            for name in sorted(self.asked.lists):
                yield name, 0

    async def _write_lines(self, target_id: int) -> None:
        while not self.is_gone and self.positions[target_id] < self.hub.newest(target_id):
            await self._due()  # a long log to a slow browser takes minutes: rights may end meanwhile
            held = self.hub.held(target_id, self.positions[target_id])
            if held is not None:
                await self._write_entry(target_id, held)
                continue
            try:
                found = await self.hub.recorded(target_id, self.positions[target_id])
            except AnyDatabaseError:
                return  # the record can't be read now: the next wake, or the poll, tries again
            if not found:
                # known to exist, yet not read: Redis, where a follow's lines stand, may have been slow for a moment
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self.woken.set)
                return
            for entry in found:
                fresh = entry.after(self.positions[target_id])
                if fresh.last > self.positions[target_id]:
                    await self._write_entry(target_id, fresh)

    async def _write_entry(self, target_id: int, entry: Entry) -> None:
        vector = write_vector({**self.positions, target_id: entry.last})
        await self._write(frames.log(target_id, entry.lines, vector))
        self.positions[target_id] = entry.last

    async def _write_usage(self) -> None:
        """What containers take: everything, or that of the Placements that this person may see."""
        since, rights = self._usage_serial, self.rights
        for number in self.asked.ids["follow"]:
            usage = self.hub.usage.get(number)
            if usage is None or usage.serial <= since:
                continue
            self._usage_serial = max(self._usage_serial, usage.serial)
            shown = {
                key: values[1:]
                for key, values in usage.values.items()
                if rights.sees_all or int(values[0]) in rights.placements
            }
            await self._write(frames.usage(shown))

    def _has_progress(self) -> bool:
        return any(
            step.serial > self._progress_serial for _, steps in self._watched_progress() for step in steps.values()
        )

    def _watched_progress(self) -> Iterator[tuple[int, dict[tuple[int, str], Progress]]]:
        for deployment_id, steps in self.hub.progress.items():
            if self.asked.lists or f"deployment:{deployment_id}" in self.asked.keys:
                yield deployment_id, steps

    async def _write_progress(self) -> None:
        if time.monotonic() < self._next["progress"]:
            return
        since, self._progress_serial = self._progress_serial, self.hub.serial
        wrote = False
        for deployment_id, steps in list(self._watched_progress()):
            direct = f"deployment:{deployment_id}" in self.asked.keys
            for step in list(steps.values()):
                if step.serial > since and (direct or self.rights.sees("deployment", deployment_id, step.placement_id)):
                    await self._write(frames.progress(step.values))
                    wrote = True
        if wrote:
            self._next["progress"] = time.monotonic() + PROGRESS_SECONDS
