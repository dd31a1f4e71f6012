"""`bin/faults`: break everything on purpose, look from outside at what became of it, and say it in figures."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from pathlib import Path
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
from parts.faults.row import FULL, MOST_SHOWN, QUICK, Result, Row, Wanted
from parts.faults.world import World
from parts.leftovers import clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError
from parts.screen import say
from parts.supervisor import Interrupted, Supervisor

DESCRIPTION = "The fault campaign: nothing lost, nothing twice, never down. As root, on servers in network namespaces of their own."
GROUPS = (kills, sources, clicks, versions, registries, servers, storms, neighbours, disks, clocks, lines, cables)
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
    if not rows:
        print(f"bin/faults: no row is called {', '.join(options.only)}; bin/faults --list shows all.")
        return 2
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    results = Campaign(options, scale, seed).run(rows)
    if scale == FULL or options.write:
        report.write(ROWS, results, options.database)
    return _report(results, seed, options.database)


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
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres", help="(default: postgres)")
    parser.add_argument(
        "--write", action="store_true", help="write docs/reliability.md's lines of these rows, as --full does"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with every log")
    parser.add_argument("--list", action="store_true", help="name the rows")
    return parser.parse_args(arguments)


class Campaign:
    """Rows in one world after another."""

    def __init__(self, options: argparse.Namespace, scale: str, seed: int) -> None:
        self._options, self._seed = options, seed
        self._wanted = Wanted(scale, options.times, options.deploys, options.servers)
        self.results: list[Result] = []

    def run(self, rows: list[Row]) -> list[Result]:
        """All of them; what was done until somebody pressed Ctrl-C."""
        clear_leftovers()
        folder = temporary_folder("faults")
        say("faults", f"seed {self._seed}, {self._options.database}, {len(rows)} rows, in {folder}")
        with Supervisor() as supervisor, supervisor.signals():
            try:
                self._together(folder, [row for row in rows if not row.own_world])
                for row in rows:
                    if row.own_world:
                        self._together(folder, [row])
            except Interrupted as reason:
                say("faults", f"interrupted by {reason}")
                self.results.append(Result("interrupted", error=f"interrupted by {reason}"))
        if not self._options.keep:
            remove_folder(folder)
        return self.results

    def _together(self, folder: Path, rows: list[Row]) -> None:
        """These in one world; a row that could not be done to its end gets no other after it there."""
        left = list(rows)
        while left:
            world = World(folder / f"w{len(self.results) + 1}", postgres=self._options.database == "postgres")
            try:
                with world:
                    self._in(world, left)
            except (PartError, OSError) as error:  # of the world itself: its rows say what went wrong in them
                say("faults", f"ERROR {error}\n{world.estiva.logs()}")
                name = left.pop(0).name if left else "world"
                self.results.append(Result(name, error=f"no world: {error}"[:2000]))

    def _in(self, world: World, left: list[Row]) -> None:
        """Row after row, until one breaks off."""
        world.estiva.worker("look")
        world.estiva.reconciler()
        while left:
            result = left[0].run(world, self._wanted, self._seed)
            left.pop(0)
            self.results.append(result)
            if result.error:
                print(world.estiva.logs(), flush=True)
                return


def _report(results: list[Result], seed: int, database: str) -> int:
    for result in results:
        for finding in result.findings[:MOST_SHOWN]:
            print(f"{result.row}: {finding}")
    ok = bool(results) and all(each.ok for each in results)
    if not ok:
        print(
            f"again with: bin/faults --seed {seed} " + " ".join(f"--only {each.row}" for each in results if not each.ok)
        )
    told: dict[str, Any] = {
        "faults": sum(each.times for each in results),
        "ok": ok,
        "seed": seed,
        "database": database,
        "seconds": round(sum(each.seconds for each in results)),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": {each.row: each.told() for each in results},
    }
    print(json.dumps(told), flush=True)
    return 0 if ok else 1
