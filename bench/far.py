"""Workers in three network namespaces of their own, one of them far away: what a deploy of its costs, and that it loses nothing.

The far worker has everything beyond the long line: the database, the broker and the server that it deploys to. It and a near one take
turns, each the only worker in its turn. Then all three share what is asked for at once; then the far one alone has a deploy that takes
longer than a lease, and one that says much: these are done once, so their times are of one run and judged by nothing; what is counted is
whether a line or a lease was lost, and how many of the deploys asked for at once the far worker took (far_share): with none it would not
take part. The line's 50 ms are there and back, half of them each way, and each direction loses its packets by itself. It takes six minutes.
"""

import argparse
from collections.abc import Sequence
from statistics import median

from bench.far_runs import Far, measure
from bench.far_world import Line
from bench.frame import Row, show
from bench.pairs import ROUNDS, each, medians, noise, ratios
from parts.supervisor import Interrupted

AIMS = {"lost": 0.0, "doubled": 0.0, "leases_lost": 0.0}
AT_LEAST = {"far_share": 1.0}  # deploys


def table(found: Far) -> tuple[list[Row], dict[str, float], dict[str, list[float]]]:
    """The rows, the figures, and the ratio in each round."""
    rows = []
    for side in (found.near, found.far):
        told = ", ".join(f"{count:.0f} {kind}" for kind, count in side.requests.items())
        about = f"{each(side.done)}; a deploy sends: {told}"
        rows.append(Row(f"{side.name}: succeeded, on record", median(side.done), about))
        rows.append(Row(f"{side.name}: first line", median(side.first)))
        rows += [Row(f"  {side.name}: {name}", median(spent)) for name, spent in side.parts.items()]
    rows.append(
        Row("many at once on all three", found.together, ", ".join(f"{n} by {who}" for who, n in found.shares.items()))
    )
    rows.append(Row("far: longer than a lease", found.long, "kept"))
    rows.append(Row("far: many lines", found.chatty, f"{found.lines} lines"))
    rounds = {"far_over_near": ratios(found.far.done, found.near.done)}
    figures = {
        **medians(rounds),
        "far_done_s": median(found.far.done),
        "near_done_s": median(found.near.done),
        **{f"far_{kind}_requests": count for kind, count in found.far.requests.items()},
        "far_share": float(found.shares["far"]),
        "lost": float(found.lost),
        "doubled": float(found.doubled),
        "leases_lost": float(found.leases_lost),
    }
    return rows, figures, rounds


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench far", description=__doc__)
    parser.add_argument("--deploys", type=int, default=ROUNDS, help=f"by each worker alone (default: {ROUNDS})")
    parser.add_argument("--at-once", type=int, default=8, help="with all three workers (default: 8)")
    parser.add_argument("--delay", type=float, default=25, help="of the line, milliseconds each way (default: 25)")
    parser.add_argument("--loss", type=float, default=1, help="packets of a hundred, each way (default: 1)")
    given = parser.parse_args(words)
    line = Line(given.delay, given.loss)
    try:
        found = measure(line, given.deploys, given.at_once)
    except Interrupted as reason:
        print(f"bin/bench far: interrupted by {reason}")
        return 1
    title = f"A worker at the end of a line of {2 * line.delay:g} ms there and back that loses {line.loss:g} % each way"
    rows, figures, rounds = table(found)
    show("far", title, rows, figures, AIMS, noise(found.near.done), at_least=AT_LEAST, rounds=rounds)
    return 0
