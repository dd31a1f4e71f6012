"""A followed container's lines and what containers take, through Redis and the real web process to who may see them."""

from __future__ import annotations

from deployments import follows, live, queue
from deployments.live import LogLine, encode_lines
from parts.processes import wait_until
from tests.dashboard import web as browsers
from tests.dashboard.rooms import follow
from tests.dashboard.story import Story
from tests.dashboard.web import Web, sign_in


def lines(first: int, last: int) -> str:
    """Lines of these numbers, as the worker writes them."""
    return encode_lines(
        [LogLine(number, 1000, "runtime", "stdout", f"line {number}") for number in range(first, last + 1)]
    )


def test_lines_arrive_once_and_resume(web: Web, live_story: Story) -> None:
    story = live_story
    row = follow(story.host, story.staging)
    assert follows.append(row.pk, 1, 3, lines(1, 3))
    stream = browsers.follow(web, story.bruno, f"follow:{row.pk}", begin=f"t-{row.pk}:0")
    stream.until_line(3)
    follows.append(row.pk, 4, 400, lines(4, 400))
    stream.until_line(400)
    stream.close()
    follows.append(row.pk, 401, 420, lines(401, 420))
    stream.open()
    stream.until_line(420)
    assert stream.lines == list(range(1, 421))
    assert stream.texts[-1] == "line 420"
    page = web.get(f"/follows/{row.pk}/lines?after=418", sign_in(story.bruno)).text
    assert '"last": 420' in page
    whole = web.get(f"/follows/{row.pk}/raw", sign_in(story.bruno))
    assert (whole.status, whole.text.count("\n")) == (200, 420), whole.text


def test_looking_is_what_keeps_it_going(web: Web, live_story: Story) -> None:
    row = follow(live_story.host, live_story.staging)
    assert not follows.is_watched(row.pk)
    stream = browsers.follow(web, live_story.ana, f"follow:{row.pk}")
    wait_until(lambda: follows.is_watched(row.pk), "it is said that somebody looks", timeout=10)
    stream.close()
    assert 0 < queue.connection().ttl(f"estiva:follow:{row.pk}:watched") <= follows.WATCHED_SECONDS


def test_everybody_hears_of_their_own_containers_alone(web: Web, live_story: Story) -> None:
    story = live_story
    row = follow(story.host, None)
    ana = browsers.follow(web, story.ana, f"follow:{row.pk}")
    bruno = browsers.follow(web, story.bruno, f"follow:{row.pk}")
    for each in (ana, bruno):
        each.until("changed", kind="follow")
    values = {
        "aaa": [story.staging.pk, 12.5, 7.0, 0.0],
        "bbb": [story.production.pk, 1.0, 8.0, 0.0],
        "ccc": [0, 2.0, 9.0, 0.0],
    }
    queue.publish(live.wake_usage(row.pk, values))
    assert set(ana.until("usage").data) == {"aaa", "bbb", "ccc"}
    assert bruno.until("usage").data == {"aaa": [12.5, 7.0, 0.0]}
