"""The browser's fixtures."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.scene import Scene, chromium, scene


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once a session."""
    with chromium() as started:
        yield started


@pytest.fixture(name="scene")
def scene_(browser: Browser) -> Iterator[Scene]:
    """A scene that fails the test when the browser complained."""
    with scene(browser) as made:
        yield made
