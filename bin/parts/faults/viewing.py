"""Viewers of the live log: many at once, each dropped and back at random, each to see every line once and in order."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from parts.faults.visitor import Visitor

PATIENCE = 10.0


@dataclass
class Watcher:
    """One viewer: what arrived, when, and from where it goes on."""

    deployment: int
    target: int
    cookies: str
    url: str
    dice: random.Random
    drops: bool = True
    lines: list[int] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    connects: int = 0
    _position: str = ""

    @property
    def returns(self) -> int:
        """How often it was dropped and came back."""
        return max(0, self.connects - 1)

    async def watch(self, until: asyncio.Event) -> None:
        """Look on until told that it is over and everything has arrived."""
        while not until.is_set():
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                await self._once(until)
            await asyncio.sleep(self.dice.uniform(0.02, 0.5))

    async def _once(self, until: asyncio.Event) -> None:
        place = urllib.parse.urlsplit(self.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        leaves = time.monotonic() + (self.dice.uniform(0.1, 3) if self.drops else 1e9)
        try:
            query = urllib.parse.urlencode(
                {"watch": f"deployment:{self.deployment}", "from": self._position or f"t{self.target}:0"}
            )
            again = f"Last-Event-ID: {self._position}\r\n" if self._position else ""
            head = f"GET /events?{query} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {self.cookies}\r\n{again}\r\n"
            writer.write(head.encode())
            await writer.drain()
            status = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            if b" 200 " not in status.split(b"\r\n", 1)[0]:
                return
            self.connects += 1
            reading = asyncio.create_task(self._read(reader))
            while time.monotonic() < leaves and not until.is_set() and not reading.done():
                await asyncio.wait((reading,), timeout=min(0.5, max(0.0, leaves - time.monotonic())))
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for event in _events(reader):
            self._note(event)

    def _note(self, event: dict[str, str]) -> None:
        if event.get("event") == "log":
            told = json.loads(event["data"])
            if told["target"] == self.target:
                now = time.time()
                self.lines += [row[0] for row in told["lines"]]
                self.lags += [now - row[1] / 1000 for row in told["lines"]]
        self._position = event.get("id", self._position)


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
    """Server-sent events of a chunked answer."""
    held = b""
    while True:
        size = int((await reader.readline()).strip() or b"0", 16)
        if not size:
            return
        held += (await reader.readexactly(size + 2))[:-2]
        *whole, held = held.split(b"\n\n")
        for each in whole:
            fields = (line.partition(": ") for line in each.decode().split("\n"))
            yield {name: value for name, _, value in fields}


class Audience:
    """Viewers beside each other: `look` adds some, `until` lets them watch."""

    def __init__(self, people: list[Visitor], url: str, dice: random.Random) -> None:
        self._people, self._url, self._dice = people, url, dice
        self.watchers: list[Watcher] = []

    def look(self, deployment: int, target: int, count: int, *, drops: bool = True) -> None:
        """So many viewers of one Deployment's Target, spread over the people."""
        for number in range(count):
            cookies = self._people[number % len(self._people)].cookies
            dice = random.Random(self._dice.random())  # noqa: S311 - dice, not keys
            self.watchers.append(Watcher(deployment, target, cookies, self._url, dice, drops))

    async def until(self, last: Any, seconds: float) -> None:
        """Watch until each has seen line `last()` (0: not known yet), or the time (seconds) is over."""
        over = asyncio.Event()
        tasks = [asyncio.create_task(each.watch(over)) for each in self.watchers]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            final = await asyncio.to_thread(last)
            if final and all(each.lines[-1:] >= [final] for each in self.watchers):
                break
            await asyncio.sleep(0.3)
        over.set()
        await asyncio.gather(*tasks)
