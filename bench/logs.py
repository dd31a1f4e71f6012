"""A container's lines on their way to a browser: a burst, and a steady flow, against `ssh host docker logs` of the same container.

Estiva masks, numbers and stores every line before anybody sees it.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from bench.frame import Row, show
from bench.stage import estiva, sent
from parts.supervisor import Interrupted

AIMS = {"latency_p99_ms": 250.0, "lost": 0.0, "doubled": 0.0}
AT_LEAST = {"rate_over_raw": 0.5}


TALKS = 30  # seconds in which a burst has surely ended; what a container says while it is judged is in its deploy's log
SHORT = {"lines": 20_000, "seconds": 6, "rounds": 1, "talks": 4}


def measure(lines: int, seconds: int, rounds: int, talks: int = TALKS) -> dict[str, Any]:
    """The bursts and the steady flow, as `bench.logs_runs` tells them."""
    with estiva() as (installation, server, _):
        told = {
            "folder": str(installation.folder),
            "url": installation.url,
            "sshd": [str(server.sshd.folder), server.sshd.port],
            "socket": str(server.socket),
            "image": server.image,
            "port": server.application_port,
            "lines": lines,
            "seconds": seconds,
            "rounds": rounds,
            "talks": talks,
        }
        return sent(installation, "bench.logs_runs", told)


def table(told: Mapping[str, Any]) -> tuple[list[Row], dict[str, float]]:
    """The rows of the table and the figures."""
    bursts, steady = told["bursts"], told["steady"]
    latency = quantiles(steady["latencies_ms"], n=100)
    figures = {
        "rate_over_raw": median(each["raw_seconds"] / each["seconds"] for each in bursts),
        "latency_p50_ms": latency[49],
        "latency_p99_ms": latency[98],
        "lost": float(sum(each["lost"] for each in [*bursts, steady])),
        "doubled": float(sum(each["doubled"] for each in [*bursts, steady])),
        "worker_grew_mb": told["grew"]["worker"],
        "web_grew_mb": told["grew"]["web"],
    }
    rows = [
        Row("burst, ssh host docker logs -f", median(each["raw_seconds"] for each in bursts), "first line to last"),
        Row("burst, Estiva", median(each["seconds"] for each in bursts), "first line to last, in the viewer"),
        Row("steady", steady["seconds"], f"{steady['lines']} lines in the viewer"),
    ]
    return rows, figures


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench logs", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000, help="of a burst (default: 200000)")
    parser.add_argument("--seconds", type=int, default=60, help="of the steady flow, 1000 lines each (default: 60)")
    parser.add_argument("--rounds", type=int, default=3, help="bursts (default: 3)")
    parser.add_argument("--short", action="store_true", help="little of everything: half a minute")
    given = parser.parse_args(words)
    amounts = SHORT if given.short else {"lines": given.lines, "seconds": given.seconds, "rounds": given.rounds}
    try:
        rows, figures = table(measure(**amounts))
    except Interrupted as reason:
        print(f"bin/bench logs: interrupted by {reason}")
        return 1
    show("logs", f"{amounts['lines']} lines at once, and 1000 a second", rows, figures, AIMS, at_least=AT_LEAST)
    return 0
