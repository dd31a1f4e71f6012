"""GET /events on the real web process, with real Redis: no line missing, none doubled, and nobody sees what isn't theirs."""

from __future__ import annotations

import threading
import time

import pytest

from deployments import live, queue
from deployments.models import AuditEntry, Target, User
from parts.processes import wait_until
from parts.valkey import Valkey
from tests.dashboard.story import Story, first_target, write_lines, write_lines_apart
from tests.dashboard.web import Stream, Web, follow, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real]


def test_lines_reach_a_viewer_as_they_are_written(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    stream = follow(web, live_story.bruno, f"deployment:{live_story.running.pk}", begin=f"t{target.pk}:0")
    assert stream.status == 200
    write_lines(target, 3)
    stream.until_line(3)
    write_lines(target, 2)
    stream.until_line(5)
    assert stream.lines == [1, 2, 3, 4, 5]
    assert stream.texts[0] == f"line 1 of {target.pk} ·"


def test_two_thousand_lines_over_twenty_reconnects(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    stream = Stream(web, sign_in(live_story.ana), f"deployment:{live_story.running.pk}")

    def write() -> None:
        for _ in range(200):
            write_lines_apart(target, 10)

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


def test_a_gap_is_filled_from_the_record(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}", begin=f"t{target.pk}:0")
    write_lines(target, 5)
    stream.until_line(5)
    write_lines(target, 7, publish=False)
    write_lines(target, 1)
    stream.until_line(13)
    assert stream.lines == list(range(1, 14))


def test_two_targets_have_each_their_own_numbers(web: Web, live_story: Story) -> None:
    one, two = live_story.running.targets.order_by("pk")
    stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}", begin=f"t{one.pk}:0")
    write_lines(one, 3)
    write_lines(two, 2)
    seen: dict[int, list[int]] = {one.pk: [], two.pk: []}
    for event in stream.events():
        if event.name == "log":
            seen[event.data["target"]] += [row[0] for row in event.data["lines"]]
        if seen == {one.pk: [1, 2, 3], two.pk: [1, 2]}:
            break
    assert stream.last_id == f"t{one.pk}:3,t{two.pk}:2"


def test_without_a_place_to_begin_only_new_lines_come(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    write_lines(target, 50)
    stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}")
    stream.until("changed")  # it has begun: told where the record stood
    write_lines(target, 1)
    stream.until_line(51)
    assert stream.lines == [51]


def test_redis_killed_and_back(web: Web, live_story: Story, live_redis: Valkey) -> None:
    target = first_target(live_story)
    stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}", begin=f"t{target.pk}:0")
    write_lines(target, 10)
    stream.until_line(10)
    live_redis.kill()
    write_lines(target, 10)
    stream.until_line(20)
    write_lines(target, 10)
    stream.until_line(30)
    live_redis.start()
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


def test_rows_that_move_while_redis_is_away_are_told(web: Web, live_story: Story, live_redis: Valkey) -> None:
    live_redis.kill()
    stream = follow(web, live_story.ana, f"deployment:{live_story.running.pk}")
    assert all(event.name == "changed" for event in stream.events(5))  # how it begins; then it is quiet
    live_story.running.targets.update(status="succeeded")
    stream.until("changed", kind="deployment", id=live_story.running.pk)


def test_changes_and_progress_reach_those_who_watch(web: Web, live_story: Story) -> None:
    target = first_target(live_story)
    placement = live_story.staging.pk
    direct = follow(web, live_story.bruno, f"deployment:{live_story.running.pk}")
    overview = follow(web, live_story.bruno, "overview")
    for stream in (direct, overview):
        stream.until("changed")  # both follow now: they were told to begin from the record
    queue.publish(live.wake_changed("deployment", live_story.running.pk, placement))
    direct.until("changed", kind="deployment", id=live_story.running.pk)
    overview.until("changed", kind="overview", id=0)
    queue.publish(live.wake_progress(target.pk, live_story.running.pk, "pull", 5, 10, "layer 1"))
    for stream in (direct, overview):
        seen = stream.until("progress", target=target.pk)
        assert (seen.data["step"], seen.data["done"], seen.data["total"]) == ("pull", 5, 10)


def test_a_deployers_overview_is_silent_about_what_is_not_theirs(web: Web, live_story: Story) -> None:
    stream = follow(web, live_story.bruno, "overview")
    stream.until("changed")
    queue.publish(live.wake_changed("deployment", live_story.foreign.pk, live_story.production.pk))
    queue.publish(live.wake_changed("host", live_story.foreign_host.pk))
    queue.publish(live.wake_changed("host", live_story.host.pk))
    told = []
    for event in stream.events():
        told.append((event.data["kind"], event.data["id"]))
        if told[-1] == ("host", live_story.host.pk):
            break
    assert ("deployment", live_story.foreign.pk) not in told
    assert ("host", live_story.foreign_host.pk) not in told


@pytest.mark.parametrize(
    "watch", ["deployment:{0.foreign.pk}", "host:{0.foreign_host.pk}", "placement:{0.production.pk}"]
)
def test_what_is_not_theirs_is_not_there(web: Web, live_story: Story, watch: str) -> None:
    stream = follow(web, live_story.bruno, watch.format(live_story))
    assert stream.status == 404
    denied = AuditEntry.objects.filter(actor_id=live_story.bruno.pk, outcome="denied").get()
    assert denied.address == "127.0.0.1"


@pytest.mark.parametrize("watch", ["deployment:999999", "secrets", "", "host:one", "deployment:1;drop"])
def test_what_does_not_exist(web: Web, live_story: Story, watch: str) -> None:
    assert follow(web, live_story.ana, watch).status == 404


def test_nobody_is_let_in_without_a_session(web: Web, live_story: Story) -> None:
    watch = f"deployment:{live_story.running.pk}"
    assert Stream(web, "", watch).open().status == 401
    assert Stream(web, "made-up", watch).open().status == 401


def test_deactivating_somebody_ends_their_stream_at_once(web: Web, live_story: Story) -> None:
    stream = follow(web, live_story.bruno, f"deployment:{live_story.running.pk}")
    other = follow(web, live_story.ana, f"deployment:{live_story.running.pk}")
    for each in (stream, other):
        each.until("changed")  # both have begun: without a place to begin, only what is written from here on comes
    User.objects.filter(pk=live_story.bruno.pk).update(is_active=False, session_epoch=1)
    queue.publish(live.wake_changed("user", live_story.bruno.pk))
    began = time.monotonic()
    stream.until("bye")
    assert list(stream.events(5)) == []
    assert time.monotonic() - began < 2
    target = first_target(live_story)
    write_lines(target, 1)
    other.until_line(1)


def test_deactivating_somebody_ends_their_stream_soon_without_redis(
    web: Web, live_story: Story, live_redis: Valkey
) -> None:
    live_redis.kill()
    stream = follow(web, live_story.bruno, f"deployment:{live_story.running.pk}")
    stream.until("changed")
    User.objects.filter(pk=live_story.bruno.pk).update(is_active=False, session_epoch=1)
    stream.until("bye", seconds=6)


def test_losing_a_grant_ends_the_stream(web: Web, live_story: Story) -> None:
    stream = follow(web, live_story.bruno, f"deployment:{live_story.running.pk}")
    stream.until("changed")
    live_story.bruno.grants.all().delete()
    queue.publish(live.wake_changed("user", live_story.bruno.pk))
    stream.until("bye")
