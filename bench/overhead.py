"""One deploy with every layer there already: Estiva's engine and its whole pipeline, and others' ways, against the docker client on the server.

The floor pulls, removes, runs and looks, and so do the others; of ssh and of Fabric two forms are timed, four calls and one line with all
four, and the quicker one is what Estiva is held against. Ansible has a module for all four; pyinfra is given the one line, since its own
docker.container asks the server for facts first. Estiva does more in its time: it looks before and afterwards, proves that the new version
answers before it lets go of the old one, and writes it all down, on PostgreSQL.

The pipeline is timed by the clock on the wall: from just before the click's function is called until another connection to the database
reads that the deploy is over, which it looks for every 20 ms. Its parts and the plan are by the moments that the record bears.

It does less in one thing: the plan, which comes before the click, has asked the registry already which digest the tag is, so that the deploy
asks no registry for what the server has, while all others ask in every round. The engine and the pipeline are timed without the plan, as a
person who clicks waits for them; plan_and_pipeline_over_floor, and the same over each of the others, is with it.

Seven rounds take about two minutes.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench import peers, trace
from bench.frame import Row, show
from bench.pairs import ROUNDS, each, medians, noise, ratios
from bench.stage import estiva, sent
from parts.supervisor import Interrupted

AIMS = {
    "engine_over_floor": 1.1,
    "pipeline_over_floor": 2.0,
    **{f"pipeline_over_{peer}": 1.0 for peer in peers.PEERS},
}
WAYS = {
    "floor": "docker on the server itself",
    "engine": "Estiva's engine with its connect",
    "pipeline": "Estiva, from the click until it is on record",
    "ssh": "ssh + docker, four calls",
    "ssh_chained": "ssh + docker, in one line",
    "pyinfra": "pyinfra",
    "fabric": "Fabric, four calls",
    "fabric_chained": "Fabric, in one line",
    "ansible": "Ansible, community.docker",
}
PLANNED = "Estiva, its plan and from the click until it is on record"
SHORT = ("floor", "engine", "pipeline")  # without others' ways: nothing has to be installed


def measure(rounds: int, ways: Sequence[str]) -> dict[str, Any]:
    """Way → seconds, round by round; `plan`: those before the click; `parts`: the pipeline's steps; `calls`: what one more deploy of the
    engine asked."""
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


def table(seconds: Mapping[str, Any]) -> tuple[list[Row], dict[str, list[float]]]:
    """The rows of the table, and the figures in each round."""
    ran = {name: about for name, about in WAYS.items() if name in seconds}
    rows = [Row(about, median(seconds[name]), peers.noted(name, each(seconds[name]))) for name, about in ran.items()]
    planned = [plan + rest for plan, rest in zip(seconds["plan"], seconds["pipeline"], strict=True)]
    rows.insert(3, Row(PLANNED, median(planned), each(planned)))
    rows += [Row(f"  of the pipeline: {part}", median(spent)) for part, spent in seconds["parts"].items()]
    floor, pipeline, quickest = seconds["floor"], seconds["pipeline"], peers.quickest(seconds)
    return rows, {
        "engine_over_floor": ratios(seconds["engine"], floor),
        "pipeline_over_floor": ratios(pipeline, floor),
        "plan_and_pipeline_over_floor": ratios(planned, floor),
        **{f"{peer}_over_floor": ratios(seconds[form], floor) for peer, form in quickest.items()},
        **{f"pipeline_over_{peer}": ratios(pipeline, seconds[form]) for peer, form in quickest.items()},
        **{f"plan_and_pipeline_over_{peer}": ratios(planned, seconds[form]) for peer, form in quickest.items()},
    }


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is timed (default: {ROUNDS})")
    parser.add_argument("--short", action="store_true", help="two rounds, without others' ways, unjudged: some seconds")
    parser.add_argument("--trace", action="store_true", help="show what one deploy asks of its server, call by call")
    given = parser.parse_args(words)
    try:
        seconds = measure(2, SHORT) if given.short else measure(given.rounds, tuple(WAYS))
    except Interrupted as reason:
        print(f"bin/bench overhead: interrupted by {reason}")
        return 1
    if given.trace:
        print(f"\nWhat the engine asks of its server in one deploy (milliseconds)\n\n{trace.table(seconds['calls'])}")
    rows, rounds = table(seconds)
    aims = {} if given.short else AIMS
    show("overhead", "One deploy, layers cached", rows, medians(rounds), aims, noise(seconds["floor"]), rounds=rounds)
    return 0
