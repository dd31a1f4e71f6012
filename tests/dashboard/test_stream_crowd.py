"""The live stream under many viewers, slow ones, and at its process's end: bounded, and nobody misses anything."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from dashboard.stream import endpoint, reads
from deployments.models import Role, Target
from parts.processes import wait_until
from parts.valkey import Valkey
from tests.dashboard.story import Story, first_target, person, write_lines_apart
from tests.dashboard.web import Stream, Web, follow, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real]


def test_two_hundred_viewers_cost_few_threads_and_no_connections(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    people = [live_story.ana, *(person(f"Admin{number}", Role.ADMIN) for number in range(7))]
    sessions = [sign_in(each) for each in people]
    seen = asyncio.run(_crowd(web, sessions, live_story.running.pk, target))
    assert seen["counts"] == [20] * 200
    assert seen["threads"] <= 12
    assert seen["databases"] <= 3 * reads.THREADS  # SQLite keeps three files open a connection


async def _crowd(web: Web, sessions: list[str], deployment: int, target: Target) -> dict[str, Any]:
    counts = [0] * 200

    async def view(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={sessions[number % len(sessions)]}\r\n"
        path = f"/events?watch=deployment:{deployment}&from=t{target.pk}:0"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n".encode())
        while counts[number] < 20:
            counts[number] += (await reader.readline()).count(b" of ")
        writer.close()
        await writer.wait_closed()

    viewers = [asyncio.create_task(view(number)) for number in range(200)]
    await asyncio.to_thread(
        wait_until, lambda: _metrics_streams(web, sessions[0]) == 200, "all are connected", timeout=30
    )
    pid = web.worker_pid()
    status = Path(f"/proc/{pid}/status").read_text()
    threads = int(next(line.split()[1] for line in status.splitlines() if line.startswith("Threads:")))
    databases = sum(
        "sqlite3" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    )
    for _ in range(20):
        await asyncio.to_thread(write_lines_apart, target, 1)
    async with asyncio.timeout(20):
        await asyncio.gather(*viewers)
    return {"counts": counts, "threads": threads, "databases": databases}


def test_nobody_takes_everybodys_places(web: Web, live_story: Story) -> None:
    watch = f"deployment:{live_story.running.pk}"
    session = sign_in(live_story.bruno)
    for _number in range(endpoint.MOST_STREAMS_EACH):
        stream = Stream(web, session, watch).open()
        stream.until("changed")
    assert Stream(web, session, watch).open().status == 429
    assert follow(web, live_story.ana, watch).status == 200


def _metrics_streams(web: Web, session: str) -> int:
    text = web.get("/metrics", session).text
    line = next(each for each in text.splitlines() if each.startswith("estiva_stream_viewers"))
    return int(float(line.rpartition(" ")[2]))


def test_a_browser_that_does_not_read_costs_no_memory_and_misses_nothing(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    session = sign_in(live_story.ana)
    numbers, grown = asyncio.run(_sleeper(web, session, live_story, target))
    assert numbers == list(range(1, 20_001))
    assert grown < 12_000_000


async def _sleeper(web: Web, session: str, live_story: Story, target: Target) -> tuple[list[int], int]:
    """Connect, read nothing while 20 MB are written and another browser reads them, then read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", web.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={session}\r\n"
    path = f"/events?watch=deployment:{live_story.running.pk}&from=t{target.pk}:0"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n".encode())
    await reader.readuntil(b"retry: 1000")
    before = _resident(web)
    awake = Stream(web, session, f"deployment:{live_story.running.pk}").open(begin=f"t{target.pk}:0")
    for _ in range(20):
        await asyncio.to_thread(write_lines_apart, target, 1000, padding=500)
    await asyncio.to_thread(awake.until_line, 20_000)
    grown = _resident(web) - before
    pieces = [await reader.read(65_536)]
    while b"line 20000 of" not in b"".join(pieces[-2:]):
        pieces.append(await reader.read(65_536))
    text = b"".join(pieces)
    writer.close()
    await writer.wait_closed()
    return [int(number) for number in re.findall(rb"line (\d+) of", re.sub(rb"\r\n[0-9a-f]+\r\n", b"", text))], grown


def _resident(web: Web) -> int:
    status = Path(f"/proc/{web.worker_pid()}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def test_the_process_ends_quickly_with_viewers(live_story: Story, live_redis: Valkey, tmp_path: Path) -> None:
    with Web(tmp_path, live_redis.url) as web:
        stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}")
        stream.until("changed")
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 5
        assert {event.name for event in stream.events(5)} <= {"changed"}
