"""A person at a browser of their own. Whatever their browser complains of is kept, and fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, Locator, Page, Request, Response, expect
from playwright.sync_api import Error as PlaywrightError

PATIENCE: Final = 20_000  # ms; what a real deploy may take on a busy machine, not what it does take
DESK: Final = {"width": 1440, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
# Chromium drops what is under way when any interface of the machine gets an address, as when a Docker Engine starts beside us.
NETWORK_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
ERROR_PAGE: Final = "chrome-error://"  # where Chromium goes for a moment when that happens in the midst of a navigation
_TELL_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI || event.sample} in ${event.sourceFile}`));
"""
_TOO_WIDE: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const scrolls = (element) => element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement))
    .map((element) => `${element.tagName.toLowerCase()}.${element.className} "${element.textContent.trim().slice(0, 40)}"`);
}"""


class Visitor:
    """One person in one browser context; `page` is the tab they look at."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self._forgiven: tuple[str, ...] = (NETWORK_CHANGED,)
        self._dropped = False
        self.context = browser.new_context(**{"viewport": DESK, "locale": "en-GB", "timezone_id": "UTC", **options})
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(_TELL_VIOLATIONS)
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.on(
            "console", lambda message: self._heard(message.type, f"{message.text} {message.location.get('url', '')}")
        )
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)
        return page

    def go(self, path: str) -> Page:
        """Open a path of the dashboard, or a whole address."""
        self.visit(path if path.startswith("http") else f"{self.url}{path}")
        return self.page

    def visit(self, url: str) -> int:
        """Open an address; the answer's status. Once more where the machine's networks changed meanwhile."""
        for is_last in (False, False, True):
            self._dropped = False
            try:
                answer = self.page.goto(url, wait_until="load")
            except PlaywrightError as error:
                if is_last or not any(words in error.message for words in (NETWORK_CHANGED, ERROR_PAGE)):
                    raise
                continue
            if is_last or not self._dropped:
                break
        assert answer is not None, f"{url} was open already"
        return answer.status

    def press(self, name: str, **options: Any) -> None:
        """Click the button or link of that name."""
        button = self.page.get_by_role("button", name=name, **options)
        button.or_(self.page.get_by_role("link", name=name, **options)).first.click()

    def fill(self, **values: str) -> None:
        """Type into fields by their names in the form (`__` stands for a dot)."""
        for name, value in values.items():
            self.page.locator(f'[name="{name.replace("__", ".")}"]:not([type="hidden"])').fill(value)

    def reads(self, *texts: str) -> None:
        """Wait until the page shows each of these."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)

    def state(self, word: str) -> Locator:
        """Wait until the state beside the heading is this word."""
        found = self.page.locator(".title [role=status]")
        expect(found).to_have_text(word, timeout=PATIENCE * 2)
        return found

    def mark(self) -> None:
        """Leave a mark that a reload would wipe out."""
        self.page.evaluate("window.marked = true")

    def is_marked(self) -> bool:
        """The page has not been loaded anew since `mark`."""
        return bool(self.page.evaluate("window.marked === true"))

    def fits(self) -> None:
        """Nothing sticks out of the window."""
        assert self.page.evaluate(_TOO_WIDE) == [], self.page.url

    @contextmanager
    def forgiving(self, *words: str) -> Iterator[None]:
        """Complaints with one of these words are expected inside the block."""
        before, self._forgiven = self._forgiven, (*self._forgiven, *words)
        yield
        self._forgiven = before

    def close(self) -> None:
        """End the session; whatever the browser complained of fails the test."""
        self.context.close()
        self.is_content()

    def is_content(self) -> None:
        """No complaint so far."""
        found, self.complaints = self.complaints, []
        assert found == [], found

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(word in text for word in self._forgiven):
            self.complaints.append(f"{kind}: {text}")

    def _failed(self, request: Request) -> None:
        self._dropped = self._dropped or NETWORK_CHANGED in (request.failure or "")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")
