"""`bin/faults`: break everything on purpose, look from outside at what became of it, and say it in figures."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from parts.faults import (
    cables,
    clicks,
    clocks,
    disks,
    kills,
    lines,
    neighbours,
    registries,
    report,
    servers,
    sources,
    storms,
    versions,
)
from parts.faults.lanes import LANES, Job, Lanes
from parts.faults.row import FULL, MOST_SHOWN, QUICK, Result, Row, Wanted
from parts.leftovers import clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.screen import say
from parts.supervisor import Interrupted, Supervisor

DESCRIPTION = "The fault campaign: nothing lost, nothing twice, never down. As root, on servers in network namespaces of their own."
GROUPS = (kills, sources, clicks, versions, registries, servers, storms, neighbours, disks, clocks, lines, cables)
PARTS_ON_SQLITE = 4
MINUTES = 65
ROWS: tuple[Row, ...] = tuple(sorted((row for group in GROUPS for row in group.ROWS), key=lambda row: row.number))


def main(arguments: list[str]) -> int:
    """Run rows, each judged from outside; the last line is JSON. The exit code."""
    options = _options(arguments)
    if options.list:
        for row in ROWS:
            print(f"{row.number:>3}  {row.name:14} {'quick ' if row.quick else '      '} {row.about}")
        return 0
    rows = (
        [row for row in ROWS if row.name in options.only or str(row.number) in options.only]
        if options.only
        else list(ROWS)
    )
    scale = FULL if options.full else QUICK
    if scale == QUICK and not options.only:
        rows = [row for row in rows if row.quick]
    if strangers := unknown(options.only):
        print(f"bin/faults: no row is called {', '.join(strangers)}; bin/faults --list shows all.")
        return 2
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    wanted = jobs(rows, scale, options.database)
    results = _run(options, scale, seed, wanted)
    return _report([*results, *missing(wanted, results)], seed, options.database)


def unknown(names: Sequence[str]) -> list[str]:
    """Those of these that no row has, as its name or number."""
    known = {each for row in ROWS for each in (row.name, str(row.number))}
    return [each for each in names if each not in known]


def jobs(rows: Sequence[Row], scale: str, database: str) -> list[Job]:
    """Which row on which database, the long ones first; `both` is the one that all can be on, then the other."""

    def place(row: Row) -> tuple[bool, int]:
        """Those that share a world go before the others: each of these needs one made for it."""
        return row.own_world, -(row.seconds if scale == QUICK else row.long)

    ordered = sorted(rows, key=place)
    first = [Job(row, "postgres" if database == "both" else database) for row in ordered]
    if database != "both":
        return first
    return first + [Job(row, "sqlite", PARTS_ON_SQLITE) for row in ordered if row.both or scale == QUICK]


def _run(options: argparse.Namespace, scale: str, seed: int, wanted: list[Job]) -> list[Result]:
    """All of them; what was done until somebody pressed Ctrl-C. The page of the docs is written as they end."""
    results: list[Result] = []

    def done(result: Result) -> None:
        results.append(result)
        if (scale == FULL or options.write) and not result.skipped:
            report.write(ROWS, [result], seed=seed, beside=options.beside)

    clear_leftovers()
    folder = temporary_folder("faults")
    say("faults", f"seed {seed}, {options.database}, {len(wanted)} rows, in {folder}")
    amounts = Wanted(scale, options.times, options.deploys, options.servers)
    with Supervisor() as supervisor, supervisor.signals():
        try:
            until = time.monotonic() + 60 * options.minutes if options.minutes else None
            Lanes(folder, amounts, seed, done, until).run(wanted, max(1, min(options.lanes, len(wanted))))
        except Interrupted as reason:
            say("faults", f"interrupted by {reason}")
            results.append(Result("interrupted", error=f"interrupted by {reason}"))
    if not options.keep:
        remove_folder(folder)
    return sorted(results, key=lambda each: (_number(each.row), each.database))


def missing(wanted: Sequence[Job], results: Sequence[Result]) -> list[Result]:
    """An error for each row that was to be done and of which nobody told anything, so that none is taken for a good one."""
    told = {(each.row, each.database) for each in results}
    return [
        Result(job.row.name, error="nothing was told of it", database=job.database)
        for job in wanted
        if (job.row.name, job.database) not in told
    ]


def _number(name: str) -> int:
    return next((row.number for row in ROWS if row.name == name), 0)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/faults", description=DESCRIPTION)
    parser.add_argument(
        "--quick", action="store_true", help="the rows most likely to break, in three minutes (default)"
    )
    parser.add_argument("--full", action="store_true", help="every row, many times: an hour or so")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this row (name or number); may be repeated"
    )
    parser.add_argument("--seed", type=int, help="replay what another run drew")
    parser.add_argument("--times", type=int, default=2, help="how often each point of row 1, with --full (default: 2)")
    parser.add_argument("--deploys", type=int, default=150, help="in the storm of row 2 (default: 150)")
    parser.add_argument("--servers", type=int, default=4, help="in the storm of row 2 (default: 4)")
    parser.add_argument(
        "--database",
        choices=("sqlite", "postgres", "both"),
        help="both: every row on PostgreSQL, then those on SQLite that make sense there (default: both with --full, else postgres)",
    )
    parser.add_argument(
        "--minutes",
        type=int,
        help="no row begins later; those left are named, and the exit code is 1 (default: 65 with --full)",
    )
    parser.add_argument(
        "--lanes", type=int, default=LANES, help=f"rows side by side, each in a world of its own (default: {LANES})"
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/reliability.md's lines of these rows, as --full does"
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="leave the lines of earlier runs of these rows there, and write these beside them",
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with every log")
    parser.add_argument("--list", action="store_true", help="name the rows")
    options = parser.parse_args(arguments)
    options.database = options.database or ("both" if options.full and not options.only else "postgres")
    options.minutes = options.minutes or (MINUTES if options.full and not options.only else 0)
    return options


def _report(results: list[Result], seed: int, database: str) -> int:
    for result in results:
        for finding in result.findings[:MOST_SHOWN]:
            print(f"{_key(result, database)}: {finding}")
        if result.error:
            print(f"{_key(result, database)}: not done to its end: {result.error}")
    ok = bool(results) and all(each.ok for each in results)
    if not ok:
        again = " ".join(sorted({f"--only {each.row}" for each in results if not each.ok and _number(each.row)}))
        print(f"again with: bin/faults --seed {seed} --database {database} {again}")
    told: dict[str, Any] = {
        "faults": sum(each.times for each in results),
        "ok": ok,
        "seed": seed,
        "database": database,
        "seconds": round(sum(each.seconds for each in results)),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": {_key(each, database): each.told() for each in results},
    }
    print(json.dumps(told), flush=True)
    return 0 if ok else 1


def _key(result: Result, database: str) -> str:
    return f"{result.row} on sqlite" if database == "both" and result.database == "sqlite" else result.row
