"""The two gates: `bin/check`, in seconds, for whoever is writing; `bin/test`, everything, for whoever lands it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from parts import environment, packages, venv
from parts.environment import ROOT

BIN = venv.FOLDER / "bin"
FAST = "not real and not browser and not thorough"
SIDE_BY_SIDE = ["-n", "2"]  # what starts no servers shares nothing
FIRST = ("sqlite", [*SIDE_BY_SIDE, "-m", "not real and not browser"])
# Two lanes beside each other: what waits for servers in the one leaves a core to the other. A browser breaks off what it
# loads when a network comes or goes, as with every engine that a test starts: beside it runs what starts none.
PHASES = (
    ((FIRST,),),
    (
        (("sqlite", ["-m", "browser"]),),
        (("postgres", ["-m", "both_databases and not real"]),),
    ),
    (
        (("sqlite", ["-m", "real and not browser and not building", "--durations=15"]),),
        (
            ("sqlite", ["-m", "building", "--durations=10"]),
            ("postgres", ["-m", "both_databases and real"]),
        ),
    ),
)
SHORT = ("overhead", "logs")  # benchmarks that have a short form
TABLE_LINES = 26  # at a benchmark's end: the rest is what starting says
Run = tuple[str, list[str]]


def check(arguments: list[str]) -> int:
    """Format, lint, types, layers, migrations and the tests that need no server; the exit code. `--fix` mends what it can first."""
    var = Path(tempfile.mkdtemp(prefix="estiva-check-", dir="/tmp"))
    setting = {**os.environ, **environment.throwaway(var)}
    try:
        if "--fix" in arguments:
            _step("fix", [str(BIN / "ruff"), "check", "--fix", "--quiet", "."], setting)
            _step("format", [str(BIN / "ruff"), "format", "--quiet", "."], setting)
        results = [
            _step("ruff", [str(BIN / "ruff"), "check", "--output-format=concise", "."], setting),
            _step("ruff format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."], setting),
            _step("mypy", [str(BIN / "mypy")], setting),
            _step("layers", [str(BIN / "lint-imports")], setting),
            _step("migrations", [str(venv.PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"], setting),
            _step("tests", [str(venv.PYTHON), "-m", "pytest", "-q", *SIDE_BY_SIDE, "-m", FAST], dict(os.environ)),
        ]
    finally:
        shutil.rmtree(var)
    return 0 if all(results) else 1


def test(arguments: list[str]) -> int:
    """All tests on SQLite, those for both databases on PostgreSQL, the quick fault campaign, short benchmarks; arguments go to pytest and make it one run."""
    missing = packages.ensure(packages.TESTS)
    if missing and packages.can_install():
        print(f"apt-get could not provide: {', '.join(missing)}", file=sys.stderr)
        return 1
    pytest = [str(venv.PYTHON), "-m", "pytest"]
    if arguments:
        return subprocess.run([*pytest, *arguments], cwd=ROOT, check=False).returncode
    codes: list[int] = []
    for lanes in PHASES:
        with ThreadPoolExecutor(len(lanes)) as pool:
            for lane in [pool.submit(_lane, runs, pytest) for runs in lanes]:
                codes += lane.result()
    codes += [faults(), *_benchmarks()]
    return next((code for code in codes if code), 0)


def _lane(runs: Iterable[Run], pytest: list[str]) -> list[int]:
    """Run these one after the other; each one's output is shown when it is over. The exit codes."""
    codes = []
    for database, words in runs:
        name = f"{database}: pytest {' '.join(words)}"
        if database == "postgres" and not packages.present("postgres"):
            print(f"== {name}\nskipped: PostgreSQL is not installed here", flush=True)
            continue
        print(f"== {name} begins", flush=True)
        began = time.monotonic()
        setting = {**os.environ, "ESTIVA_TEST_DATABASE": database}
        done = subprocess.run(
            [*pytest, "-q", "--tb=short", *words],
            cwd=ROOT,
            env=setting,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"== {name} ended after {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
        codes.append(done.returncode)
    return codes


def faults() -> int:
    """The quick fault campaign, by itself, for it needs the machine; its exit code. A finding prints the seed that draws it again."""
    reason = lacks_for_faults()
    print(f"== bin/faults --quick {'begins' if not reason else ''}", flush=True)
    if reason:
        print(f"skipped: {reason}", flush=True)
        return 0
    began = time.monotonic()
    code = subprocess.run([str(ROOT / "bin" / "faults"), "--quick"], cwd=ROOT, check=False).returncode
    print(f"== bin/faults --quick ended after {time.monotonic() - began:.0f} s", flush=True)
    return code


def _benchmarks() -> list[int]:
    """One deploy and a flow of lines, measured in short: printed and not judged, since this machine may be busy. The exit codes."""
    missing = packages.lacking(packages.FAULTS) if os.geteuid() == 0 else ["root"]
    if missing:
        print(f"== bin/bench\nskipped: the benchmarks need {', '.join(missing)}", flush=True)
        return []
    return [_benchmark(name) for name in SHORT]


def _benchmark(name: str) -> int:
    began, words = time.monotonic(), [str(ROOT / "bin" / "bench"), name, "--short"]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    said = done.stdout.splitlines()
    shown = said if done.returncode else said[-TABLE_LINES:]
    print(f"== bin/bench {name} --short ended after {time.monotonic() - began:.0f} s", *shown, sep="\n", flush=True)
    return done.returncode


def lacks_for_faults() -> str:
    """What the fault campaign needs and isn't here, in words; nothing where all is."""
    if os.geteuid() != 0:
        return "the fault campaign needs root, for engines and network namespaces of their own"
    missing = packages.lacking(packages.FAULTS)
    if missing:
        return f"the fault campaign needs {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"no network namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def _step(name: str, argv: list[str], setting: dict[str, str]) -> bool:
    """Run one check; its output is shown only where it fails."""
    began = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=setting, capture_output=True, text=True, check=False)
    good = done.returncode == 0
    print(f"{'ok    ' if good else 'FAILED'} {name:12} {time.monotonic() - began:5.1f} s", flush=True)
    if not good:
        print((done.stdout + done.stderr).rstrip(), flush=True)
    return good
