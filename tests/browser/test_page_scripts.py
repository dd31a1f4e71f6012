"""The pages' own small scripts: rows of settings that come and go, times that stay true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Route

from dashboard.forms.settings import COMPOSE, SettingsForm
from dashboard.templatetags.estiva import ago, elapsed
from deployments import container_settings
from deployments.models import Application, Environment, Placement, VariableSet
from deployments.queries.shared_variables import Choice, FromSets
from tests.browser.stage import STATIC

ORIGIN = "http://estiva.test"
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

Shown = Callable[[str, str], Page]


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    """Opens a page of this body with this script; no server is needed, and nothing may be complained of."""
    context = browser.new_context()
    complaints: list[str] = []

    def show(body: str, script: str) -> Page:
        def answer(route: Route) -> None:
            path = route.request.url.removeprefix(ORIGIN)
            if path.startswith("/static/"):
                route.fulfill(path=STATIC / path.removeprefix("/static/"))
            else:
                tag = f'<script type="module" src="/static/js/{script}"></script>' if script else ""
                head = f'<!doctype html><html lang="en">{tag}'
                route.fulfill(body=f'{head}<body data-now="{int(NOW.timestamp())}">{body}', content_type="text/html")

        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.clock.install(time=NOW + timedelta(hours=3))  # this browser's clock is wrong
        page.clock.pause_at(NOW + timedelta(hours=3, minutes=1))
        page.route(f"{ORIGIN}/**", answer)
        page.goto(f"{ORIGIN}/")
        return page

    yield show
    context.close()
    assert not complaints


def ports(count: int) -> str:
    """The table of ports with so many rows, as the page draws it."""
    raw = {"ports": [{"container_port": 5000 + each} for each in range(count)]}
    form = SettingsForm(container_settings.normalise(raw))
    return "<form>" + render_to_string("components/setting.html", {"bound": form["ports"]}) + "</form>"


def names(page: Page) -> list[str]:
    """What would be sent, by the names of the first column."""
    found: list[str] = page.evaluate(
        "[...new FormData(document.forms[0]).keys()].filter((name) => name.endsWith('.container_port'))"
    )
    return found


def test_rows_are_added_under_names_of_their_own_and_removed(shown: Shown) -> None:
    page = shown(ports(1), "pages/rows.js")
    assert names(page) == ["settings.ports.0.container_port", "settings.ports.1.container_port"]
    for _each in range(2):
        page.get_by_role("button", name="Add a row").click()
        page.keyboard.type("81")  # a new row takes the focus
    assert names(page)[2:] == ["settings.ports.2.container_port", "settings.ports.3.container_port"]
    assert page.locator("[name='settings.ports.3.container_port']").input_value() == "81"
    page.get_by_role("button", name="Remove this row").first.click()
    assert names(page) == [f"settings.ports.{number}.container_port" for number in (1, 2, 3)]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


def test_all_rows_may_go_and_come_again(shown: Shown) -> None:
    page = shown(ports(0), "pages/rows.js")
    page.get_by_role("button", name="Remove this row").click()
    assert names(page) == []
    page.get_by_role("button", name="Add a row").click()
    assert names(page) == ["settings.ports.1.container_port"]


def sets_to_choose(**places: int | None) -> str:
    """The form in which a placement's shared sets are chosen, by their places."""
    placement = Placement(application=Application(name="storefront"), environment=Environment(name="staging"))
    choices = [
        Choice(VariableSet(pk=number, name=name), place, 2) for number, (name, place) in enumerate(places.items())
    ]
    context = {"placement": placement, "shared": FromSets([], choices), "orders_sets": True}
    return render_to_string("shared/_from_sets.html", context)


