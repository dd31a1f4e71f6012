"""docs/reliability.md's table: a line for each row and database, put in the place of what stood there before, or beside it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parts.environment import ROOT
from parts.faults import judge
from parts.faults.row import Result, Row

PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by bin/faults --full -->", "<!-- until here -->"
HEAD: Final = (
    "| # | fault | database | faults done | found | measured | of |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
WORDS: Final = {
    "lost": "lost",
    "duplicated": "duplicated",
    "interleaved": "interleaved",
    "unended": "unended",
    "wrong_verdict": "wrong verdicts",
    "not_serving": "not serving at the end",
    "absent": "times without any container",
    "too_early": "removed before another was proven",
    "outage": "unannounced gaps",
    "unasked": "times when nobody asked",
    "log": "gaps or repeats in logs",
    "audit": "breaks of the audit chain",
    "left_process": "left over processes",
    "row": "other broken promises",
}


def write(
    rows: Sequence[Row], results: Sequence[Result], page: Path = PAGE, *, seed: int | None = None, beside: bool = False
) -> None:
    """Put these results into the page: with the day, the commit that was tried and what was drawn from.

    `beside`: what earlier runs found stays, as what is asked for in great numbers takes more than one run.
    """
    of = ", ".join(
        [time.strftime("%Y-%m-%d", time.gmtime()), *_commit(), *([f"seed {seed}"] if seed is not None else [])]
    )
    by_name = {row.name: row for row in rows}
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    lines = [line for line in table.splitlines() if line.startswith("| ") and line not in HEAD]
    new = [_line(by_name[result.row], result, of) for result in results if result.row in by_name]
    replaced = set() if beside else {_key(line) for line in new}
    whole = [*HEAD, *sorted([*(line for line in lines if _key(line) not in replaced), *new], key=_key)]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(whole) + f"\n{END}{after}")


def _key(line: str) -> tuple[int, str, str]:
    cells = [each.strip() for each in line.strip("| ").split(" | ")]
    return int(cells[0]), cells[1], cells[2]


def _commit() -> list[str]:
    """That of the files here, where they are a clone's; named as changed where something that counts has no commit yet."""
    answers = [
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for words in (
            ["rev-parse", "--short", "HEAD"],
            ["status", "--porcelain", "--", ".", f":!{PAGE.relative_to(ROOT)}"],
        )
    ]
    commit, changed = (each.stdout.strip() for each in answers)
    return [f"{commit} and changes" if changed else commit] if commit else []


def _line(row: Row, result: Result, of: str) -> str:
    counted = judge.counts(result.findings)
    wrong = ", ".join(f"**{count} {WORDS[kind]}**" for kind, count in counted.items() if count)
    found = f"not done to its end: {result.error.splitlines()[0]}" if result.error else wrong or "nothing"
    measured = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.measured.items()) or "-"
    cells = (
        row.number,
        row.about,
        result.database,
        result.times,
        found,
        measured,
        of,
    )
    return "| " + " | ".join(str(each).replace("|", "/") for each in cells) + " |"
