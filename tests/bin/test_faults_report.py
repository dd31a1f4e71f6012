"""The campaign's table in the docs: a run replaces its own lines and leaves the others; every row is known by a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parts.faults import campaign, report
from parts.faults.judge import Finding
from parts.faults.row import Result, Row


def row(number: int, name: str) -> Row:
    """One that does nothing."""
    return Row(number, name, f"about {name}", lambda _: None)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Words before and after the table."""
    path = tmp_path / "reliability.md"
    path.write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n")
    return path


def lines(page: Path) -> list[str]:
    """The table's lines below its head."""
    return [line for line in page.read_text().splitlines() if line.startswith("| ") and line not in report.HEAD]


def test_lines_come_in_order_and_stay(page: Path) -> None:
    rows = [row(2, "storm"), row(1, "kill")]
    report.write(rows, [Result("storm", times=3, database="postgres")], page)
    report.write(rows, [Result("kill", times=5, database="sqlite"), Result("storm", times=4, database="sqlite")], page)
    assert [line.split(" | ")[0:4] for line in lines(page)] == [
        ["| 1", "about kill", "sqlite", "5"],
        ["| 2", "about storm", "postgres", "3"],
        ["| 2", "about storm", "sqlite", "4"],
    ]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")


def test_a_later_run_replaces_its_own_line(page: Path) -> None:
    rows = [row(1, "kill")]
    report.write(rows, [Result("kill", times=1, findings=[Finding("lost", "#1")], database="sqlite")], page)
    assert "**1 lost**" in lines(page)[0]
    report.write(rows, [Result("kill", times=2, database="sqlite")], page)
    (line,) = lines(page)
    assert "| 2 | nothing |" in line


def test_a_run_beside_another_leaves_its_line(page: Path) -> None:
    rows = [row(1, "kill"), row(2, "storm")]
    report.write(rows, [Result("kill", times=1, database="sqlite"), Result("storm", times=9, database="sqlite")], page)
    report.write(rows, [Result("kill", times=2, database="sqlite")], page, beside=True)
    assert [line.split(" | ")[3] for line in lines(page)] == ["1", "2", "9"]
    report.write(rows, [Result("kill", times=3, database="sqlite")], page)
    assert [line.split(" | ")[3] for line in lines(page)] == ["3", "9"]


def test_what_was_not_done_says_so(page: Path) -> None:
    report.write([row(1, "kill")], [Result("kill", error="Waited in vain.\nmore", database="sqlite")], page)
    assert "not done to its end: Waited in vain. |" in lines(page)[0]


def test_rows_have_names_of_their_own() -> None:
    names = [each.name for each in campaign.ROWS]
    assert len(names) == len(set(names))
    assert {each.number for each in campaign.ROWS} == {*range(1, 22)}
    assert any(each.quick for each in campaign.ROWS)


def test_a_line_says_what_was_tried_and_from_what_was_drawn(page: Path) -> None:
    report.write([row(1, "kill")], [Result("kill", times=1, database="sqlite")], page, seed=77)
    assert re.search(r"\| \d{4}-\d\d-\d\d(, [0-9a-f]{7,}( and changes)?)?, seed 77 \|$", lines(page)[0])