def order(page: Page) -> dict[str, str]:
    """What would be sent, from the top."""
    found: dict[str, str] = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll("[data-item]")].map((item) =>
          [item.querySelector("strong").textContent, item.querySelector("input").value]))"""
    )
    assert list(found.values()) == sorted(found.values(), key=lambda number: (not number, number))
    return found


def test_sets_are_ordered_with_buttons_and_the_focus_stays(shown: Shown) -> None:
    page = shown(sets_to_choose(base=3, mail=7, keys=None), "pages/order.js")
    press = page.keyboard.press

    page.get_by_role("button", name="Use keys").focus()
    press("Enter")
    assert order(page) == {"base": "1", "mail": "2", "keys": "3"}
    page.get_by_role("button", name="keys earlier").focus()
    press("Enter")
    press("Enter")
    assert list(order(page)) == ["keys", "base", "mail"]
    press("Enter")  # it is first, so the focus went on to "later"
    assert list(order(page)) == ["base", "keys", "mail"]
    page.get_by_role("button", name="Leave base out").click()
    assert order(page) == {"keys": "1", "mail": "2", "base": ""}
    page.get_by_label("Place of base").fill("9")
    page.get_by_label("Place of base").blur()
    assert page.get_by_role("button", name="Leave base out").is_visible()


def test_without_scripts_sets_are_ordered_by_numbers(shown: Shown) -> None:
    page = shown(sets_to_choose(base=1, mail=None), "")
    assert page.get_by_role("button").all_inner_texts() == ["Save the sets"]
    assert page.get_by_role("spinbutton").count() == 2


def test_without_scripts_no_button_promises_what_it_can_not_do(shown: Shown) -> None:
    page = shown(ports(1), "")
    assert page.get_by_role("button").count() == 0
    assert len(names(page)) == 2, "a blank row stands at the end"


def test_a_files_lines_are_numbered_and_the_refused_ones_marked(shown: Shown) -> None:
    text = "services:\n  web:\n\timage: x\n" + "\n".join(f"# {each}" for each in range(200))
    form = SettingsForm({"text": text}, {"compose.text": ["Line 3: A tab stands here."]}, COMPOSE)
    body = render_to_string("placements/_compose_text.html", {"bound": form["text"]})
    page = shown(
        f"<style>textarea, .editor-lines {{ height: 90px; overflow: auto }} .editor-lines > span {{ display: block }}</style>{body}",
        "pages/editor.js",
    )
    lines = page.locator(".editor-lines > span")
    assert lines.count() == 203
    assert page.locator(".editor-lines > .bad").all_inner_texts() == ["3"]
    field = page.locator("textarea")
    field.evaluate("(each) => { each.scrollTop = 500; each.dispatchEvent(new Event('scroll')); }")
    assert page.locator(".editor-lines").evaluate("(each) => each.scrollTop") > 100
    field.fill("services:\n  web: {image: x}\n")
    assert lines.count() == 3
    assert field.get_attribute("aria-describedby") == "id_compose_text_help id_compose_text_error"


@pytest.mark.parametrize(
    ("later", "said"),
    [(1, "just now"), (42, "42 s ago"), (61, "1 min ago"), (3599, "59 min ago"), (7300, "2 h ago")],
)
def test_times_move_on_by_the_servers_clock(shown: Shown, later: int, said: str) -> None:
    page = shown(f'<time data-ago datetime="{NOW.isoformat()}">then</time>', "times.js")
    page.clock.run_for(later * 1000)
    assert page.locator("time").inner_text() == said


def test_a_clock_runs(shown: Shown) -> None:
    page = shown(f'<b data-since="{(NOW - timedelta(seconds=70)).isoformat()}">1 min 10 s</b>', "times.js")
    page.clock.run_for(5000)
    assert page.locator("b").inner_text() == "1 min 15 s"


def test_the_scripts_words_are_the_servers(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [NOW - timedelta(seconds=each) for each in (7, 59, 60, 3599, 3600, 86_000)]
    monkeypatch.setattr("dashboard.templatetags.estiva.timezone.now", lambda: NOW + timedelta(seconds=1))
    body = "".join(f"<p>{ago(each)}</p><p>{elapsed(each)}</p>" for each in moments)
    page = shown(body, "times.js")
    before = page.locator("p").all_inner_texts()
    page.clock.run_for(1000)
    assert page.locator("p").all_inner_texts() == before
