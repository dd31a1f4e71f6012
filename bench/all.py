"""Every benchmark, one after the other, each in a process of its own; then docs/benchmarks.md is written, with a picture for each.

Each begins once the machine has come to rest from the one before it, so that it isn't measured along. One that fails is said to have
failed; the others run all the same.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.cores import at_rest
from bench.frame import RESULT
from bench.verdicts import BUSY
from parts.environment import ROOT

CPUS = Path("/proc/cpuinfo")
LAST_WORDS = 12  # lines of one that failed


def run(name: str, words: Sequence[str] = ()) -> dict[str, Any]:
    """Run one to its end, its output on the terminal; what it found, or `failed` with its last words."""
    command = ["bin/bench", name, *words]
    told: dict[str, Any] = {
        "command": " ".join(command),
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "machine": _machine(),
        "load_before": round(at_rest((os.cpu_count() or 1) * BUSY), 2),  # cores at work
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        code, said = _follow(command, {**os.environ, RESULT: str(file)})
        told["load_after"] = round(os.getloadavg()[0], 2)
        if code == 0 and file.exists():
            return {**told, **json.loads(file.read_text())}
    return {**told, "failed": f"exit code {code}\n{said}"}


def _machine() -> str:
    """What it is, in a few words."""
    models = [line.partition(":")[2].strip() for line in CPUS.read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), {memory:.0f} GB, Linux {platform.release().partition('-')[0]}"


def _follow(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    last: deque[str] = deque(maxlen=LAST_WORDS)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        try:
            for line in child.stdout or ():
                print(line, end="", flush=True)
                last.append(line.rstrip())
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)  # it has servers to put away, and says so to whoever reads
            child.communicate()
            raise
    return child.returncode, "\n".join(last)


def main(words: Sequence[str], benchmarks: Mapping[str, str]) -> int:
    """Run them and write the page; the exit code, 1 where one failed to run."""
    parser = argparse.ArgumentParser(prog="bin/bench all", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only these (the page keeps what is known of the others)"
    )
    parser.add_argument("--write", action="store_true", help="run none: only write the page from what is known")
    given = parser.parse_args(words)
    if unknown := set(given.names) - set(benchmarks):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    failed = []
    for name in () if given.write else given.names or benchmarks:
        print(f"\n== {name}: {benchmarks[name]}", flush=True)
        found = run(name)
        report.keep(name, found)
        report.write(benchmarks)  # as it goes along: whoever ends it early has what was found by then
        failed += [name] if "failed" in found else []
    report.write(benchmarks)
    print(f"\n{report.PAGE.relative_to(ROOT)} is written" + (f"; these failed: {', '.join(failed)}" if failed else ""))
    sys.stdout.flush()
    return 1 if failed else 0
