"""docs/benchmarks.md and its pictures, from what benchmarks found."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import all as everything
from bench import cores, report
from bench.chart import draw
from bench.verdicts import aimed

SVG = "{http://www.w3.org/2000/svg}"
BENCHMARKS = {"overhead": "one deploy", "fanout": "many servers", "nothing": "a benchmark that nobody wrote"}


def found(**more: Any) -> dict[str, Any]:
    return {
        "command": "bin/bench overhead",
        "when": "2026-11-23 09:00 UTC",
        "cores": 2,
        "machine": "2 cores (of some make), 8 GB, Linux 6",
        "load_before": 0.1,
        "load_after": 2.0,
        "title": "One deploy, <layers> cached",
        "rows": [
            {"what": "docker on the server itself", "seconds": 0.5, "note": "each 0.5"},
            {"what": "Estiva, a | b & c@d^e", "seconds": 0.6, "note": ""},
            {"what": "  of the pipeline: pull", "seconds": 0.1, "note": ""},
        ],
        "figures": {"engine_over_floor": 1.2, "scaling": 3.5, "lost": 0.0, "refused": 2.0, "slowest_page": "/x"},
        "aims": {"engine_over_floor": 1.1, "lost": 0.0, "refused": 0.0},
        "at_least": {"scaling": 3.2},
        "noise": "",
        **more,
    }


def test_figures_are_held_against_their_aims() -> None:
    verdicts = {each.figure: each.met for each in aimed(found())}

    assert verdicts == {"engine_over_floor": False, "scaling": True, "lost": True, "refused": False}


def test_a_picture_says_in_words_what_it_shows() -> None:
    tree = ElementTree.fromstring(draw("overhead", found()))  # noqa: S314 - our own

    assert tree.get("role") == "img"
    named = [tree.find(f"{SVG}{tag}") for tag in ("title", "desc")]
    assert tree.get("aria-labelledby", "").split() == [each.get("id") for each in named if each is not None]
    assert next(each.text for each in named if each is not None) == "One deploy, <layers> cached"
    words = "".join(tree.itertext())
    assert "Estiva, a | b & c@d^e 600 ms" in words
    assert "engine_over_floor 1.2, aim ≤ 1.1, missed" in words
    assert "prefers-color-scheme: dark" in words
    bars = [rect for rect in tree.iter(f"{SVG}rect") if rect.get("class") != "ground"]
    assert len(bars) == 2 + 4, "two whole times, four aims"
    width = float(tree.get("width", "0"))
    assert all(float(bar.get("x", "0")) + float(bar.get("width", "0")) < width - 40 for bar in bars)


def test_the_page_shows_misses_failures_and_what_was_not_run(tmp_path: Path) -> None:
    page, folder = tmp_path / "benchmarks.md", tmp_path / "benchmarks"
    report.keep("overhead", found(), folder)
    report.keep("fanout", {**found(), "failed": "exit code 1\nno root"}, folder)

    report.write(BENCHMARKS, page, folder)

    said = page.read_text()
    assert "| [overhead](#overhead) | `engine_over_floor` | 1.2 | ≤ 1.1 | **missed** |" in said
    assert "| [overhead](#overhead) | `scaling` | 3.5 | ≥ 3.2 | met |" in said
    assert "| Estiva, a \\| b & c@d^e | 600 ms |  |" in said
    assert "| [fanout](#fanout) | | | | **failed** |" in said
    assert "exit code 1\nno root" in said
    assert "| [nothing](#nothing) | | | | not run |" in said
    assert "![One deploy, &lt;layers> cached](benchmarks/overhead.svg)" in said
    assert "2 cores (of some make), 8 GB, Linux 6, 0.1 cores at work before it, load 2.0 at its end." in said
    assert (folder / "overhead.svg").exists()
    assert not (folder / "fanout.svg").exists()
    assert json.loads((folder / "overhead.json").read_text())["figures"]["slowest_page"] == "/x"


def test_a_figure_that_can_not_be_told_is_neither_met_nor_missed(tmp_path: Path) -> None:
    page, told = tmp_path / "page.md", found(doubts={"engine_over_floor": "the reference's quartiles are 40 % apart"})
    report.keep("overhead", told, tmp_path)

    report.write({"overhead": "one deploy"}, page, tmp_path)

    said = page.read_text()
    assert "| [overhead](#overhead) | `engine_over_floor` | 1.2 | ≤ 1.1 | **too noisy to tell** |" in said
    assert "`engine_over_floor`: the reference's quartiles are 40 % apart." in said
    assert "engine_over_floor 1.2, aim ≤ 1.1, too noisy to tell" in (tmp_path / "overhead.svg").read_text()


def test_what_is_too_long_to_read_is_folded(tmp_path: Path) -> None:
    rows = [{"what": f"page {number}", "seconds": 0.0283, "note": "11 queries"} for number in range(300)]
    report.keep("pages", found(rows=rows[:10], more=rows), tmp_path)

    report.write({"pages": "every page"}, tmp_path / "page.md", tmp_path)

    said = (tmp_path / "page.md").read_text()
    before, _, folded = said.partition("<details><summary>All 300</summary>")
    assert "| page 9 | 28.3 ms | 11 queries |" in before
    assert "page 10" not in before
    assert "| page 299 | 28.3 ms | 11 queries |" in folded


def test_a_picture_has_a_bar_for_the_forty_servers_too() -> None:
    rows = [{"what": f"way {number}", "seconds": 1.0, "note": ""} for number in range(24)]

    assert "way 23" in draw("fanout", found(rows=rows))


@pytest.mark.parametrize(("before", "busy"), [(0.4, False), (3.0, True)])
def test_a_busy_machine_is_named(before: float, busy: bool, tmp_path: Path) -> None:
    report.keep("overhead", found(load_before=before), tmp_path)

    report.write({"overhead": "one deploy"}, tmp_path / "page.md", tmp_path)

    assert ("busy with other work" in (tmp_path / "page.md").read_text()) is busy


def test_a_benchmark_that_fails_leaves_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "at_rest", lambda _most: 0.1)

    told = everything.run("overhead", ["--rounds", "no number"])

    assert told["command"] == "bin/bench overhead --rounds no number"
    assert told["failed"].startswith("exit code 2")
    assert "invalid int value" in told["failed"]
