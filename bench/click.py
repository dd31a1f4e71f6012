"""From the click on Deploy to the first line on the screen and to the end, and how deploys queue when many are asked for at once.

A click is what a browser sends: the form with its session and its token, the redirect, the page, its live stream. The first line has
come when its bytes are here, by the stream or by the page's own question to the record, whichever was first; running the page's
scripts and painting are not in it.

A worker in production holds 32 deploys; here it holds two, so that it is the workers that are scarce and not this machine's cores.
"""

import argparse
from collections.abc import Sequence
from statistics import median, quantiles

from bench.click_queue import Cell, Crowd
from bench.click_runs import Clicks, clicks
from bench.frame import Row, show
from bench.pairs import each, noise, ratio
from bench.world import world
from parts.supervisor import Interrupted

AIMS = {"click_to_first_line_ms": 150.0, "lost": 0.0, "doubled": 0.0}
SERVERS = 3
FULL = 0.9  # of all cores, busy
AT_LEAST = {"scaling_4_over_1": 3.2}


def p95(values: Sequence[float]) -> float:
    """The 95th of a hundred."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def single(found: Clicks) -> tuple[list[Row], dict[str, float]]:
    """The rows and figures of the single clicks."""
    first = [each.first_line for each in found.clicked]
    by = {
        "click to the redirect": [each.answered for each in found.clicked],
        "click to the deployment's page": [each.page for each in found.clicked],
        "click to its live stream": [each.stream for each in found.clicked],
        "click to the first line": first,
        **{f"  by the record: {name}": moments for name, moments in found.parts.items()},
        "click to succeeded, on record": found.done,
        "click to succeeded, on the page": [each.seen_done for each in found.clicked],
    }
    early = sum(one.where == "record" for one in found.clicked)
    notes = {"click to the first line": f"; {early} of {len(first)} were on record before the page came"}
    rows = [Row(what, median(spent), f"p95 {p95(spent):.3f} s{notes.get(what, '')}") for what, spent in by.items()]
    rows.append(Row("docker on the server itself", median(found.floor), each(found.floor)))
    figures = {
        "click_to_first_line_ms": 1000 * p95(first),
        "click_to_first_line_p50_ms": 1000 * median(first),
        "click_to_done_over_floor": ratio(found.done, found.floor),
        "lost": float(found.lost),
        "doubled": float(found.doubled),
    }
    return rows, figures


def crowd(cells: Sequence[Cell], concurrency: int) -> tuple[list[Row], dict[str, float], str]:
    """The rows and figures of the deploys at once, and what is to be said of the machine."""
    rows = [
        Row(
            f"{cell.deploys} at once, {cell.workers} × {concurrency} places",
            cell.seconds,
            f"waited p50 {median(cell.waits):.2f} s, p95 {p95(cell.waits):.2f} s; {cell.a_minute:.0f} a minute; "
            f"cores {cell.busy:.0%} busy, Estiva {cell.own_cpu:.2f} CPU s a deploy",
        )
        for cell in cells
    ]
    by = {cell.workers: cell for cell in cells if cell.deploys == cells[-1].deploys}
    figures = {f"scaling_{count}_over_1": by[count].a_minute / by[1].a_minute for count in (2, 4)}
    figures["queue_wait_p95_s_of_4"] = p95(by[4].waits)
    full = "the cores were full with four workers: their factor is this machine's" if by[4].busy > FULL else ""
    return rows, figures, full


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench click", description=__doc__)
    parser.add_argument("--clicks", type=int, default=30, help="single ones (default: 30)")
    parser.add_argument(
        "--at-once", type=int, nargs="*", default=[1, 10, 50], help="deploys (default: 1 10 50; none: no crowd)"
    )
    parser.add_argument("--wait", type=float, default=5, help="seconds until a new version is healthy (default: 5)")
    parser.add_argument("--concurrency", type=int, default=2, help="deploys that a worker does at once (default: 2)")
    given = parser.parse_args(words)
    cells: list[Cell] = []
    try:
        with world(SERVERS) as made:
            found = clicks(made, given.clicks)
            if given.at_once:
                cells = Crowd(made, max(given.at_once), given.wait, given.concurrency).table(sorted(given.at_once))
    except Interrupted as reason:
        print(f"bin/bench click: interrupted by {reason}")
        return 1
    rows, figures = single(found)
    words_on_noise = [noise(found.floor)]
    if cells:
        more, scaling, full = crowd(cells, given.concurrency)
        rows, figures, words_on_noise = rows + more, {**figures, **scaling}, [*words_on_noise, full]
    said = "; ".join(each for each in words_on_noise if each)
    show("click", "One click, the very image that runs; and many", rows, figures, AIMS, said, at_least=AT_LEAST)
    return 0
