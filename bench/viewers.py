"""Five hundred people who watch one deploy, on one web process: what they cost it, and how late a line of the container reaches each.

The container says some lines a second, each with the moment of its writing; every viewer has a stream of its own, from the first line. The
time is long enough for everybody's rights to be looked up again.

This is no race, so nothing takes turns: it is one run, after twenty-five people have watched for ten seconds. What it costs is counted and
weighed, not timed. How late a line is, is judged by the lines in seven parts, one after the other: latency_p99_ms is the median of what 99
of 100 deliveries of each part took. A single viewer of another deploy, before them and after them, says what the machine needs for that
alone.

Memory and threads are compared with the process before anybody watched. The web's pool keeps for minutes each connection that was used
once, by whomever, so counting those that there are says little. Once all are on, and before the container talks, every look at the web's
connections closes them, for longer than it takes the streams to ask the database for anything: what a look finds was opened since the one
before. In the middle of these looks stands what is held for streams (connections); connections_most is the most that there ever were at
once, kept or not. It takes four minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import processes
from bench.feed import Feed
from bench.frame import Row, show
from bench.pairs import each
from bench.servers import Servers, servers
from bench.standing import LOOKS_EVERY, connections, reopened
from parts.environment import ROOT
from parts.faults.record import ENDS
from parts.faults.visitor import Visitor
from parts.processes import PartError, wait_until
from parts.supervisor import Interrupted

AIMS = {
    "memory_mb": 60.0,
    "threads": 12.0,
    "connections": 0.0,
    "lost": 0.0,
    "doubled": 0.0,
}
EACH = 25  # streams of one person: Estiva lets nobody have many more
RATE = 10  # lines a second
RUN_SECONDS = 600  # as long as the new version has to run: longer than anybody watches
ALONE_SECONDS = 15  # of the single viewer
APART = 1.5  # one viewer's time after the others by that before them, or the other way round: beyond that the machine has changed
CLOSES_SECONDS = 12  # of looks that close connections: the streams ask at least every ten seconds
_TARGETS = "SELECT id FROM deployments_target WHERE deployment_id = {:d}"


@dataclass
class Samples:
    """What the web process took, look by look."""

    memory_mb: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)  # since its start
    threads: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)

    def take(self, made: Servers) -> None:
        """One look."""
        now = processes.taken(made.estiva.folder, "web")
        self.memory_mb.append(now.memory_mb)
        self.cpu_seconds.append(now.cpu_seconds)
        self.threads.append(now.threads)
        self.connections.append(len(connections(made)))


def measure(count: int, seconds: int) -> dict[str, Any]:
    """`idle`, `left` and `watched`: samples; `reopened`: connections, look by look, each of which closed them; `heard`: what the viewers
    saw; `alone`: what one did, before them and after them."""
    again: list[int] = []
    with servers(1) as made:
        people = [_person(made, number).cookies for number in range(-(-count // EACH))]
        asked: dict[str, Any] = {"url": made.estiva.url, "cookies": people}
        with Feed(made.folder / "feed", RATE * seconds, RATE) as feed:
            told = {**asked, **_begin(made, "talk", feed, RUN_SECONDS), "count": count}
            told["seconds"] = CLOSES_SECONDS + seconds + 60
            idle = _at_rest(made)  # people have signed in, nobody has watched anything yet
            few = {**told, "count": EACH, "last": "nobody says this", "seconds": 10}
            _watched(made, few, Samples(), lambda: None)
            alone = [_alone(made, asked, "before")]
            left, watched = _at_rest(made), Samples()

            def begin() -> None:
                again.extend(reopened(made, CLOSES_SECONDS))
                feed.go.set()

            heard = _watched(made, told, watched, begin)
            alone.append(_alone(made, asked, "after"))
    samples = {"idle": idle, "left": left, "watched": watched, "reopened": again}
    return {**samples, "heard": heard, "alone": alone, "lines": feed.lines}


def _alone(made: Servers, asked: dict[str, Any], name: str) -> dict[str, Any]:
    """One viewer, of a deploy of its own, to that deploy's end; what he saw."""
    with Feed(made.folder / name, RATE * ALONE_SECONDS, RATE) as feed:
        told = {**asked, **_begin(made, name, feed, ALONE_SECONDS + 5), "count": 1, "seconds": ALONE_SECONDS + 60}
        heard = _watched(made, told, Samples(), feed.go.set)
        number = int(told["watch"].partition(":")[2])
        wait_until(lambda: made.record.status(number) in ENDS, f"#{number} did not end", timeout=60)
    return heard


def _at_rest(made: Servers) -> Samples:
    samples = Samples()
    for _ in range(8):
        samples.take(made)
        time.sleep(LOOKS_EVERY)
    return samples


def _person(made: Servers, number: int) -> Visitor:
    one = Visitor(made.estiva.url)
    one.sign_in(made.backstage("token", email=f"viewer{number}@example.com"))
    return one


