"""What all benchmarks print: a table for people, and a last line of JSON for whoever compares runs."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cores import BEFORE
from bench.verdicts import aimed, doubts, was_busy

RESULT = "BENCH_RESULT"  # in the environment: where `bin/bench all` wants to read what was found


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was timed. `note` says against what, or what is in it."""

    what: str
    seconds: float
    note: str = ""


def shown(seconds: float) -> str:
    """For people: milliseconds where it is less than a second."""
    if seconds >= 1 or not seconds:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def show(
    name: str,
    title: str,
    rows: Sequence[Row],
    figures: Mapping[str, float | str],
    aims: Mapping[str, float],
    noise: str = "",
    *,
    at_least: Mapping[str, float] | None = None,
    rounds: Mapping[str, Sequence[float]] | None = None,
    noises: Mapping[str, str] | None = None,
    untold: Mapping[str, str] | None = None,
    more: Sequence[Row] = (),
) -> None:
    """Print it all. `aims` are the largest values that the figures should have, `at_least` the smallest, and without them nothing is
    judged. `noise` is what to say of the machine, `noises` the same for figures that have another reference, `rounds` what single
    rounds gave for a figure, and `untold` why it can't be judged for another reason; `more` rows are kept and not printed."""
    rounded = {figure: value if isinstance(value, str) else round(value, 3) for figure, value in figures.items()}
    found: dict[str, Any] = {
        "title": title,
        "rows": [asdict(row) for row in rows],
        "more": [asdict(row) for row in more],
        "figures": rounded,
        "noise": noise,
        "aims": aims,
        "at_least": at_least or {},
        **_before(),
        "doubts": {**doubts(aims, at_least or {}, noise, rounds or {}, noises), **(untold or {})},
    }
    verdicts = {each.figure: each for each in aimed({**found, "figures": figures})}
    width = max(len(row.what) for row in rows)
    print(f"\n{title}\n")
    for row in rows:
        print(f"  {row.what:<{width}}  {shown(row.seconds):>9}  {row.note}".rstrip())
    print()
    for figure, value in figures.items():
        told = value if isinstance(value, str) else f"{value:.3f}"
        each = verdicts.get(figure)
        print(f"  {figure} = {told}" + (f"  aim {each.wanted}: {_loud(each.verdict)}" if each else ""))
    if was_busy(found):
        print(
            f"  (the machine was busy with other work: {found['load_before']:.1f} cores before it; the times say little)"
        )
    for figure, why in found["doubts"].items():
        print(f"  ({figure}: {why})")
    print(f"  (machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}{'; ' if noise else ''}{noise})\n")
    print(json.dumps({"bench": name, "figures": rounded}), flush=True)
    if RESULT in os.environ:
        Path(os.environ[RESULT]).write_text(json.dumps(found))


def _before() -> dict[str, float]:
    """How busy the machine was; nothing where nobody looked, as in a short form."""
    before = os.environ.get(BEFORE)
    return {} if before is None else {"load_before": float(before), "cores": os.cpu_count() or 1}


def _loud(verdict: str) -> str:
    return "MISSED" if verdict == "missed" else verdict
