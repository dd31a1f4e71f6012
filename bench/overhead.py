"""One deploy with every layer there already: Estiva's engine and its whole pipeline, and others' ways, against the docker client on the server.

The floor pulls, removes, runs and looks. Estiva does more in its time: it looks before and afterwards, proves that the new
version answers before it lets go of the old one, and writes it all down.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench import peers, trace
from bench.frame import Row, show
from bench.pairs import each, noise, ratio
from bench.stage import estiva, sent
from parts.supervisor import Interrupted

AIMS = {"engine_over_floor": 1.1, "pipeline_over_floor": 2.0}
WAYS = {
    "floor": "docker on the server itself",
    "engine": "Estiva's engine with its connect",
    "pipeline": "Estiva, from request to record",
    "ssh": "ssh + docker",
    "pyinfra": "pyinfra",
    "fabric": "Fabric",
    "ansible": "Ansible, community.docker",
}


SHORT = ("floor", "engine", "pipeline")  # without others' ways: nothing has to be installed


def measure(rounds: int, ways: Sequence[str]) -> dict[str, Any]:
    """Way → seconds, round by round; `parts`: the pipeline's steps; `calls`: what one more deploy of the engine asked."""
    if set(ways) - set(SHORT):
        peers.install()
    with estiva() as (installation, server, _):
        told = {
            "rounds": rounds,
            "ways": list(ways),
            "sshd": [str(server.sshd.folder), server.sshd.port],
            "socket": str(server.socket),
            "image": server.image,
            "ports": {name: installation.port(f"bench-{name}") for name in ways},
        }
        return sent(installation, "bench.overhead_runs", told)


def table(seconds: Mapping[str, Any]) -> tuple[list[Row], dict[str, float]]:
    """The rows of the table and the figures."""
    ran = {name: about for name, about in WAYS.items() if name in seconds}
    rows = [Row(about, median(seconds[name]), each(seconds[name])) for name, about in ran.items()]
    rows += [Row(f"  of the pipeline: {part}", median(spent)) for part, spent in seconds["parts"].items()]
    figures = {f"{name}_over_floor": ratio(seconds[name], seconds["floor"]) for name in ran if name != "floor"}
    return rows, figures


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed (default: 7)")
    parser.add_argument("--short", action="store_true", help="two rounds, without others' ways: some seconds")
    parser.add_argument("--trace", action="store_true", help="show what one deploy asks of its server, call by call")
    given = parser.parse_args(words)
    try:
        seconds = measure(2, SHORT) if given.short else measure(given.rounds, tuple(WAYS))
    except Interrupted as reason:
        print(f"bin/bench overhead: interrupted by {reason}")
        return 1
    if given.trace:
        print(f"\nWhat the engine asks of its server in one deploy (milliseconds)\n\n{trace.table(seconds['calls'])}")
    rows, figures = table(seconds)
    show("overhead", "One deploy, layers cached", rows, figures, AIMS, noise(seconds["floor"]))
    return 0
