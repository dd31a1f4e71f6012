"""Moving in the log: permalinks, filters, folds, search, keys, copying."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.reading import at_end, counting, eventually, in_sight, numbers, state, texts
from tests.browser.scene import Scene
from tests.browser.stage import Stage, row

pytestmark = pytest.mark.browser


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
