"""What all benchmarks print: a table for people, and a last line of JSON for whoever compares runs."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULT = "BENCH_RESULT"  # in the environment: where `bin/bench all` wants to read what was found


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was timed. `note` says against what, or what is in it."""

    what: str
    seconds: float
    note: str = ""


def show(
    name: str,
    title: str,
    rows: Sequence[Row],
    figures: Mapping[str, float | str],
    aims: Mapping[str, float],
    noise: str = "",
    *,
    at_least: Mapping[str, float] | None = None,
) -> None:
    """Print it all. `aims` are the largest values that the figures should have, `at_least` the smallest; `noise` is what to
    say of the machine."""
    width = max(len(row.what) for row in rows)
    print(f"\n{title}\n")
    for row in rows:
        print(f"  {row.what:<{width}}  {row.seconds:8.2f} s  {row.note}".rstrip())
    print()
    for figure, value in figures.items():
        if isinstance(value, str):
            print(f"  {figure} = {value}")
            continue
        print(f"  {figure} = {value:.3f}{_verdict(value, aims.get(figure), (at_least or {}).get(figure))}")
    print(f"  (machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}{'; ' if noise else ''}{noise})\n")
    rounded = {figure: value if isinstance(value, str) else round(value, 3) for figure, value in figures.items()}
    print(json.dumps({"bench": name, "figures": rounded}), flush=True)
    if RESULT in os.environ:
        found = {"title": title, "rows": [asdict(row) for row in rows], "figures": rounded, "noise": noise}
        Path(os.environ[RESULT]).write_text(json.dumps({**found, "aims": aims, "at_least": at_least or {}}))


def _verdict(value: float, most: float | None, least: float | None) -> str:
    if most is not None:
        return f"  aim ≤ {most:g}: {'met' if value <= most else 'MISSED'}"
    if least is not None:
        return f"  aim ≥ {least:g}: {'met' if value >= least else 'MISSED'}"
    return ""
