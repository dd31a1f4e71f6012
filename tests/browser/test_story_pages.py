"""The story's last part: every page as it now is, by day and by night, wide and narrow, by keyboard, and without scripts."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.story import ADMIN, APPLICATION, PASSWORD, SERVER, Story, address
from tests.browser.visitor import DESK, PATIENCE, PHONE

PAGES = (
    *("/", "/applications/", "/applications/new", f"/applications/{APPLICATION}/", f"/applications/{APPLICATION}/edit"),
    *(address("production"), f"{address('production')}settings", f"{address('production')}variables"),
    *(f"{address('production')}variables/import", f"{address('production')}releases/1/"),
    *("/deployments/", "/deployments/1/", "/deployments/3/", "/plans/1/"),
    *("/servers/", "/servers/new", f"/servers/{SERVER}/", f"/servers/{SERVER}/edit", f"/servers/{SERVER}/retire"),
    *(f"/servers/{SERVER}/at", "/environments/", "/environments/new", "/environments/production/edit"),
    *("/people/", "/people/invite", "/people/1/", "/audit/", "/account/preferences", "/account/password"),
    *("/account/tokens/", "/account/tokens/new"),
)
# Fields, selects, buttons and links that a screen reader could not name.
NAMELESS = """() => [...document.querySelectorAll("main :is(input:not([type=hidden]), select, textarea, button, a)")]
  .filter((each) => each.checkVisibility() && !each.matches(".visually-hidden"))
  .filter((each) => !(each.labels?.length || each.ariaLabel || each.getAttribute("aria-labelledby") || each.textContent.trim()))
  .map((each) => each.outerHTML)"""
VIEWS = {
    "by day, wide": {"color_scheme": "light", "viewport": DESK},
    "by night, narrow": {"color_scheme": "dark", "viewport": PHONE},
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_page_fits_and_the_browser_has_nothing_to_complain_of(story: Story, view: dict[str, Any]) -> None:
    marta = story.another_of(ADMIN, **view)
    for path in PAGES:
        assert marta.visit(story.estiva.url + path) == 200, path
        marta.fits()
        assert marta.page.evaluate(NAMELESS) == [], path
        assert marta.page.locator("h1").count() == 1, path
    marta.close()


def test_a_compose_file_becomes_one_application(story: Story) -> None:
    marta = story.another_of(ADMIN)
    marta.go("/applications/paste?kind=compose")
    marta.fill(text="services:\n  web:\n    image: ${IMAGE}\n")
    marta.page.get_by_role("radio", name="As one Compose application").check()
    marta.press("Go on")
    marta.reads("The whole file is kept: 1 service", "IMAGE")
    marta.fill(name="quay", **{"variables-text": f"IMAGE={story.estiva.server.image}:1"})
    marta.page.locator('[name="compose.text"]').fill("services:\n  web:\n\timage: x\n")
    with marta.forgiving("422"):
        marta.press("Save application")
        marta.reads("Line 3: A tab stands here.")
    expect(marta.page.locator(".editor-lines > .bad")).to_have_text("3")
    marta.page.locator('[name="compose.text"]').fill("services:\n  web:\n    image: ${IMAGE}\n")
    marta.page.get_by_role("checkbox", name=re.compile(SERVER)).check()
    marta.press("Save application")
    marta.page.wait_for_url(re.compile("/applications/quay/"))
    place = marta.page.url
    marta.press("Deploy…")
    marta.page.wait_for_url(re.compile(r"/plans/\d+/"))
    expect(marta.page.locator("#deploy-form")).to_be_visible(timeout=PATIENCE)
    marta.reads("What is brought up", "Compose")  # whether that server has it or lacks it, the plan says so
    seen = (marta.page.url, place, f"{place}settings", f"{story.estiva.url}/applications/paste?kind=compose")
    marta.page.goto(f"{place}settings")
    _sources_put_each_other_away(marta.page)
    marta.close()
    for view in VIEWS.values():
        marta = story.another_of(ADMIN, **view)
        for address_ in seen:
            assert marta.visit(address_) == 200
            marta.fits()
            assert marta.page.evaluate(NAMELESS) == [], address_
        marta.close()


def _sources_put_each_other_away(page: Page) -> None:
    """What the chosen source doesn't need isn't shown."""
    file, image = page.locator('[name="compose.text"]'), page.locator('[name="image"]')
    ports = page.locator('[data-rows="settings.ports"]')
    expect(file).to_be_visible()
    expect(image).to_be_hidden()
    expect(ports).to_be_hidden()
    page.get_by_role("radio", name="An image from a registry").check()
    expect(file).to_be_hidden()
    expect(image).to_be_visible()
    expect(ports).to_be_visible()


def test_pages_for_nobody_in_particular_fit_too(story: Story) -> None:
    stranger = story.visitor(viewport=PHONE)
    with stranger.forgiving("404"):
        for path in ("/account/login", "/account/link/nonsense", "/nowhere"):
            stranger.go(path)
            stranger.fits()
    stranger.close()


def test_the_keyboard_reaches_everything(story: Story) -> None:
    marta = story.another_of(ADMIN)
    marta.go("/")
    marta.page.keyboard.press("Tab")
    skip = marta.page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    marta.page.keyboard.press("Enter")
    expect(marta.page).to_have_url(re.compile("#content$"))
    marta.page.keyboard.press("Tab")
    assert marta.page.evaluate("document.querySelector('main').contains(document.activeElement)")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert marta.page.evaluate(outline) != "none"

    marta.go("/environments/new")
    reached = []
    for _step in range(40):
        marta.page.keyboard.press("Tab")
        reached.append(
            str(marta.page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
        )
        assert marta.page.evaluate(outline) != "none", reached[-1]
        if reached[-1] == "Create":
            break
    assert {"name", "position", "is_production", "Create"} <= set(reached)
    marta.close()


def test_estiva_is_of_use_without_scripts(story: Story) -> None:
    marta = story.visitor(java_script_enabled=False)
    marta.go("/account/login")
    marta.fill(login="marta@harbour.example", password=PASSWORD)
    marta.page.locator("main").get_by_role("button", name="Sign in").click()
    expect(marta.page.locator("table.matrix")).to_contain_text(APPLICATION)
    marta.go(address("staging"))
    marta.press("Deploy…")
    marta.page.wait_for_url(re.compile(r"/plans/\d+/"))
    _reload_until(marta.page.locator("#deploy-form"), marta)
    marta.page.locator("button.go").click()
    marta.page.wait_for_url(re.compile(r"/deployments/\d+/"))
    _reload_until(marta.page.locator(".title [role=status]", has_text="Succeeded"), marta)
    marta.press("Read it as plain text")
    marta.close()


def _reload_until(wanted: Any, visitor: Any) -> None:
    """Without scripts a page is true when it was loaded."""
    for _time in range(PATIENCE // 500):
        if wanted.count():
            return
        visitor.page.wait_for_timeout(500)
        visitor.page.reload()
    expect(wanted).to_be_visible()
