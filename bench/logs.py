"""A container's lines on their way to a browser: bursts, and a steady flow, against `ssh host docker logs --follow`.

Estiva masks, numbers and stores every line on PostgreSQL before anybody sees it. In a burst each way reads another container, which says
the same lines from the same image and begins to be followed once it runs; in the steady flow both follow the very same container, beside
each other. A line is lost where it is missing in the viewer or on record, once the deploy is over.

Memory is the most that the worker and the web held at any time, compared with what they hold after the first burst, which isn't counted.
The steady flow goes on once; its verdict is that of its seconds taken in seven parts. Seven rounds and a minute of flow take six minutes.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from bench.frame import Row, show
from bench.pairs import ROUNDS, by_part, each, noise, ratios
from bench.stage import estiva, sent
from parts.processes import PartError
from parts.supervisor import Interrupted

AIMS = {"latency_p99_ms": 250.0, "lost": 0.0, "doubled": 0.0, "worker_grew_mb": 20.0, "web_grew_mb": 20.0}
AT_LEAST = {"rate_over_raw": 0.5}


TALKS = 15  # seconds in which a burst has surely ended; what a container says while it is judged is in its deploy's log
FEWEST = 2  # lines, of which a latency can be told
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


def table(told: Mapping[str, Any]) -> tuple[list[Row], dict[str, float], dict[str, list[float]]]:
    """The rows of the table, the figures, and what single rounds gave for some of them."""
    bursts, steady = told["bursts"], told["steady"]
    for name, reader in (("latencies_ms", "the viewer"), ("raw_latencies_ms", "ssh")):
        if len(steady[name]) < FEWEST:
            raise PartError(f"{len(steady[name])} lines of the steady flow came to {reader}: too few to tell how late.")
    latency, raw = (quantiles(steady[name], n=100) for name in ("latencies_ms", "raw_latencies_ms"))
    rates = ratios(bursts["raw"], bursts["estiva"])
    figures = {
        "rate_over_raw": median(rates),
        "latency_p50_ms": latency[49],
        "latency_p99_ms": latency[98],
        "raw_latency_p50_ms": raw[49],
        "raw_latency_p99_ms": raw[98],
        "lost": float(told["lost"]),
        "doubled": float(told["doubled"]),
        "worker_grew_mb": told["grew"]["worker"],
        "web_grew_mb": told["grew"]["web"],
    }
    rows = [
        Row(
            "burst, ssh host docker logs --follow", median(bursts["raw"]), f"first line to last; {each(bursts['raw'])}"
        ),
        Row("burst, Estiva", median(bursts["estiva"]), f"first line to last, in the viewer; {each(bursts['estiva'])}"),
        Row("steady, ssh host docker logs --follow: 99 of 100", raw[98] / 1000, "from its writing to the reader"),
        Row("steady, Estiva: 99 of 100", latency[98] / 1000, f"to the viewer; {steady['lines']} lines"),
    ]
    return rows, figures, {"rate_over_raw": rates, "latency_p99_ms": by_part(steady["latencies_ms"], p99)}


def p99(values: Sequence[float]) -> float:
    """The 99th of a hundred."""
    return quantiles(values, n=100)[98]


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench logs", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000, help="of a burst (default: 200000)")
    parser.add_argument("--seconds", type=int, default=60, help="of the steady flow, 1000 lines each (default: 60)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"bursts of each way (default: {ROUNDS})")
    parser.add_argument("--short", action="store_true", help="little of everything, unjudged: half a minute")
    given = parser.parse_args(words)
    amounts = SHORT if given.short else {"lines": given.lines, "seconds": given.seconds, "rounds": given.rounds}
    try:
        told = measure(**amounts)
    except Interrupted as reason:
        print(f"bin/bench logs: interrupted by {reason}")
        return 1
    rows, figures, rounds = table(told)
    aims, at_least = ({}, {}) if given.short else (AIMS, AT_LEAST)
    title = f"{amounts['lines']} lines at once, and 1000 a second"
    said = noise(told["bursts"]["raw"])
    show("logs", title, rows, figures, aims, said, at_least=at_least, rounds=rounds)
    return 0
