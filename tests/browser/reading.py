"""What a test reads off the log viewer, and waits for."""

import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.stage import Row, row


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


def text_of(page: Page, selector: str) -> str:
    """An element's text, at once: `expect` describes the whole page when it fails, which takes long where there are many lines."""
    found: str = page.evaluate("(selector) => document.querySelector(selector)?.textContent ?? ''", selector)
    return found


def at_end(page: Page) -> bool:
    """Whether the newest line is in sight."""
    found: bool = page.evaluate(
        """() => {
          const log = document.querySelector(".log");
          return log.scrollHeight - log.scrollTop - log.clientHeight < 30;
        }"""
    )
    return found


def in_sight(page: Page, number: int) -> bool:
    """Whether that line of the only server can be seen."""
    found: bool = page.evaluate(
        """(number) => {
          const log = document.querySelector(".log");
          const row = log?.querySelector(`.number[href$=":L${number}"]`)?.parentNode;
          if (!row) return false;
          const [box, frame] = [row.getBoundingClientRect(), log.getBoundingClientRect()];
          return box.height > 0 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
        }""",
        number,
    )
    return found


def eventually(wanted: object, look: Callable[[], object], seconds: float = 8.0) -> None:
    """Until `look()` gives what is wanted: for what no element can be waited for."""
    end = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(0.03)
    assert seen == wanted
