"""What moves by itself on every page: fragments, progress, the tab's title and icon, and the one stream that tells of it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.reading import eventually
from tests.browser.scene import Scene
from tests.browser.stage import Stage

pytestmark = pytest.mark.browser

HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def fragment(text: str, state: str = "run", more: str = "") -> str:
    """The page's one live part."""
    return (
        f'<div id="head" data-live="deployment:41 host:3" data-url="/fragment" data-title="{text} · Estiva" data-state="{state}" data-open>'
        f"<p>{text}</p>{more}</div>"
    )


def open_live(scene: Scene, stage: Stage) -> Page:
    """A page whose stream is open and whose first look is over."""
    page = scene.open(stage)
    stage.wait_for_streams()
    eventually(True, lambda: len(stage.asked_for("/fragment")) >= 1)
    return page


def test_a_change_fetches_its_fragment_once(scene: Scene) -> None:
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    before = len(stage.asked_for("/fragment"))
    stage.head = fragment("Succeeded", "good")
    for _ in range(5):
        stage.say("changed", {"kind": "deployment", "id": 41})
        stage.say("changed", {"kind": "host", "id": 3})
    stage.say("changed", {"kind": "deployment", "id": 42})
    expect(page.locator("#head p")).to_have_text("Succeeded")
    expect(page).to_have_title("Succeeded · Estiva")
    expect(page.locator("link[data-favicon]")).to_have_attribute("href", re.compile("favicon-good.svg$"))
    page.wait_for_timeout(300)
    assert len(stage.asked_for("/fragment")) - before <= 2  # the ten came within one tenth of a second, or about two


def test_what_concerns_others_fetches_nothing(scene: Scene) -> None:
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    before = len(stage.asked_for("/fragment"))
    stage.say("changed", {"kind": "deployment", "id": 42})
    stage.say("changed", {"kind": "host", "id": 41})
    page.wait_for_timeout(400)
    assert len(stage.asked_for("/fragment")) == before


def test_lists_are_fetched_by_their_name(scene: Scene) -> None:
    stage = Stage(head=fragment("Old").replace("deployment:41 host:3", "overview"))
    page = open_live(scene, stage)
    assert "watch=overview" in stage.asked_for("/events")[0]
    stage.head = stage.head.replace("<p>Old", "<p>New")
    stage.say("changed", {"kind": "overview", "id": 0})
    expect(page.locator("#head p")).to_have_text("New")


def test_a_swap_keeps_focus_cursor_and_what_was_opened(scene: Scene) -> None:
    more = '<details id="more"><summary>More</summary><p>inside</p></details><input id="note" value="">'
    stage = Stage(head=fragment("Pulling", more=more))
    page = open_live(scene, stage)
    page.locator("summary").click()
    page.locator("#note").fill("half a sen")
    page.evaluate(
        "document.querySelector('#note').setSelectionRange(4, 4); window.kept = document.querySelector('#note')"
    )
    stage.head = fragment("Replacing", more=more.replace("inside", "inside, too"))
    stage.say("changed", {"kind": "deployment", "id": 41})
    expect(page.locator("#head > p")).to_have_text("Replacing")
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#note")).to_have_value("half a sen")
    assert page.evaluate("[kept.isConnected, kept.selectionStart]") == [True, 4]
    expect(page.locator("#more")).to_have_attribute("open", "")
    expect(page.locator("#more p")).to_have_text("inside, too")


def test_a_fragment_that_fails_once_is_fetched_again(scene: Scene) -> None:
    scene.allowed += ("503",)
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    stage.head = fragment("Done", "good")
    stage.fail_fragments = 2
    stage.say("changed", {"kind": "deployment", "id": 41})
    expect(page.locator("#head p")).to_have_text("Done")


def test_progress_moves_in_place(scene: Scene) -> None:
    bars = (
        '<progress id="pull" data-progress="7:pull"></progress><span data-progress-label="7:pull"></span>'
        '<progress id="cell" data-progress="deployment:41" value="1" max="10"></progress>'
    )
    stage = Stage(extra=bars)
    page = open_live(scene, stage)
    stage.say(
        "progress",
        {"target": 7, "deployment": 41, "step": "pull", "done": 30, "total": 120, "label": "30 MB of 120 MB"},
    )
    expect(page.locator("[data-progress-label]")).to_have_text("30 MB of 120 MB")
    assert page.evaluate("[pull.value, pull.max, cell.value, cell.max]") == [30, 120, 30, 120]
    stage.say("progress", {"target": 7, "deployment": 41, "step": "pull", "done": 0, "total": 0, "label": "Unpacking"})
    expect(page.locator("[data-progress-label]")).to_have_text("Unpacking")
    assert page.evaluate("pull.hasAttribute('value')") is False


def test_a_broken_stream_is_said_and_mended(scene: Scene) -> None:
    scene.allowed += ("503",)
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    word = page.locator("[data-stream-state]")
    stage.refuse = 503
    stage.drop()
    expect(word).to_have_text("Reconnecting…")
    stage.head = fragment("Succeeded", "good")  # moved while nobody listened
    stage.refuse = 0
    expect(word).to_have_text("Live again")
    expect(page.locator("#head p")).to_have_text("Succeeded")


def test_signed_out_elsewhere_reloads_the_page_once(scene: Scene) -> None:
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    stage.head = fragment("Sign in", "")
    stage.say("bye", {})
    expect(page.locator("#head p")).to_have_text("Sign in")
    eventually(2, lambda: stage.opens)
    stage.say("bye", {})
    expect(page.locator("[data-stream-state]")).to_have_text("No live updates: reload the page")
    assert len([path for path in stage.asked if path == "/"]) == 2


def test_an_answer_of_401_reloads_too(scene: Scene) -> None:
    scene.allowed += ("401",)
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    stage.refuse = 401
    stage.head = fragment("Sign in", "")
    stage.drop()
    expect(page.locator("#head p")).to_have_text("Sign in")


def test_a_hidden_tab_drops_its_stream_and_takes_it_up_again(scene: Scene) -> None:
    stage = Stage(head=fragment("Pulling"))
    page = open_live(scene, stage)
    page.evaluate(HIDE, "hidden")
    stage.wait_for_streams(0)
    stage.head = fragment("Succeeded", "good")
    page.evaluate(HIDE, "visible")
    stage.wait_for_streams()
    expect(page.locator("#head p")).to_have_text("Succeeded")
    assert len(stage.asked_for("/events")) == 2


def test_a_fragment_that_shows_something_new_is_watched_from_then_on(scene: Scene) -> None:
    stage = Stage(head=fragment("Pulling"))
    open_live(scene, stage)
    stage.head = fragment("Pulling").replace("host:3", "host:3 operation:9")
    stage.say("changed", {"kind": "host", "id": 3})
    eventually(True, lambda: any("operation%3A9" in each for each in stage.asked_for("/events")))


def test_copy_buttons_say_that_they_copied(scene: Scene) -> None:
    extra = '<div id="line">ssh-ed25519 AAAA estiva</div><button class="button" data-copy="line">Copy</button>'
    page = scene.open(Stage(extra=extra, is_complete=True))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "ssh-ed25519 AAAA estiva"
