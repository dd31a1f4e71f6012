"""From the click on Deploy to the first line on the screen and to the end, and how deploys queue when many are asked for at once.

A click is what a browser sends: the form with its session and its token, the redirect, the page, its live stream. The first line has
come when its bytes are here, by the stream or by the page's own question to the record, whichever was first; running the page's
scripts and painting are not in it, nor is the plan that was shown before (plan_and_click_over_floor has it). Of a hundred clicks the 95th
counts, and its verdict is that of the clicks taken in seven parts; click and floor take turns.

The first line is Estiva's own, which says to which server it connects: it tells the person that a worker has taken the deploy up. Then the
image is pulled and the container replaced; click_to_container_line_ms is when the first line that the container wrote was here. The end is
the moment that the record bears, which is set before the commit; that the page shows it is a row of its own.

A worker in production holds 32 deploys; here it holds two, so that it is the workers that are scarce and not this machine's cores. Most
numbers of deploys and of workers are looked at once (`once` in the table), so their times are of one run and judged by nothing; the most
deploys on one worker and on four take turns for seven rounds, and scaling_4_over_1 is the median of their ratios. With all that it takes 25
minutes.
"""

import argparse
from collections.abc import Sequence
from statistics import median, quantiles

from bench.click_queue import COMPARED, Cell, Cells, Crowd
from bench.click_runs import Clicks, clicks
from bench.frame import Row, show
from bench.pairs import ROUNDS, by_part, each, medians, noise, ratios
from bench.world import world
from parts.supervisor import Interrupted

AIMS = {"click_to_first_line_ms": 150.0, "lost": 0.0, "doubled": 0.0}
SERVERS = 3
FULL = 0.9  # of all cores, busy
AT_LEAST = {"scaling_4_over_1": 3.2}


def p95(values: Sequence[float]) -> float:
    """The 95th of a hundred."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def single(found: Clicks) -> tuple[list[Row], dict[str, float], dict[str, list[float]]]:
    """The rows and figures of the single clicks, and what single rounds gave."""
    first = [each.first_line for each in found.clicked]
    said = [each.container_line for each in found.clicked if each.container_line]
    by = {
        "click to the redirect": [each.answered for each in found.clicked],
        "click to the deployment's page": [each.page for each in found.clicked],
        "click to its live stream": [each.stream for each in found.clicked],
        "click to the first line": first,
        **({"click to the container's first line": said} if said else {}),
        **{f"  by the record: {name}": moments for name, moments in found.parts.items()},
        "click to succeeded, on record": found.done,
        "click to succeeded, on the page": [each.seen_done for each in found.clicked],
    }
    early = sum(one.where == "record" for one in found.clicked)
    notes = {"click to the first line": f"; {early} of {len(first)} were on record before the page came"}
    rows = [Row(what, median(spent), f"p95 {p95(spent):.3f} s{notes.get(what, '')}") for what, spent in by.items()]
    rows.append(Row("docker on the server itself", median(found.floor), each(found.floor)))
    rows.append(Row("the plan before the click", median(found.plans), f"p95 {p95(found.plans):.3f} s"))
    planned = [plan + rest for plan, rest in zip(found.plans, found.done, strict=True)]
    rounds = {
        "click_to_done_over_floor": ratios(found.done, found.floor),
        "plan_and_click_over_floor": ratios(planned, found.floor),
    }
    figures = {
        "click_to_first_line_ms": 1000 * p95(first),
        "click_to_first_line_p50_ms": 1000 * median(first),
        **({"click_to_container_line_ms": 1000 * p95(said)} if said else {}),
        **medians(rounds),
        "lost": float(found.lost),
        "doubled": float(found.doubled),
    }
    parts = by_part([1000 * each for each in first], p95)
    return rows, figures, {**rounds, "click_to_first_line_ms": parts}


def crowd(found: Cells, concurrency: int) -> tuple[list[Row], dict[str, float], list[float], str]:
    """The rows and figures of the deploys at once, four workers' factor in each round, and why it can't be judged, if it can't."""
    rows = [_row([cell], concurrency, "once") for cell in found.once]
    rows += [_row(cells, concurrency, each([cell.seconds for cell in cells])) for cells in found.turns.values()]
    figures = {}
    for cells in ([[cell] for cell in found.once], found.turns.values()):
        for same in cells:
            waits = [wait for cell in same for wait in cell.waits]
            figures[f"queue_wait_p95_s_{same[0].deploys}_on_{same[0].workers}"] = p95(waits)
    one, four = (found.turns[workers] for workers in COMPARED)
    factors = ratios([cell.a_minute for cell in four], [cell.a_minute for cell in one])
    figures["scaling_4_over_1"] = median(factors)
    full = median(cell.busy for cell in four) > FULL
    return (
        rows,
        figures,
        factors,
        "the cores were full with four workers: their factor is this machine's" if full else "",
    )


def _row(cells: Sequence[Cell], concurrency: int, note: str) -> Row:
    first, waits = cells[0], [wait for cell in cells for wait in cell.waits]
    return Row(
        f"{first.deploys} at once, {first.workers} × {concurrency} places",
        median(cell.seconds for cell in cells),
        f"waited p50 {median(waits):.2f} s, p95 {p95(waits):.2f} s; {median(cell.a_minute for cell in cells):.0f} a minute; "
        f"cores {median(cell.busy for cell in cells):.0%} busy, Estiva {median(cell.own_cpu for cell in cells):.2f} CPU s a deploy; {note}",
    )


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench click", description=__doc__)
    parser.add_argument("--clicks", type=int, default=100, help="single ones (default: 100)")
    parser.add_argument(
        "--at-once", type=int, nargs="*", default=[1, 10, 50], help="deploys (default: 1 10 50; none: no crowd)"
    )
    parser.add_argument("--wait", type=float, default=4, help="seconds until a new version is healthy (default: 4)")
    parser.add_argument("--concurrency", type=int, default=2, help="deploys that a worker does at once (default: 2)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of the most deploys on one worker and on four (default: {ROUNDS})"
    )
    given = parser.parse_args(words)
    cells = None
    try:
        with world(SERVERS) as made:
            found = clicks(made, given.clicks)
            if counts := sorted(given.at_once):
                cells = Crowd(made, counts[-1], given.wait, given.concurrency).table(counts, given.rounds)
    except Interrupted as reason:
        print(f"bin/bench click: interrupted by {reason}")
        return 1
    rows, figures, rounds = single(found)
    untold: dict[str, str] = {}
    if cells is not None:
        more, queue, factors, full = crowd(cells, given.concurrency)
        rows, figures, rounds = rows + more, {**figures, **queue}, {**rounds, "scaling_4_over_1": factors}
        untold = {"scaling_4_over_1": full} if full else {}
    title, said = "One click, the very image that runs; and many", noise(found.floor)
    show("click", title, rows, figures, AIMS, said, at_least=AT_LEAST, rounds=rounds, untold=untold)
    return 0
