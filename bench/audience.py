"""Many viewers of one live stream, in a process of their own on one event loop: `python -m bench.audience`, told as JSON on standard input.

They only keep what came and when, as raw bytes; it is taken apart once all is over, so that their own work delays nobody. `ON` on
standard output says that all have begun, and `RESULT ` and JSON what they saw.
"""

import asyncio
import json
import sys
import time
import urllib.parse
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from bench.feed import SAID
from bench.pairs import ROUNDS
from parts.story_browser import events

BEGIN_AT_ONCE = 20  # requests that are on their way; a browser more waits for its turn
SECONDS = 30.0
PARTS = ROUNDS  # of the lines: what rounds are where there are none


@dataclass
class Viewer:
    """One of them: what it has got, and when each piece came (seconds of the wall clock)."""

    cookies: str
    raw: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)  # of the pieces, as offsets
    at: list[float] = field(default_factory=list)
    problem: str = ""
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None  # held: a writer that is forgotten closes it

    async def begin(self, url: str, watch: str, position: str) -> None:
        """Send the request and read the answer's head."""
        place = urllib.parse.urlsplit(url)
        self.line = reader, writer = await asyncio.open_connection(place.hostname, place.port)
        query = urllib.parse.urlencode({"watch": watch, "from": position})
        head = f"GET /events?{query} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {self.cookies}\r\n\r\n"
        writer.write(head.encode())
        answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode("latin-1")
        status, _, headers = answer.partition("\r\n")
        if " 200 " not in status or "chunked" not in headers.lower():
            self.problem = status

    async def look(self, last: bytes) -> None:
        """Keep everything until a piece with this came."""
        assert self.line is not None
        seen = b""
        while last not in seen:
            piece = await self.line[0].read(65536)
            if not piece:
                self.problem = f"the stream ended after {len(self.raw)} bytes"
                return
            self.raw += piece
            self.ends.append(len(self.raw))
            self.at.append(time.time())
            seen = seen[-len(last) :] + piece

    def lines(self) -> Iterator[tuple[int, str, float]]:
        """Number, text and arrival of every line, in the order in which they came."""
        for whole, arrived in self._whole():
            for event, data in events(whole.splitlines(keepends=True)):
                if event == "log":
                    for row in json.loads(data)["lines"]:
                        yield row[0], row[4], arrived

    def _whole(self) -> Iterator[tuple[bytes, float]]:
        """The bytes of every event that came whole, from the answer's chunks."""
        place, held = 0, b""
        while (line_end := self.raw.find(b"\r\n", place)) >= 0:
            size = int(self.raw[place:line_end], 16)
            place = line_end + 2 + size + 2
            if not size or place > len(self.raw):
                return
            arrived = self.at[bisect_left(self.ends, place)]
            *whole, held = (held + bytes(self.raw[line_end + 2 : place - 2])).split(b"\n\n")
            yield from ((each, arrived) for each in whole)


def judge(viewers: Sequence[Viewer], lines: int) -> dict[str, Any]:
    """What was lost or came twice, for all of them together, and how long lines took (ms): all, and in parts one after the other."""
    lost = doubled = 0
    latencies: list[float] = []
    parts: list[list[float]] = [[] for _ in range(PARTS)]
    for viewer in viewers:
        numbers, said = [], []
        for number, text, arrived in viewer.lines():
            numbers.append(number)
            if match := SAID.fullmatch(text):
                said.append(int(match[1]))
                latencies.append((arrived - float(match[2])) * 1000)
                parts[(said[-1] - 1) * PARTS // lines].append(latencies[-1])
        expected = set(range(1, lines + 1))
        lost += len(expected - set(said)) + (max(numbers, default=0) - len(set(numbers)))
        doubled += len(numbers) - len(set(numbers)) + len(said) - len(set(said))
    problems = [each.problem for each in viewers if each.problem]
    of_all = _hundredths(latencies)
    heard = {"p50": of_all[49], "p99": of_all[98], "most": max(latencies, default=0.0)}
    told = {"lost": lost, "doubled": doubled, "lines": len(latencies), "problems": problems}
    return {**told, "latency_ms": heard, "p99_parts_ms": [_hundredths(part)[98] for part in parts]}


def _hundredths(values: Sequence[float]) -> list[float]:
    return quantiles(values, n=100) if len(values) > 1 else [*values, 0.0][:1] * 99


async def _watch(told: dict[str, Any]) -> list[Viewer]:
    viewers = [Viewer(told["cookies"][number % len(told["cookies"])]) for number in range(told["count"])]
    places = asyncio.Semaphore(BEGIN_AT_ONCE)

    async def begin(viewer: Viewer) -> None:
        async with places:
            await viewer.begin(told["url"], told["watch"], told["from"])

    await asyncio.gather(*(begin(each) for each in viewers))
    looking = [asyncio.create_task(each.look(told["last"].encode())) for each in viewers if not each.problem]
    print("ON", flush=True)
    _, late = await asyncio.wait(looking, timeout=told["seconds"])
    for task in late:
        task.cancel()
    return viewers


def main() -> int:
    """Watch as told; the exit code."""
    told = json.loads(sys.stdin.readline())
    viewers = asyncio.run(_watch(told))
    print(f"RESULT {json.dumps(judge(viewers, told['lines']))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
