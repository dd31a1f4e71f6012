"""From the click on Deploy to the first line on the screen and to the end, and how deploys queue when many are asked for at once.

A click is what a browser sends: the form with its session and its token, the redirect, the page, its live stream. The first line has
come when its bytes are here, by the stream or by the page's own question to the record, whichever was first; running the page's
scripts and painting are not in it.
"""

import argparse
from collections.abc import Sequence
from statistics import median, quantiles

from bench.click_runs import Clicks, clicks
from bench.frame import Row, show
from bench.pairs import each, noise, ratio
from bench.world import world
from parts.supervisor import Interrupted

AIMS = {"click_to_first_line_ms": 150.0, "lost": 0.0, "doubled": 0.0}
AT_LEAST = {"scaling_4_over_1": 3.2}


def p95(values: Sequence[float]) -> float:
    """The 95th of a hundred."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def single(found: Clicks) -> tuple[list[Row], dict[str, float]]:
    """The rows and figures of the single clicks."""
    by = {
        "redirect": [each.answered for each in found.clicked],
        "the deployment's page": [each.page for each in found.clicked],
        "its live stream is open": [each.stream for each in found.clicked],
        "the first line": [each.first_line for each in found.clicked],
        **{f"  by the record: {name}": moments for name, moments in found.parts.items()},
        "succeeded, on record": found.done,
        "succeeded, on the page": [each.seen_done for each in found.clicked],
    }
    rows = [Row(f"click to {name}", median(spent), f"p95 {p95(spent):.3f} s") for name, spent in by.items()]
    rows.append(Row("docker on the server itself", median(found.floor), each(found.floor)))
    record = sum(one.where == "record" for one in found.clicked)
    rows.append(Row("first line was in the record when the page came", record, "clicks, not seconds"))
    figures = {
        "click_to_first_line_ms": 1000 * p95(by["the first line"]),
        "click_to_first_line_p50_ms": 1000 * median(by["the first line"]),
        "click_to_done_over_floor": ratio(found.done, found.floor),
        "lost": float(found.lost),
        "doubled": float(found.doubled),
    }
    return rows, figures


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench click", description=__doc__)
    parser.add_argument("--clicks", type=int, default=30, help="single ones (default: 30)")
    given = parser.parse_args(words)
    try:
        with world(1) as made:
            found = clicks(made, given.clicks)
    except Interrupted as reason:
        print(f"bin/bench click: interrupted by {reason}")
        return 1
    rows, figures = single(found)
    show("click", "One click, the very image that runs", rows, figures, AIMS, noise(found.floor), at_least=AT_LEAST)
    return 0
