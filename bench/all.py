"""Every benchmark, one after the other, each in a process of its own; then docs/benchmarks.md is written, with a picture for each.

Each begins once the machine has come to rest from the one before it, so that it isn't measured along. One that fails is said to have
failed, and one that takes three times as long as it should is ended; the others run all the same.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.cores import BEFORE, come_to_rest
from bench.frame import RESULT
from bench.verdicts import aimed
from parts.environment import ROOT
from parts.supervisor import Interrupted, Supervisor

CPUS = Path("/proc/cpuinfo")
LAST_WORDS = 12  # lines of one that failed
MINUTES = {  # that each takes on a machine with two cores, the first time with what it has to make or install
    "overhead": 5,
    "fanout": 15,
    "logs": 8,
    "viewers": 6,
    "pages": 35,
    "click": 25,
    "far": 8,
    "cost": 12,
    "build": 8,
    "ship": 10,
}
TOO_LONG = 3  # times that
GRACE = 120.0  # seconds in which one that is ended puts its servers away
SETTLES = 5.0  # seconds for what it said last


def run(name: str, words: Sequence[str] = ()) -> dict[str, Any]:
    """Run one to its end, its output on the terminal; what it found, or `failed` with its last words."""
    command, limit = ["bin/bench", name, *words], 60.0 * TOO_LONG * MINUTES[name]
    environment = {key: value for key, value in os.environ.items() if key != BEFORE}
    told: dict[str, Any] = {
        "command": " ".join(command),
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "machine": _machine(),
        "load_before": come_to_rest(environment),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        code, said = follow(command, {**environment, RESULT: str(file)}, limit)
        told["load_after"] = round(os.getloadavg()[0], 2)
        if code == 0 and file.exists():
            return {**told, **json.loads(file.read_text())}
    why = f"too long: it was ended after {limit / 60:g} minutes" if code is None else f"exit code {code}"
    return {**told, "failed": f"{why}\n{said}"}


def _machine() -> str:
    """What it is, in a few words."""
    models = [line.partition(":")[2].strip() for line in CPUS.read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), {memory:.0f} GB, Linux {platform.release().partition('-')[0]}"


def follow(
    command: Sequence[str], environment: Mapping[str, str], limit: float, grace: float = GRACE
) -> tuple[int | None, str]:
    """Its exit code, None where it was ended after `limit` seconds, and its last words. Whoever is interrupted ends it first."""
    last: deque[str] = deque(maxlen=LAST_WORDS)
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    # On a thread of its own: what a benchmark leaves behind may hold its output open, and would hold us
    reader = threading.Thread(target=_read, args=(child, last), daemon=True)
    reader.start()
    code: int | None = None
    try:
        code = child.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        _end(child, grace)
    except BaseException:
        _end(child, grace)
        raise
    finally:
        reader.join(timeout=SETTLES)
    return code, "\n".join(last)


def _read(child: subprocess.Popen[str], last: deque[str]) -> None:
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            print(line, end="", flush=True)
            last.append(line.rstrip())


def _end(child: subprocess.Popen[str], grace: float) -> None:
    """It has servers to put away; what it can't, the next one clears up."""
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=grace)
        return
    child.kill()
    child.wait()


def summary(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The aims of these as a table, and a last line of JSON with all their figures."""
    lines, figures = [], dict[str, Any]()
    for name, told in found.items():
        if "failed" in told:
            lines.append(f"  {name:9} failed: {told['failed'].partition(chr(10))[0]}")
            continue
        figures |= {f"{name}.{figure}": value for figure, value in told["figures"].items()}
        lines += [
            f"  {name:9} {each.figure:34} {each.value:9.4g}  aim {each.wanted:8} {each.verdict}" for each in aimed(told)
        ]
    said = {"bench": "all", "figures": figures, "failed": [name for name, told in found.items() if "failed" in told]}
    return "\n".join(["", *lines, "", json.dumps(said)])


def main(words: Sequence[str], benchmarks: Mapping[str, str]) -> int:
    """Run them and write the page; the exit code, 1 where one failed to run or somebody ended them."""
    parser = argparse.ArgumentParser(prog="bin/bench all", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only these (the page keeps what is known of the others)"
    )
    parser.add_argument("--write", action="store_true", help="run none: only write the page from what is known")
    given = parser.parse_args(words)
    if unknown := set(given.names) - set(benchmarks):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    found: dict[str, dict[str, Any]] = {}
    try:
        with Supervisor() as supervisor, supervisor.signals():
            for name in () if given.write else given.names or benchmarks:
                print(f"\n== {name}: {benchmarks[name]}", flush=True)
                found[name] = run(name)
                report.keep(name, found[name])
                report.write(benchmarks)  # as it goes along: whoever ends it early has what was found by then
    except Interrupted as reason:
        print(f"bin/bench all: interrupted by {reason}")
        return 1
    report.write(benchmarks)
    print(f"\n{report.PAGE.relative_to(ROOT)} is written")
    print(summary(found), flush=True)
    return 1 if any("failed" in told for told in found.values()) else 0
