"""Long logs stay smooth; of very long ones a stretch is held, and the rest is found all the same."""

import pytest
from playwright.sync_api import Page

from tests.browser.reading import at_end, counting, eventually, in_sight, numbers, text_of
from tests.browser.scene import Scene
from tests.browser.stage import Stage, row

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

MANY = 50_000
LONG = 90_000  # more than is held at once

TIMED = """(act) => new Promise((resolve) => {
  const log = document.querySelector(".log");
  const begun = performance.now();
  if (act === "top") log.scrollTop = 0;
  if (act === "middle") log.scrollTop = log.scrollHeight / 2;
  if (act === "end") log.scrollTop = log.scrollHeight;
  void log.offsetHeight;
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
})"""

WATCH_LONG_TASKS = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({ type: "longtask", buffered: true });
}"""


def colourful(number: int) -> str:
    """Every tenth line in colours, every hundredth very long."""
    if number % 100 == 0:
        return f"\x1b[33mwarn\x1b[0m {number} " + "word " * 80
    return (
        f"\x1b[32m{number}\x1b[0m ok https://example.org/{number}"
        if number % 10 == 0
        else f"line {number} of a chatty application"
    )


def rows_shown(page: Page) -> int:
    """How many lines there are."""
    return page.evaluate("document.querySelectorAll('.log .line').length")  # type: ignore[no-any-return]


def test_fifty_thousand_lines_stay_smooth(scene: Scene) -> None:
    stage = Stage(lines={7: [row(number, colourful(number)) for number in range(1, MANY + 1)]})
    page = scene.open(stage)
    page.evaluate(WATCH_LONG_TASKS)
    eventually("Live", lambda: text_of(page, ".log-tools .state"), 60)
    eventually(MANY, lambda: rows_shown(page), 30)
    eventually(True, lambda: at_end(page))
    assert page.evaluate("window.longest") < 1000, "while it was read"

    page.evaluate("window.longest = 0")
    times = {act: page.evaluate(TIMED, act) for act in ("top", "middle", "end")}
    assert max(times.values()) < 500, times
    for _ in range(20):
        stage.grow(7, [row(len(stage.lines[7]) + 1 + n, "more") for n in range(50)])
    eventually(True, lambda: in_sight(page, MANY + 1000), 20)
    assert page.evaluate("window.longest") < 500, "while it came"
    full = page.locator(".log .block.full").evaluate_all(
        "(all) => all.filter((one) => getComputedStyle(one).contentVisibility !== 'auto').length"
    )
    assert full == 0

    page.get_by_role("searchbox").fill("warn 25000")
    eventually("1 of 1", lambda: text_of(page, ".found-count"), 20)
    eventually(True, lambda: in_sight(page, 25_000))


def test_of_a_very_long_log_the_end_is_held_first(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, LONG)})
    page = scene.open(stage)
    eventually("Live", lambda: text_of(page, ".log-tools .state"), 60)
    eventually(True, lambda: in_sight(page, LONG), 20)
    assert numbers(page)[0] == 60_001
    assert text_of(page, ".edge").startswith("60,000 lines before these")

    page.get_by_role("button", name="Show earlier lines").click()
    eventually(40_000, lambda: rows_shown(page), 30)
    assert numbers(page) == list(range(50_001, LONG + 1))
    eventually(True, lambda: in_sight(page, 60_001))


def test_a_line_far_away_is_read_where_it_is(scene: Scene) -> None:
    stage = Stage(lines={7: counting(1, LONG)})
    page = scene.open(stage, "#web-1:L12345")
    eventually(True, lambda: in_sight(page, 12_345), 30)
    eventually("Live", lambda: text_of(page, ".log-tools .state"), 30)
    stage.wait_for_streams()
    stage.grow(7, counting(LONG + 1, LONG + 3))  # it isn't held: no gap is seen, nothing is shown at a wrong place
    page.get_by_role("button", name="Go to the end").click()
    eventually(True, lambda: in_sight(page, LONG + 3), 30)
    stage.grow(7, counting(LONG + 4, LONG + 5))
    eventually(True, lambda: in_sight(page, LONG + 5), 20)
    found = numbers(page)
    assert found == list(range(found[0], LONG + 6))


def test_the_search_of_a_long_log_is_the_servers(scene: Scene) -> None:
    lines = counting(1, LONG)
    for number in (5, 20_000, 70_000):
        lines[number - 1] = row(number, "the needle")
    page = scene.open(Stage(lines={7: lines}, is_complete=True))
    eventually("Complete", lambda: text_of(page, ".log-tools .state"), 60)
    page.get_by_role("searchbox").fill("needle")
    eventually("1 of 3", lambda: text_of(page, ".found-count"), 20)
    eventually(True, lambda: in_sight(page, 5), 30)
    page.keyboard.press("Enter")
    eventually(True, lambda: in_sight(page, 20_000), 30)
    page.keyboard.press("Enter")
    eventually(True, lambda: in_sight(page, 70_000), 30)


def test_who_goes_on_while_the_last_piece_is_still_drawn_gets_there(scene: Scene) -> None:
    """The next place is asked for at the very moment when the stretch around the first one has been read, and isn't drawn yet."""
    lines = counting(1, LONG)
    for number in (5, 20_000 + LONG // 2):
        lines[number - 1] = row(number, "the needle")
    page = scene.open(Stage(lines={7: lines}, is_complete=True))
    eventually("Complete", lambda: text_of(page, ".log-tools .state"), 60)
    page.evaluate(
        """() => {
          const state = document.querySelector(".log-tools .state");
          const input = document.querySelector(".log-tools input[type=search]");
          let wasLoading = false;
          const watch = new MutationObserver(() => {
            wasLoading ||= state.textContent.includes("Loading");
            if (!wasLoading || !state.textContent.includes("Complete")) return;
            watch.disconnect();
            input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
          });
          watch.observe(state, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.get_by_role("searchbox").fill("needle")
    eventually("2 of 2", lambda: text_of(page, ".found-count"), 30)
    eventually(True, lambda: in_sight(page, 20_000 + LONG // 2), 20)