def _begin(made: Servers, name: str, feed: Feed, run_seconds: int) -> dict[str, Any]:
    """A deploy that goes on for as long as it is watched; what its viewers have to be told."""
    made.place(name, made.images.page("1").reference, 1, feed.settings(run_seconds))
    number = made.person.deploy(name)
    step = f"SELECT 1 FROM deployments_step WHERE key = 'health' AND target_id IN ({_TARGETS.format(number)})"
    wait_until(lambda: bool(made.record.rows(step)), "the new version was not started", timeout=120)
    (share,) = made.record.of(number)
    return {"watch": f"deployment:{number}", "from": f"t{share.id}:0", "last": feed.last, "lines": feed.lines}


def _watched(made: Servers, told: dict[str, Any], samples: Samples, begin: Callable[[], None]) -> dict[str, Any]:
    """Let viewers look, begin once all are on, and look at the web meanwhile; what they saw."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}"}
    with subprocess.Popen(
        [sys.executable, "-m", "bench.audience"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            asked, told_back = child.stdin, child.stdout
            assert asked is not None
            assert told_back is not None
            asked.write(f"{json.dumps(told)}\n")
            asked.flush()
            if told_back.readline().strip() != "ON":
                raise PartError("The viewers could not begin; the reason stands above.")
            print(f"{told['count']} viewers look on", flush=True)
            begin()
            result: list[str] = []
            reading = threading.Thread(target=lambda: result.append(told_back.read()), daemon=True)
            reading.start()
            while reading.is_alive():
                samples.take(made)
                reading.join(LOOKS_EVERY)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0 or not result[0].startswith("RESULT "):
        raise PartError("The viewers failed; the reason stands above.")
    return dict(json.loads(result[0].removeprefix("RESULT ")))


def table(told: dict[str, Any]) -> tuple[list[Row], dict[str, float], str]:
    """The rows of the table, the figures, and what is to be said of the machine."""
    idle, left, watched, heard = (told[name] for name in ("idle", "left", "watched", "heard"))
    late, alone, problems = heard["latency_ms"], [one["latency_ms"] for one in told["alone"]], heard["problems"]
    late_parts = heard["p99_parts_ms"]
    figures = {
        "memory_mb": max(watched.memory_mb) - median(idle.memory_mb),
        "threads": float(max(watched.threads) - median(idle.threads)),
        "connections": float(median(told["reopened"])),
        "connections_most": float(max(watched.connections)),
        "latency_p50_ms": late["p50"],
        "latency_p99_ms": median(late_parts),
        "one_viewer_p99_ms": max(one["p99"] for one in alone),
        "lost": float(heard["lost"]),
        "doubled": float(heard["doubled"]),
    }
    most = f"{median(idle.memory_mb):.0f} MB idle, {max(watched.memory_mb):.0f} at most"
    kept = (
        f"connections: {median(idle.connections):.0f} idle, {median(left.connections):.0f} kept when a few had left,"
        f" {median(watched.connections):.0f} while all watched, {max(watched.connections)} at most;"
        f" closed at each look, {median(told['reopened']):.0f} came back, {max(told['reopened'])} at most"
    )
    spent, deliveries = watched.cpu_seconds[-1] - watched.cpu_seconds[0], heard["lines"]
    rows = [
        Row("line to viewer, half of them", late["p50"] / 1000, f"{told['lines']} lines, {RATE} a second"),
        Row("line to viewer, 99 of 100", median(late_parts) / 1000, each([part / 1000 for part in late_parts])),
        Row("line to viewer, 99 of 100, all parts together", late["p99"] / 1000, most),
        Row("line to viewer, the latest", late["most"] / 1000, kept),
        *(
            Row(f"line to a single viewer, {when}, 99 of 100", one["p99"] / 1000, f"half of them {one['p50']:.0f} ms")
            for when, one in zip(("before", "after"), alone, strict=True)
        ),
        Row("  the web's processor time", spent, f"{1e6 * spent / max(deliveries, 1):.0f} µs for a line to a viewer"),
    ]
    rows += [Row(f"viewers that failed: {len(problems)}", 0.0, problems[0])] if problems else []
    before, after = (max(one["p50"], 1.0) for one in alone)
    apart = max(before, after) / min(before, after)
    said = f"the machine was too noisy to tell: one viewer's lines took {before:.0f} ms before and {after:.0f} ms after"
    return rows, figures, said if apart > APART else ""


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench viewers", description=__doc__)
    parser.add_argument("--viewers", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--seconds", type=int, default=75, help="how long the container talks (default: 75)")
    given = parser.parse_args(words)
    try:
        rows, figures, said = table(measure(given.viewers, given.seconds))
    except Interrupted as reason:
        print(f"bin/bench viewers: interrupted by {reason}")
        return 1
    show("viewers", f"{given.viewers} viewers of one deploy, one web process", rows, figures, AIMS, said)
    return 0
