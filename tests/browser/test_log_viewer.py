"""The log viewer in a real browser: what is on record and what comes, none missing, none doubled."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.reading import at_end, counting, eventually, in_sight, numbers, state, texts
from tests.browser.scene import Scene
from tests.browser.stage import Stage, row

pytestmark = pytest.mark.browser


# What is shown


def test_lines_on_record_and_live_lines_are_shown_once_each_in_order(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 120)}, most=50)
    page = scene.open(stage)
    state(page, "Live")
    stage.wait_for_streams()
    stage.grow(7, counting(121, 130))
    stage.say("log", {"target": 7, "lines": counting(118, 125)})  # a server may say some again
    stage.grow(7, counting(131, 131))
    expect(page.locator(".log .line")).to_have_count(131)
    assert numbers(page) == list(range(1, 132))


def test_the_stream_goes_on_where_the_page_was_made(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 33)})
    scene.open(stage)
    stage.wait_for_streams()
    assert "from=t7%3A33" in stage.asked_for("/events")[0]
    assert "watch=deployment%3A41" in stage.asked_for("/events")[0]


def test_a_gap_is_read_from_the_record(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 10)})
    page = scene.open(stage)
    stage.wait_for_streams()
    state(page, "Live")
    stage.lines[7].extend(counting(11, 19))  # written, but never told
    stage.grow(7, counting(20, 22))
    expect(page.locator(".log .line")).to_have_count(22)
    assert numbers(page) == list(range(1, 23))


def test_nothing_is_missing_or_doubled_over_dropped_streams(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 5)})
    page = scene.open(stage)
    stage.wait_for_streams()
    for turn in range(5):
        first = len(stage.lines[7]) + 1
        stage.grow(7, counting(first, first + 19))
        expect(page.locator(".log .line")).to_have_count(first + 19)
        stage.lines[7].extend(counting(first + 20, first + 29))  # while nobody listens
        stage.drop_and_wait()
        stage.grow(7, counting(first + 30, first + 30))
        expect(page.locator(".log .line")).to_have_count(first + 30)
        assert numbers(page) == list(range(1, first + 31)), turn


def test_a_record_that_cannot_be_read_is_said_and_tried_again(scene: Scene) -> None:
    scene.allowed += ("500",)
    stage = Stage(lines={7: counting(1, 8)}, fail_lines=2, is_complete=True)
    page = scene.open(stage)
    expect(page.locator(".log-problem")).to_be_visible()
    expect(page.locator(".log .line")).to_have_count(8)
    expect(page.locator(".log-problem")).to_be_hidden()


def test_two_servers_are_woven_by_time_and_told_apart(scene: Scene) -> None:
    lines = {
        7: [row(1, "one a", at=0), row(2, "one b", at=200)],
        8: [row(1, "two a", at=100), row(2, "two b", at=300)],
    }
    stage = Stage(lines=lines, names={7: "web-1", 8: "web-2"})
    page = scene.open(stage)
    state(page, "Live")
    assert texts(page) == ["one a", "two a", "one b", "two b"]
    stage.wait_for_streams()
    stage.grow(8, [row(3, "two c", at=600)])
    stage.grow(7, [row(3, "one c", at=500)])  # comes later, happened before
    expect(page.locator(".log .line")).to_have_count(6)
    assert texts(page) == ["one a", "two a", "one b", "two b", "one c", "two c"]
    assert page.locator(".log .line > .server").all_inner_texts() == [
        "web-1",
        "web-2",
        "web-1",
        "web-2",
        "web-1",
        "web-2",
    ]


def test_hostile_lines_stay_text(scene: Scene) -> None:
    evil = '<img src=x onerror="document.title=1"><script>1</script>'
    stage = Stage(
        lines={7: [row(1, evil), row(2, "\x1b]8;;javascript:alert(1)\x07here\x1b]8;;\x07 javascript:alert(1)")]},
        is_complete=True,
    )
    page = scene.open(stage)
    state(page, "Complete")
    assert texts(page) == [evil, "here javascript:alert(1)"]
    assert page.locator(".log .text *").count() == 0


def test_links_leave_nothing_behind(scene: Scene) -> None:
    stage = Stage(lines={7: [row(1, "see \x1b[34mhttps://docs.example/x\x1b[0m")]}, is_complete=True)
    page = scene.open(stage)
    link = page.locator(".log .text a")
    expect(link).to_have_attribute("href", "https://docs.example/x")
    expect(link).to_have_attribute("rel", re.compile(r"\bnoopener\b.*\bnoreferrer\b"))


def test_colours_and_the_last_state_of_progress(scene: Scene) -> None:
    stage = Stage(lines={7: [row(1, "\x1b[1;31mFATAL\x1b[0m now"), row(2, "10 %\r60 %\r100 %")]}, is_complete=True)
    page = scene.open(stage)
    expect(page.locator(".log .f1.bold")).to_have_text("FATAL")
    assert texts(page)[1] == "100 %"


# Following


def test_it_follows_lets_go_and_says_how_many_came(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 300)})
    page = scene.open(stage)
    state(page, "Live")
    stage.wait_for_streams()
    eventually(True, lambda: at_end(page))
    stage.grow(7, counting(301, 350))
    expect(page.locator(".log .line")).to_have_count(350)
    eventually(True, lambda: at_end(page))

    page.locator(".log").hover()
    page.mouse.wheel(0, -600)
    eventually(False, lambda: at_end(page))
    before = page.locator(".log").evaluate("(log) => log.scrollTop")
    stage.grow(7, counting(351, 662))
    jump = page.get_by_role("button", name="312 new lines")
    expect(jump).to_be_visible()
    assert page.locator(".log").evaluate("(log) => log.scrollTop") == before
    jump.click()
    eventually(True, lambda: at_end(page))
    expect(page.locator(".jump")).to_be_hidden()
    stage.grow(7, counting(663, 700))
    eventually(True, lambda: in_sight(page, 700))


def test_a_finished_log_says_so_without_losing_its_last_lines(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 3)})
    page = scene.open(stage)
    stage.wait_for_streams()
    state(page, "Live")
    stage.lines[7].extend(counting(4, 6))  # their telling got lost
    stage.head = stage.head.replace(" data-open", "").replace('"run"', '"good"')
    stage.say("changed", {"kind": "deployment", "id": 41})
    state(page, "Complete")
    expect(page.locator(".log .line")).to_have_count(6)


def test_an_empty_log_says_why(scene: Scene) -> None:
    page = scene.open(Stage())
    expect(page.locator(".log-empty")).to_have_text("The first line has not come yet.")
    page = scene.open(Stage(is_complete=True))
    expect(page.locator(".log-empty")).to_have_text("Nothing was logged.")
