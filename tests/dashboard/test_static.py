"""The static files: what others made is unchanged, every colour can be read, nothing is fetched from elsewhere."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.dashboard.colours import AA, STATIC, ansi_css, contrast, parse, tokens

VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \| .* \| `([0-9a-f]{64})` \|$", re.MULTILINE)
OURS = sorted(
    path for path in STATIC.rglob("*") if path.suffix in {".css", ".js", ".svg"} and VENDOR not in path.parents
)

UNSAFE = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    'setAttribute("style"',
)
INKS_ON_GROUNDS = [
    *((ink, ground) for ink in ("ink", "ink-soft", "ink-faint") for ground in ("paper", "panel", "sunken", "log-paper", "raised", "hover")),
    *((state, ground) for state in ("accent", "good", "bad", "warn") for ground in ("paper", "panel", "sunken", "log-paper", "raised", "hover")),
    *((state, f"{state}-wash") for state in ("accent", "good", "bad", "warn")),
    *(("ink", f"{state}-wash") for state in ("accent", "good", "bad", "warn")),
    *(("ink-soft", f"{state}-wash") for state in ("accent", "good", "bad", "warn")),
    ("accent-ink", "accent"),
    ("accent-ink", "accent-strong"),
    ("bad-ink", "bad"),
    ("bad-ink", "bad-strong"),
    ("paper", "ink"),
    ("ink", "mark"),
    ("ink", "mark-now"),
]  # fmt: skip


def folders() -> list[Path]:
    """What others made, a folder each."""
    return sorted(path for path in VENDOR.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_vendored_files_are_the_ones_named(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    said = dict(ROW.findall(readme))
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "README.md"
    }
    assert there == said
    assert "LICENSE" in said
    assert re.search(r"^- version: \d+\.\d+", readme, re.MULTILINE)
    assert re.search(r"^- licence: \w+", readme, re.MULTILINE)


@pytest.mark.parametrize(("ink", "ground"), INKS_ON_GROUNDS)
def test_text_can_be_read_by_day_and_by_night(ink: str, ground: str) -> None:
    colours = tokens()
    for theme in (0, 1):
        assert contrast(colours[ink][theme], colours[ground][theme]) >= AA, (
            f"{ink} on {ground}, {('day', 'night')[theme]}"
        )


def test_the_edge_of_a_field_can_be_seen() -> None:
    colours = tokens()
    for theme in (0, 1):
        for ground in ("panel", "sunken", "paper"):
            assert contrast(colours["line-field"][theme], colours[ground][theme]) >= 3


def test_terminal_colours_are_as_generated() -> None:
    assert (STATIC / "css" / "ansi.css").read_text() == ansi_css()


def test_terminal_colours_can_be_read() -> None:
    text = (STATIC / "css" / "ansi.css").read_text()
    day, night = tokens()["log-paper"]
    found = re.findall(r"\.f(\d+) \{ color: light-dark\((#\w+), (#\w+)\)", text)
    assert [int(number) for number, _, _ in found] == list(range(256))
    for number, on_day, on_night in found:
        assert contrast(parse(on_day), day) >= AA, number
        assert contrast(parse(on_night), night) >= AA, number
    for number, ground, ink in re.findall(r"\.k(\d+) \{ background: (#\w+); color: (#\w+)", text):
        assert contrast(parse(ink), parse(ground)) >= AA, number


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(STATIC)))
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://(?!\[)[\w.-]+\.[a-z]{2,}", text), "an address of somebody else's server"
    assert "@import" not in text
    if path.suffix == ".js":
        for forbidden in UNSAFE:
            assert forbidden not in text, forbidden


@pytest.mark.parametrize(
    "path", [path for path in OURS if path.suffix != ".svg"], ids=lambda path: str(path.relative_to(STATIC))
)
def test_files_stay_small(path: Path) -> None:
    if path.name != "ansi.css":
        assert len(path.read_text().splitlines()) <= 250


@pytest.mark.parametrize("name", ["base", "parts", "forms", "tables", "log", "ansi"])
def test_the_sheets_of_the_log_page_ask_no_element_what_it_contains(name: str) -> None:
    """A broad `:has()` is looked at again for every line that is added: ten times the work in a log of 20,000."""
    selectors = re.sub(r"/\*.*?\*/", "", (STATIC / "css" / f"{name}.css").read_text(), flags=re.DOTALL)
    assert [each for each in re.findall(r":has\([^)]*\)", selectors) if not each.startswith(":has(> input")] == []
