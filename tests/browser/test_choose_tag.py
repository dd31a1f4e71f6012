"""Choosing an image's tag without leaving the form: the list comes beneath the field, is filtered, and one click fills it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.stage import STATIC

ORIGIN = "http://estiva.test"
FORM = """<form method="post" action="/saved"><input type="hidden" name="csrfmiddlewaretoken" value="t">
<input name="image" value="registry.test/shop:1"><a href="/tags" data-choose-tag>Choose a tag</a>
<div class="tag-choice"><div id="tags"></div></div><button>Save</button></form>"""
HEAD = """<!doctype html><html lang="en"><meta name="htmx-config" content='{"includeIndicatorCSS": false}'>
<script src="/static/vendor/htmx/htmx.min.js" defer></script><script type="module" src="/static/js/pages/tags.js"></script>"""


def fragment() -> str:
    """As the page's own template draws three tags."""
    named: list[dict[str, Any]] = [
        {"tag": name, "digest": "", "created": "", "size": 1000, "platforms": []} for name in ("2.4.1", "2.3.9")
    ]
    tags: dict[str, Any] = {"operation": SimpleNamespace(pk=7, status="succeeded"), "image": "registry.test/shop"}
    tags |= {"tags": named, "names": ["old"], "total": 3, "is_complete": True, "is_open": False, "is_more": 0}
    place = {"application": {"name": "shop"}, "environment": {"name": "staging"}}
    return render_to_string("registries/_tags.html", {"tags": tags, "placement": place})


class Door:
    """What the browser asked of the server; `status` is how the list is answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200

    def answer(self, route: Route) -> None:
        """Play the server."""
        path = route.request.url.removeprefix(ORIGIN)
        if path.startswith("/static/"):
            route.fulfill(path=STATIC / path.removeprefix("/static/"))
            return
        self.asked.append(f"{route.request.method} {path} {route.request.post_data or ''}")
        if route.request.method == "POST" and path == "/tags":
            route.fulfill(body=fragment(), content_type="text/html", status=self.status)
        else:
            route.fulfill(body=HEAD + FORM, content_type="text/html")


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def page(browser: Browser, door: Door) -> Iterator[Page]:
    context = browser.new_context()
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route(f"{ORIGIN}/**", door.answer)
    page.goto(f"{ORIGIN}/")
    yield page
    context.close()
    assert not complaints


def test_a_click_lists_filters_and_fills(page: Page, door: Door) -> None:
    page.click("[data-choose-tag]")
    rows = page.locator(".tag-choice .tag-list > li:visible")
    expect(rows).to_have_count(3)
    assert "registry.test/shop:1" in door.asked[-1]
    found = page.locator("[data-filter-tags]")
    expect(found).to_be_focused()
    found.fill("2.")
    expect(rows).to_have_count(2)
    found.press("Enter")  # in the midst of a form
    page.click("text=2.3.9")
    expect(page.locator("[name=image]")).to_have_value("registry.test/shop:2.3.9")
    expect(page.locator("[name=image]")).to_be_focused()
    expect(rows).to_have_count(0)
    assert not any("/saved" in each for each in door.asked)

    page.click("[data-choose-tag]")
    expect(rows).to_have_count(3)
    page.keyboard.press("Escape")
    expect(rows).to_have_count(0)


def test_where_that_fails_the_page_of_its_own_is_shown(page: Page, door: Door) -> None:
    door.status = 500
    page.click("[data-choose-tag]")
    page.wait_for_url(f"{ORIGIN}/tags")
