"""The story's part about a terminal: an admin opens one into what serves, types, is recorded; others look on, or are kept out."""

import re

from playwright.sync_api import Page, expect

from tests.browser.story import ADMIN, SECRET, Story, address
from tests.browser.visitor import PATIENCE

ROOM = "/servers/harbour-1/room/"


def screen(page: Page) -> str:
    """What stands on it."""
    return str(page.locator(".xterm-rows").inner_text())


def shows(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows")).to_contain_text(text, timeout=PATIENCE)


def test_the_environment_has_to_allow_it(story: Story) -> None:
    marta = story.admin
    marta.go(ROOM)
    marta.page.locator("#room").get_by_role("link", name=re.compile("lighthouse-production")).first.click()
    expect(marta.page.get_by_role("link", name="Open a terminal…")).to_have_count(0)
    marta.go("/environments/production/edit")
    marta.page.locator('[name="allows_terminal"]').check()
    marta.press("Save")


def test_a_terminal_is_opened_typed_into_and_ended(story: Story) -> None:
    marta = story.admin
    marta.go(ROOM)
    marta.page.locator("#room").get_by_role("link", name=re.compile("lighthouse-production")).first.click()
    marta.press("Open a terminal…")
    marta.reads("production is production", "Your keys are not")
    marta.fill(command="/bin/busybox\nsh")
    marta.press("Open it")
    marta.state("Running")
    page = marta.page
    shows(page, "#")
    page.keyboard.type("echo $((6*7)); /bin/busybox env\n")
    shows(page, "42")
    shows(page, "[redacted]")
    assert SECRET not in page.content()
    before = screen(page)
    page.reload()
    shows(page, "42")
    assert screen(page) == before

    onlooker = story.another_of(ADMIN)
    onlooker.go(page.url)
    shows(onlooker.page, "42")
    page.keyboard.type("echo seen by $((40+2)) and more\n")
    shows(onlooker.page, "seen by 42 and more")
    onlooker.close()

    page.keyboard.type("exit 5\n")
    marta.state("Succeeded")
    marta.reads("It ended with exit code 5.")
    expect(page.get_by_role("button", name="End this terminal")).to_have_count(0)


def test_its_record_is_listed_and_read_afterwards(story: Story) -> None:
    marta = story.admin
    marta.go(f"{address('production')}runs/")
    marta.page.get_by_role("region", name="Terminals").get_by_role("link", name="busybox").first.click()
    shows(marta.page, "seen by 42 and more")
    marta.page.keyboard.type("nobody hears this")
    expect(marta.page.locator(".xterm-rows")).not_to_contain_text("nobody hears")
    for action in ("terminal.open", "terminal.end"):
        marta.go(f"/audit/?action={action}")
        expect(marta.page.locator("table.trail")).to_contain_text("lighthouse")
