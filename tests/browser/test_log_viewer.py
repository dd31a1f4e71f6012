"""The log viewer in a real browser: what is on record and what comes, none missing, none doubled, and how people move in it."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.scene import Scene
from tests.browser.stage import Row, Stage, row

pytestmark = pytest.mark.browser


def numbers(page: Page) -> list[int]:
    """The numbers of all lines shown, in their order."""
    found: list[int] = page.locator(".log .line > .number").evaluate_all(
        "(all) => all.map((one) => Number(one.textContent))"
    )
    return found


def texts(page: Page) -> list[str]:
    """The texts of all lines shown, in their order."""
    found: list[str] = page.locator(".log .line > .text").evaluate_all("(all) => all.map((one) => one.textContent)")
    return found


def counting(first: int, last: int, word: str = "line", **more: str) -> list[Row]:
    """Lines first to last: "line 1", "line 2"…"""
    return [row(number, f"{word} {number}", **more) for number in range(first, last + 1)]  # type: ignore[arg-type]


def state(page: Page, word: str) -> None:
    """Wait for the word in the log's bar."""
    expect(page.locator(".log-tools .state")).to_have_text(word)


def at_end(page: Page) -> bool:
    """Whether the newest line is in sight."""
    found: bool = page.locator(".log").evaluate("(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 30")
    return found


def in_sight(page: Page, number: int) -> bool:
    """Whether that line can be seen."""
    found: bool = page.locator(".log").evaluate(
        """(log, number) => {
          const row = [...log.querySelectorAll(".line")].find((one) => one.firstChild.textContent === String(number));
          if (!row) return false;
          const [box, frame] = [row.getBoundingClientRect(), log.getBoundingClientRect()];
          return box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
        }""",
        number,
    )
    return found


def eventually(wanted: object, look: object, seconds: float = 8.0) -> None:
    """Until `look()` gives what is wanted: for what no element can be waited for."""
    assert callable(look)
    end = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(0.03)
    assert seen == wanted


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
    for turn in range(5):
        stage.wait_for_streams()
        first = len(stage.lines[7]) + 1
        stage.grow(7, counting(first, first + 19))
        stage.drop()
        stage.lines[7].extend(counting(first + 20, first + 29))  # while nobody listened
        expect(page.locator(".log .line")).to_have_count(first + 19)
        stage.wait_for_streams(0)
        stage.wait_for_streams()
        stage.grow(7, counting(first + 30, first + 30))
        expect(page.locator(".log .line")).to_have_count(first + 30)
        assert numbers(page) == list(range(1, first + 31)), turn


def test_a_record_that_cannot_be_read_is_said_and_tried_again(scene: Scene) -> None:
    scene.allowed = ("500",)
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


# Permalinks


def test_a_permalink_opens_at_its_lines(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 4000)}, most=1000, is_complete=True), "#web-1:L120-L140")
    state(page, "Complete")
    eventually(True, lambda: in_sight(page, 120))
    assert page.locator(".log .line.mark > .number").all_inner_texts() == [str(number) for number in range(120, 141)]
    page.evaluate("location.hash = '#web-1:L3000'")
    eventually(True, lambda: in_sight(page, 3000))
    expect(page.locator(".log .line.mark")).to_have_count(1)


def test_clicking_numbers_makes_permalinks(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 20)}, is_complete=True))
    page.get_by_role("link", name="12", exact=True).click()
    assert page.evaluate("location.hash") == "#web-1:L12"
    page.get_by_role("link", name="15", exact=True).click(modifiers=["Shift"])
    assert page.evaluate("location.hash") == "#web-1:L12-L15"
    page.get_by_role("link", name="9", exact=True).click(modifiers=["Shift"])
    assert page.evaluate("location.hash") == "#web-1:L9-L12"
    expect(page.locator(".log .line.mark")).to_have_count(4)


def test_the_page_opens_where_it_is_told_to(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 2000)}, is_complete=True, attributes='data-open-at="web-1:L500"'))
    state(page, "Complete")
    eventually(True, lambda: in_sight(page, 500))
    expect(page.locator(".log .line.mark")).to_have_count(0)


# Filters, folds, search


def two_servers() -> Stage:
    """Two servers of two steps each."""
    lines = {
        7: counting(1, 5, "one", step="pull") + counting(6, 10, "one", step="health"),
        8: counting(1, 5, "two", step="pull") + counting(6, 10, "two", step="health"),
    }
    return Stage(lines=lines, names={7: "web-1", 8: "web-2"}, is_complete=True)


