"""From a commit to an answer: Estiva's way against `git clone`, `docker build` and `docker run` over ssh, on the same server.

Both build the story's application, a Flask page, and replace the version that runs. By hand each line is a command over one connection of the
OpenSSH client, which is kept (ControlPersist). Estiva's time includes its plan. Seven rounds of each kind take six minutes.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.frame import Row, show
from bench.pairs import ROUNDS, each, medians, noise, ratios
from bench.stage import estiva, sent
from parts import sample_repository
from parts.supervisor import Interrupted

AIMS = {"build_over_by_hand": 1.15, "cached_over_by_hand": 1.15}
KINDS = {"build": "without cache", "cached": "one file changed"}


def measure(runs: int) -> dict[str, Any]:
    """Start a whole Estiva with its sample server, and time both ways on it: kind → way → seconds, or part → seconds."""
    with estiva() as (installation, server, supervisor):
        repository = sample_repository.start(installation, supervisor, server)
        told = {
            "runs": runs,
            "repository": repository.told(),
            "sshd": [str(server.sshd.folder), server.sshd.port],
            "socket": str(server.socket),
            "port": installation.port("by-hand"),
        }
        return sent(installation, "bench.build_runs", told)


def table(seconds: Mapping[str, Any]) -> tuple[list[Row], dict[str, list[float]]]:
    """The rows of the table, and the figures in each round."""
    rows, rounds = [], {}
    for kind, about in KINDS.items():
        rounds[f"{kind}_over_by_hand"] = ratios(seconds[kind]["estiva"], seconds[kind]["by_hand"])
        for way, who in {"by_hand": "by hand", "estiva": "Estiva"}.items():
            spent = seconds[kind][way]
            rows.append(Row(f"{kind}, {who}", median(spent), f"{about}; {each(spent)}"))
            rows += [Row(f"  {part}", median(took), each(took)) for part, took in seconds[kind]["parts"][way].items()]
    return rows, rounds


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench build", description=__doc__)
    parser.add_argument("--runs", type=int, default=ROUNDS, help=f"how often each is timed (default: {ROUNDS})")
    try:
        seconds = measure(parser.parse_args(words).runs)
    except Interrupted as reason:
        print(f"bin/bench build: interrupted by {reason}")
        return 1
    rows, rounds = table(seconds)
    said = next((said for kind in KINDS if (said := noise(seconds[kind]["by_hand"]))), "")
    show("build", "From a commit to an answer", rows, medians(rounds), AIMS, said, rounds=rounds)
    return 0
