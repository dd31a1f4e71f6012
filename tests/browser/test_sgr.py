"""What a terminal would show: the parser on its own, in the real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.scene import scene
from tests.browser.stage import Stage

pytestmark = pytest.mark.browser

READ = """async (line) => {
  const { parse, classes } = await import("/static/js/log/sgr.js");
  return parse(line).runs.map((run) => [run.text, classes(run.style)]);
}"""
LINKS = """async (text) => {
  const { split } = await import("/static/js/log/links.js");
  return split(text).filter((part) => part.href).map((part) => part.text);
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page whose modules can be called."""
    with scene(browser) as opened:
        yield opened.open(Stage(is_complete=True))


CASES: list[tuple[str, list[list[str]]]] = [
    ("plain words", [["plain words", ""]]),
    ("", []),
    ("\x1b[31mred\x1b[0m plain", [["red", "f1"], [" plain", ""]]),
    ("\x1b[91mbright\x1b[39m plain", [["bright", "f9"], [" plain", ""]]),
    ("\x1b[1;32mboth", [["both", "f2 bold"]]),
    ("\x1b[38;5;208morange\x1b[m.", [["orange", "f208"], [".", ""]]),
    ("\x1b[38;2;255;0;0mtrue", [["true", "f196"]]),
    ("\x1b[38;2;128;128;128mgrey", [["grey", "f244"]]),
    ("\x1b[38:2::0:255:0mcolons", [["colons", "f46"]]),
    ("\x1b[38:2:0:0:255mshort", [["short", "f21"]]),
    ("\x1b[38:5:99mone", [["one", "f99"]]),
    ("\x1b[48;5;17mground", [["ground", "k17"]]),
    ("\x1b[41mground\x1b[49m.", [["ground", "k1"], [".", ""]]),
    ("\x1b[7minverse", [["inverse", "inverse"]]),
    ("\x1b[31;7minverse", [["inverse", "k1"]]),
    ("\x1b[2;3;4;9mall", [["all", "dim italic underline strike"]]),
    ("\x1b[4munder\x1b[24mnot", [["under", "underline"], ["not", ""]]),
    ("\x1b[4:3mcurly\x1b[4:0mnot", [["curly", "underline"], ["not", ""]]),
    ("\x1b[58;5;9;31mred", [["red", "f1"]]),
    ("\x1b[38;5;999mtoo far", [["too far", ""]]),
    ("\x1b[38;2;1mbroken off", [["broken off", ""]]),
    ("\x1b[?25lhidden\x1b[?25h", [["hidden", ""]]),
    ("\x1b[2K\x1b[1Gagain", [["again", ""]]),
    ("\x1b]0;a title\x07text", [["text", ""]]),
    ("\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\", [["click", ""]]),
    ("\x1b]52;c;ZXZpbA==", []),
    ("\x1bP1$r0m\x1b\\after", [["after", ""]]),
    ("\x9b31mred\x9b0m", [["red", "f1"]]),
    ("\x9d0;title\x9ctext", [["text", ""]]),
    ("\x1b(Btext", [["text", ""]]),
    ("\x1b", []),
    ("\x1b[", []),
    ("\x1b[31", []),
    ("a\x07b\x00c\x7fd", [["abcd", ""]]),
    ("tab\tstays", [["tab\tstays", ""]]),
    ("10 %\r50 %\r100 %", [["100 %", ""]]),
    ("done\r", [["done", ""]]),
    ("\x1b[31m10 %\r\x1b[32m20 %", [["20 %", "f2"]]),
    ("abc\b\bd", [["ad", ""]]),
    ("<b>&amp;</b>", [["<b>&amp;</b>", ""]]),
]


@pytest.mark.parametrize(("line", "expected"), CASES, ids=[repr(line) for line, _ in CASES])
def test_a_line_as_a_terminal_shows_it(page: Page, line: str, expected: list[list[str]]) -> None:
    assert joined(page.evaluate(READ, line)) == expected


def joined(runs: list[Any]) -> list[list[str]]:
    """Neighbours of one style as one, since how a run is cut is nobody's business."""
    found: list[list[str]] = []
    for text, names in runs:
        if found and found[-1][1] == names:
            found[-1][0] += text
        else:
            found.append([text, names])
    return found


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org/a?b=c#d.", ["https://example.org/a?b=c#d"]),
        ("(http://10.0.0.1:8080/healthz)", ["http://10.0.0.1:8080/healthz"]),
        ("https://example.org/wiki/A_(b), then", ["https://example.org/wiki/A_(b)"]),
        ("a https://one.example b http://two.example", ["https://one.example", "http://two.example"]),
        ("javascript:alert(1) data:text/html,x ftp://example.org file:///etc/passwd", []),
        ("javascript://https://example.org", ["https://example.org"]),
        ("https:// http://", []),
        ('<a href="https://example.org">', ["https://example.org"]),
        ("no address", []),
    ],
)
def test_only_web_addresses_become_links(page: Page, text: str, links: list[str]) -> None:
    assert page.evaluate(LINKS, text) == links


def test_a_style_goes_on_into_the_next_line(page: Page) -> None:
    styles = page.evaluate(
        """async () => {
          const { parse, classes } = await import("/static/js/log/sgr.js");
          const first = parse("\\x1b[31mbegins");
          return parse("goes on", first.style).runs.map((run) => classes(run.style));
        }"""
    )
    assert styles == ["f1"]
