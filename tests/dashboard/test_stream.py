"""GET /events on the real web process, with real Redis: no line missing, none doubled, and nobody sees what isn't theirs."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from dashboard.stream import reads
from deployments import live, queue
from deployments.models import AuditEntry, Target, User
from parts.processes import wait_until
from parts.valkey import Valkey
from tests.dashboard.story import Story, tell, write_lines
from tests.dashboard.web import Stream, Web, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real]


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis of this file's own: tests kill it."""
    with Valkey(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def shared_web(
    django_db_setup: None, django_db_blocker: Any, shared_redis: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """The web process, started once: what it remembers of earlier tests must not matter."""
    with Web(tmp_path_factory.mktemp("web"), shared_redis.url) as server:
        yield server


@pytest.fixture
def redis(shared_redis: Valkey, settings: Any) -> Iterator[Valkey]:
    """Redis, running, also for what this process publishes."""
    if not shared_redis.alive:
        shared_redis.start()
    settings.ESTIVA_REDIS_URL = shared_redis.url
    queue.connection.cache_clear()
    yield shared_redis
    queue.connection().close()
    queue.connection.cache_clear()


@pytest.fixture
def story(transactional_db: None) -> Story:
    """Ana, Bruno, Carla and their shop."""
    return tell()


@pytest.fixture
def web(shared_web: Web, story: Story, redis: Valkey) -> Iterator[Web]:
    """The web process, following Redis."""
    settled = follow(shared_web, story.ana, "overview")
    wait_until(lambda: _told_at_once(settled, story), "the web process follows the live tail", timeout=20)
    settled.close()
    yield shared_web
    shared_web.close_streams()


def _told_at_once(stream: Stream, story: Story) -> bool:
    """Whether news comes by Redis: an id that no row has."""
    queue.publish(live.wake_changed("host", 10**9))
    return any(event.data.get("id") == 10**9 for event in stream.events(0.3))


def first_target(story: Story) -> Target:
    return story.running.targets.order_by("pk")[0]


def follow(web: Web, user: User, watch: str, begin: str = "") -> Stream:
    return Stream(web, sign_in(user), watch).open(begin)


def test_lines_reach_a_viewer_as_they_are_written(web: Web, story: Story) -> None:
    target = first_target(story)
    stream = follow(web, story.bruno, f"deployment:{story.running.pk}", begin=f"t{target.pk}:0")
    assert stream.status == 200
    write_lines(target, 3)
    stream.until_line(3)
    write_lines(target, 2)
    stream.until_line(5)
    assert stream.lines == [1, 2, 3, 4, 5]
    assert stream.texts[0] == f"line 1 of {target.pk} ·"


def test_two_thousand_lines_over_twenty_reconnects(web: Web, story: Story) -> None:
    target = first_target(story)
    stream = Stream(web, sign_in(story.ana), f"deployment:{story.running.pk}")

    def write() -> None:
        for _ in range(200):
            write_lines(target, 10)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(20):
        stream.open(begin=f"t{target.pk}:0" if not stream.last_id else "")
        wanted = len(stream.lines) + 40
        stream.until_line(wanted)
        stream.close()
    writer.join()
    stream.open().until_line(2000)
    assert stream.lines == list(range(1, 2001))


def test_a_gap_is_filled_from_the_record(web: Web, story: Story) -> None:
    target = first_target(story)
    stream = follow(web, story.ana, f"deployment:{story.running.pk}", begin=f"t{target.pk}:0")
    write_lines(target, 5)
    stream.until_line(5)
    write_lines(target, 7, publish=False)
    write_lines(target, 1)
    stream.until_line(13)
    assert stream.lines == list(range(1, 14))


def test_two_targets_have_each_their_own_numbers(web: Web, story: Story) -> None:
    one, two = story.running.targets.order_by("pk")
    stream = follow(web, story.ana, f"deployment:{story.running.pk}", begin=f"t{one.pk}:0")
    write_lines(one, 3)
    write_lines(two, 2)
    seen: dict[int, list[int]] = {one.pk: [], two.pk: []}
    for event in stream.events():
        if event.name == "log":
            seen[event.data["target"]] += [row[0] for row in event.data["lines"]]
        if seen == {one.pk: [1, 2, 3], two.pk: [1, 2]}:
            break
    assert stream.last_id == f"t{one.pk}:3,t{two.pk}:2"


def test_without_a_place_to_begin_only_new_lines_come(web: Web, story: Story) -> None:
    target = first_target(story)
    write_lines(target, 50)
    stream = follow(web, story.ana, f"deployment:{story.running.pk}")
    wait_until(lambda: "estiva_streams 1.0" in _metrics(web, story), "the viewer is counted")
    write_lines(target, 1)
    stream.until_line(51)
    assert stream.lines == [51]


def test_redis_killed_and_back(web: Web, story: Story, redis: Valkey) -> None:
    target = first_target(story)
    stream = follow(web, story.ana, f"deployment:{story.running.pk}", begin=f"t{target.pk}:0")
    write_lines(target, 10)
    stream.until_line(10)
    redis.kill()
    write_lines(target, 10)
    stream.until_line(20)
    write_lines(target, 10)
    stream.until_line(30)
    redis.start()
    write_lines(target, 10)
    stream.until_line(40)
    began = time.monotonic()
    wait_until(lambda: _is_quick(stream, target), "the live tail is quick again", timeout=15)
    assert time.monotonic() - began < 15
    assert stream.lines == list(range(1, len(stream.lines) + 1))


def _is_quick(stream: Stream, target: Target) -> bool:
    began = time.monotonic()
    stream.until_line(write_lines(target, 1))
    return time.monotonic() - began < 0.5


def test_rows_that_move_while_redis_is_away_are_told(web: Web, story: Story, redis: Valkey) -> None:
    redis.kill()
    stream = follow(web, story.ana, f"deployment:{story.running.pk}")
    assert all(event.name == "changed" for event in stream.events(5))  # how it begins; then it is quiet
    story.running.targets.update(status="succeeded")
    stream.until("changed", kind="deployment", id=story.running.pk)


def test_changes_and_progress_reach_those_who_watch(web: Web, story: Story) -> None:
    target = first_target(story)
    placement = story.staging.pk
    direct = follow(web, story.bruno, f"deployment:{story.running.pk}")
    overview = follow(web, story.bruno, "overview")
    for stream in (direct, overview):
        stream.until("changed")  # both follow now: they were told to begin from the record
    queue.publish(live.wake_changed("deployment", story.running.pk, placement))
    direct.until("changed", kind="deployment", id=story.running.pk)
    overview.until("changed", kind="overview", id=0)
    queue.publish(live.wake_progress(target.pk, story.running.pk, "pull", 5, 10, "layer 1"))
    for stream in (direct, overview):
        seen = stream.until("progress", target=target.pk)
        assert (seen.data["step"], seen.data["done"], seen.data["total"]) == ("pull", 5, 10)


def test_a_deployers_overview_is_silent_about_what_is_not_theirs(web: Web, story: Story) -> None:
    stream = follow(web, story.bruno, "overview")
    stream.until("changed")
    queue.publish(live.wake_changed("deployment", story.foreign.pk, story.production.pk))
    queue.publish(live.wake_changed("host", story.foreign_host.pk))
    queue.publish(live.wake_changed("host", story.host.pk))
    told = []
    for event in stream.events():
        told.append((event.data["kind"], event.data["id"]))
        if told[-1] == ("host", story.host.pk):
            break
    assert ("deployment", story.foreign.pk) not in told
    assert ("host", story.foreign_host.pk) not in told


@pytest.mark.parametrize(
    "watch", ["deployment:{0.foreign.pk}", "host:{0.foreign_host.pk}", "placement:{0.production.pk}"]
)
def test_what_is_not_theirs_is_not_there(web: Web, story: Story, watch: str) -> None:
    stream = follow(web, story.bruno, watch.format(story))
    assert stream.status == 404
    denied = AuditEntry.objects.filter(actor_id=story.bruno.pk, outcome="denied").get()
    assert denied.address == "127.0.0.1"


@pytest.mark.parametrize("watch", ["deployment:999999", "secrets", "", "host:one", "deployment:1;drop"])
def test_what_does_not_exist(web: Web, story: Story, watch: str) -> None:
    assert follow(web, story.ana, watch).status == 404


def test_nobody_is_let_in_without_a_session(web: Web, story: Story) -> None:
    watch = f"deployment:{story.running.pk}"
    assert Stream(web, "", watch).open().status == 401
    assert Stream(web, "made-up", watch).open().status == 401


def test_deactivating_somebody_ends_their_stream_at_once(web: Web, story: Story) -> None:
    stream = follow(web, story.bruno, f"deployment:{story.running.pk}")
    other = follow(web, story.ana, f"deployment:{story.running.pk}")
    stream.until("changed")
    User.objects.filter(pk=story.bruno.pk).update(is_active=False, session_epoch=1)
    queue.publish(live.wake_changed("user", story.bruno.pk))
    began = time.monotonic()
    stream.until("bye")
    assert list(stream.events(5)) == []
    assert time.monotonic() - began < 2
    target = first_target(story)
    write_lines(target, 1)
    other.until_line(1)


def test_deactivating_somebody_ends_their_stream_soon_without_redis(web: Web, story: Story, redis: Valkey) -> None:
    redis.kill()
    stream = follow(web, story.bruno, f"deployment:{story.running.pk}")
    stream.until("changed")
    User.objects.filter(pk=story.bruno.pk).update(is_active=False, session_epoch=1)
    stream.until("bye", seconds=6)


def test_losing_a_grant_ends_the_stream(web: Web, story: Story) -> None:
    stream = follow(web, story.bruno, f"deployment:{story.running.pk}")
    stream.until("changed")
    story.bruno.grants.all().delete()
    queue.publish(live.wake_changed("user", story.bruno.pk))
    stream.until("bye")


def test_two_hundred_viewers_cost_few_threads_and_no_connections(web: Web, story: Story) -> None:
    target = first_target(story)
    session = sign_in(story.ana)
    seen = asyncio.run(_crowd(web, session, story.running.pk, target))
    assert seen["counts"] == [20] * 200
    assert seen["threads"] <= 12
    assert seen["databases"] <= 3 * reads.THREADS  # SQLite keeps three files open a connection


async def _crowd(web: Web, session: str, deployment: int, target: Target) -> dict[str, Any]:
    counts = [0] * 200

    async def view(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={session}\r\n"
        path = f"/events?watch=deployment:{deployment}&from=t{target.pk}:0"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n".encode())
        while counts[number] < 20:
            counts[number] += (await reader.readline()).count(b" of ")
        writer.close()
        await writer.wait_closed()

    viewers = [asyncio.create_task(view(number)) for number in range(200)]
    await asyncio.to_thread(wait_until, lambda: _metrics_streams(web, session) == 200, "all are connected", timeout=30)
    pid = web.worker_pid()
    status = Path(f"/proc/{pid}/status").read_text()
    threads = int(next(line.split()[1] for line in status.splitlines() if line.startswith("Threads:")))
    databases = sum(
        "sqlite3" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    )
    for _ in range(20):
        await asyncio.to_thread(write_lines, target, 1)
    async with asyncio.timeout(20):
        await asyncio.gather(*viewers)
    return {"counts": counts, "threads": threads, "databases": databases}


def _metrics(web: Web, story: Story) -> str:
    return web.get("/metrics", sign_in(story.ana)).text


def _metrics_streams(web: Web, session: str) -> int:
    text = web.get("/metrics", session).text
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("estiva_streams "))


def test_a_browser_that_does_not_read_costs_no_memory_and_misses_nothing(web: Web, story: Story) -> None:
    target = first_target(story)
    session = sign_in(story.ana)
    numbers, grown = asyncio.run(_sleeper(web, session, story, target))
    assert numbers == list(range(1, 20_001))
    assert grown < 12_000_000


async def _sleeper(web: Web, session: str, story: Story, target: Target) -> tuple[list[int], int]:
    """Connect, read nothing while 20 MB are written and another browser reads them, then read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", web.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}={session}\r\n"
    path = f"/events?watch=deployment:{story.running.pk}&from=t{target.pk}:0"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n".encode())
    await reader.readuntil(b"retry: 1000")
    before = _resident(web)
    awake = Stream(web, session, f"deployment:{story.running.pk}").open(begin=f"t{target.pk}:0")
    for _ in range(20):
        await asyncio.to_thread(write_lines, target, 1000, padding=500)
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


def test_the_process_ends_quickly_with_viewers(story: Story, redis: Valkey, tmp_path: Path) -> None:
    with Web(tmp_path, redis.url) as web:
        stream = follow(web, story.ana, f"deployment:{story.running.pk}")
        stream.until("changed")
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 5
        assert {event.name for event in stream.events(5)} <= {"changed"}
