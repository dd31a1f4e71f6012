"""Pages on a stage in a real browser: started once a module, and no test passes with a complaint on the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, sync_playwright

from tests.browser.stage import Stage, serve

CHROMIUM: Final = "/usr/bin/chromium"
NETWORK_CHANGED: Final = "ERR_NETWORK_CHANGED"
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Scene:
    """Opens stages, and remembers what the browser complained of."""

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self._browser = browser
        self._stack = stack
        self.complaints: list[str] = []
        self.allowed: tuple[str, ...] = (NETWORK_CHANGED,)

    def open(self, stage: Stage, hash_: str = "", **options: Any) -> Page:
        """A page of that stage in a context of its own."""
        url = self._stack.enter_context(serve(stage))
        options = {"viewport": {"width": 1100, "height": 800}, "timezone_id": "UTC", **options}
        context: BrowserContext = self._browser.new_context(**options)
        self._stack.callback(context.close)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        page.goto(url + hash_)
        self._until_loaded(page)
        return page

    def _until_loaded(self, page: Page) -> None:
        """Containers that start and stop elsewhere on this machine change its network, on which Chromium breaks what is under way."""
        for _ in range(3):
            try:
                page.wait_for_selector(".log-tools", timeout=8_000)
                return
            except TimeoutError:
                page.reload()
        page.wait_for_selector(".log-tools")

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(word in text for word in self.allowed):
            self.complaints.append(f"{kind}: {text}")


@contextmanager
def scene(browser: Browser) -> Iterator[Scene]:
    """Everything opened is closed again; complaints fail the test."""
    with ExitStack() as stack:
        made = Scene(browser, stack)
        yield made
    assert not made.complaints, "\n".join(made.complaints)
