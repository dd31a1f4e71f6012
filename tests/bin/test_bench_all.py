"""`bin/bench all` ends what it has started: where it hangs, where somebody ends `all`; and tells all figures at its end."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import all as every
from bench import cores, frame
from parts.environment import ROOT
from parts.processes import process_ids, wait_until
from parts.supervisor import Interrupted, Supervisor

HANGS = """
import pathlib, os, signal, sys, time
def end(number, frame):
    print('put away', flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""
DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"


def test_each_has_an_estimate() -> None:
    loader = importlib.machinery.SourceFileLoader("bin_bench", str(ROOT / "bin" / "bench"))
    spec = importlib.util.spec_from_loader("bin_bench", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert module.BENCHMARKS.keys() == every.MINUTES.keys()


def test_one_that_ends_has_its_code_and_its_last_words() -> None:
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)"
    assert every.follow([sys.executable, "-c", code], os.environ, 60) == (3, "one\ntwo")


def test_one_that_hangs_may_put_its_servers_away(tmp_path: Path) -> None:
    found = every.follow([sys.executable, "-c", HANGS, str(tmp_path / "pid")], os.environ, 3)
    assert found == (None, "put away")


def test_one_that_does_not_listen_is_killed() -> None:
    begun = time.monotonic()
    assert every.follow([sys.executable, "-c", DEAF], os.environ, 2, grace=0.5) == (None, "on")
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_all_ends_what_runs(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def send() -> None:
        wait_until(lambda: file.exists() and bool(file.read_text()), "it did not begin", timeout=60)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(Interrupted), Supervisor() as supervisor, supervisor.signals():
        every.follow([sys.executable, "-c", HANGS, str(file)], os.environ, 60)
    sender.join()
    assert int(file.read_text()) not in set(process_ids())


def test_one_that_takes_too_long_is_said_to_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every, "come_to_rest", lambda _environment: 0.1)
    monkeypatch.setattr(every, "follow", lambda *_words: (None, "round 3 of 7"))
    assert every.run("far")["failed"] == "too long: it was ended after 24 minutes\nround 3 of 7"


def test_the_end_tells_the_aims_and_all_figures() -> None:
    far = {"figures": {"lost": 0.0, "far_done_s": 2.5}, "aims": {"lost": 0.0}, "at_least": {}}
    said = every.summary({"far": far, "ship": {"failed": "exit code 1\nno root"}})

    *table, last = said.splitlines()
    assert any(line.split() == ["far", "lost", "0", "aim", "≤", "0", "met"] for line in table)
    assert "  ship      failed: exit code 1" in table
    assert json.loads(last) == {"bench": "all", "figures": {"far.lost": 0.0, "far.far_done_s": 2.5}, "failed": ["ship"]}


def test_a_busy_machine_is_noted_once_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cores, "at_rest", lambda _most: 1.9 * (os.cpu_count() or 1))
    environment: dict[str, str] = {}
    busy = cores.come_to_rest(environment)
    monkeypatch.setattr(cores, "at_rest", lambda _most: pytest.fail("whoever started it has waited"))
    assert cores.come_to_rest(environment) == busy

    monkeypatch.setenv(cores.BEFORE, environment[cores.BEFORE])
    frame.show("far", "Far", [frame.Row("a deploy", 1.0)], {"far_s": 1.0}, {"far_s": 2.0})
    assert "far_s = 1.000  aim ≤ 2: too noisy to tell" in capsys.readouterr().out