def test_one_server_and_one_step(scene: Scene) -> None:
    page = scene.open(two_servers())
    expect(page.locator(".log .line")).to_have_count(20)
    page.get_by_role("button", name="web-2", exact=True).click()
    expect(page.locator(".log .line")).to_have_count(10)
    assert set(texts(page)) == {f"two {number}" for number in range(1, 11)}
    page.get_by_label("Step").select_option("health")
    expect(page.locator(".log .line")).to_have_count(5)
    assert texts(page) == [f"two {number}" for number in range(6, 11)]
    page.get_by_role("button", name="All servers").click()
    expect(page.locator(".log .line")).to_have_count(10)


def test_a_permalink_undoes_a_filter_that_hides_it(scene: Scene) -> None:
    page = scene.open(two_servers())
    page.get_by_role("button", name="web-2", exact=True).click()
    page.get_by_label("Step").select_option("pull")
    page.evaluate("location.hash = '#web-1:L8'")
    expect(page.locator(".log .line.mark .text")).to_have_text("one 8")


def test_a_step_folds_away_and_opens_again(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 5) + counting(6, 9, step="health")}, is_complete=True))
    fold = page.get_by_role("button", name="Pull · web-1")
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.click()
    assert numbers(page) == [6, 7, 8, 9]
    expect(page.locator(".fold-count")).to_have_text("5 lines")
    fold.click()
    assert numbers(page) == list(range(1, 10))
    fold.click()
    page.evaluate("location.hash = '#web-1:L3'")
    eventually(True, lambda: in_sight(page, 3))


def test_search_goes_on_and_back_with_the_keys(scene: Scene) -> None:
    lines = counting(1, 2000)
    for number in range(400, 2001, 400):
        lines[number - 1] = row(number, f"line {number} \x1b[31mNeed\x1b[0mle")
    page = scene.open(Stage(lines={7: lines}, is_complete=True))
    state(page, "Complete")
    page.locator("body").press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("needle")
    count = page.locator(".found-count")
    expect(count).to_have_text("1 of 5")
    eventually(True, lambda: in_sight(page, 400))
    page.keyboard.press("Enter")
    expect(count).to_have_text("2 of 5")
    page.locator(".log").focus()
    page.keyboard.press("n")
    expect(count).to_have_text("3 of 5")
    eventually(True, lambda: in_sight(page, 1200))
    page.keyboard.press("N")
    page.keyboard.press("N")
    page.keyboard.press("N")
    expect(count).to_have_text("5 of 5")
    eventually(True, lambda: in_sight(page, 2000))
    painted = page.evaluate("[CSS.highlights.get('found').size, [...CSS.highlights.get('found-now')].map(String)]")
    assert painted == [5, ["Needle"]]
    page.locator("body").press("/")
    page.keyboard.press("Escape")
    expect(count).to_have_text("")


def test_search_sees_what_comes(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, 3)})
    page = scene.open(stage)
    stage.wait_for_streams()
    page.get_by_role("searchbox").fill("boom")
    expect(page.locator(".found-count")).to_have_text("nothing found")
    stage.grow(7, [row(4, "BOOM")])
    expect(page.locator(".found-count")).to_have_text("1 found")


def test_keys_of_top_end_and_wrap(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 500)}, is_complete=True))
    state(page, "Complete")
    eventually(True, lambda: at_end(page))
    page.keyboard.press("g")
    eventually(True, lambda: in_sight(page, 1))
    page.keyboard.press("Shift+G")
    eventually(True, lambda: at_end(page))
    page.keyboard.press("w")
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".log")).to_have_class(re.compile("no-wrap"))


# Copying


def test_copying_gives_the_lines_alone(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: [row(n, f"\x1b[32mgood\x1b[0m {n}") for n in range(1, 9)]}, is_complete=True))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="3", exact=True).click()
    page.get_by_role("link", name="5", exact=True).click(modifiers=["Shift"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_have_text("Copied 3 lines")
    assert page.evaluate("navigator.clipboard.readText()") == "good 3\ngood 4\ngood 5"


def test_copying_a_selection_over_lines(scene: Scene) -> None:
    page = scene.open(Stage(lines={7: counting(1, 9)}, is_complete=True))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.locator(".log .line")).to_have_count(9)
    page.evaluate(
        """() => {
          const cells = document.querySelectorAll(".log .text");
          getSelection().setBaseAndExtent(cells[1].firstChild, 2, cells[3].firstChild, 4);
        }"""
    )
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == "ne 2\nline 3\nline"
