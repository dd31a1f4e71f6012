"""A container's lines on their way to a browser: bursts, and a steady flow, against `ssh host docker logs --follow`.

Estiva masks, numbers and stores every line on PostgreSQL before anybody sees it. In a burst each way reads another container, of the same
image, which says the same lines as soon as it runs. Both are timed alike: from the moment at which the engine started the container, by its
State.StartedAt, to the moment at which the last line was at its reader, on the same clock. So each way's time has in it all that comes
before the first line: with ssh that `docker run` comes back and that `ssh host docker logs --follow` starts, over a connection that is kept;
with Estiva that its worker hears of the start and begins to follow, and the way by the record to a viewer who was there before. The time
from the first line at the reader to the last, which leaves that out, stands beside it.

In the steady flow both follow the very same container, beside each other. A line is lost where it is missing in the viewer or on record,
once the deploy is over; where the last line doesn't come to a reader there is no rate, and the benchmark fails.

Memory is the most that the worker and the web held at any time, compared with what they hold after the first burst, which isn't counted.
The steady flow goes on once and is looked at in seven parts, one after the other: latency_p99_ms is the median of what 99 of 100 lines of
each part took, and latency_most_ms is the latest line of all. Seven rounds and a minute of flow take six minutes.
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

RAW = "ssh host docker logs --follow"
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
    bursts, steady, first_to_last = told["bursts"], told["steady"], told["first_to_last"]
    for name, reader in (("latencies_ms", "the viewer"), ("raw_latencies_ms", "ssh")):
        if len(steady[name]) < FEWEST:
            raise PartError(f"{len(steady[name])} lines of the steady flow came to {reader}: too few to tell how late.")
    latency, raw = (by_part(steady[name], p99) for name in ("latencies_ms", "raw_latencies_ms"))
    rates = ratios(bursts["raw"], bursts["estiva"])
    figures = {
        "rate_over_raw": median(rates),
        "rate_over_raw_first_to_last": median(ratios(first_to_last["raw"], first_to_last["estiva"])),
        "latency_p50_ms": median(steady["latencies_ms"]),
        "latency_p99_ms": median(latency),
        "latency_most_ms": max(steady["latencies_ms"]),
        "raw_latency_p50_ms": median(steady["raw_latencies_ms"]),
        "raw_latency_p99_ms": median(raw),
        "lost": float(told["lost"]),
        "doubled": float(told["doubled"]),
        "worker_grew_mb": told["grew"]["worker"],
        "web_grew_mb": told["grew"]["web"],
    }
    rows = [
        *(
            Row(f"burst, {who}{part}", median(spent[way]), f"{about} to the last line; {each(spent[way])}")
            for spent, part, about in (
                (bursts, "", "the container's start"),
                (first_to_last, ", from its first line", "the first line"),
            )
            for way, who in {"raw": RAW, "estiva": "Estiva"}.items()
        ),
        *(
            Row(f"steady, {who}: 99 of 100", median(late) / 1000, f"{about}; {each([part / 1000 for part in late])}")
            for who, late, about in (
                (RAW, raw, "from its writing to the reader"),
                ("Estiva", latency, f"to the viewer; {steady['lines']} lines"),
            )
        ),
    ]
    return rows, figures, {"rate_over_raw": rates, "latency_p99_ms": latency}


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
