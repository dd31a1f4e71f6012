"""The supervisor starts in order, restarts what dies, ends what it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.processes import PartError, start_time, wait_until
from parts.service import Service
from parts.supervisor import Supervisor

ENV = {"PATH": os.environ["PATH"]}


def lines(capsys: pytest.CaptureFixture[str], seen: list[str]) -> list[str]:
    seen.extend(capsys.readouterr().out.splitlines())
    return seen


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


def sleeper(name: str, tmp_path: Path, script: str = "exec sleep 60") -> Service:
    return Service(name, ["sh", "-c", script], folder=tmp_path, env=ENV, stop_seconds=2)


def test_a_program_that_dies_is_said_and_started_again(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service, seen = sleeper("worker", tmp_path), list[str]()
    supervisor.start(service)
    before = service.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: any("runs again" in line for line in lines(capsys, seen)), "the restart")
    assert service.pid != before
    assert start_time(service.pid)
    assert any("killed by SIGKILL; " in line or "killed by SIGKILL)" in line for line in seen)


def test_its_lines_come_after_its_name(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []
    supervisor.start(sleeper("web", tmp_path, "echo listening; exec sleep 60"))
    wait_until(lambda: "web        │ listening" in lines(capsys, seen), "the line")


def test_the_end_takes_children_and_stubborn_ones_too(supervisor: Supervisor, tmp_path: Path) -> None:
    child = tmp_path / "child"
    service = sleeper("worker", tmp_path, f"trap '' TERM; sleep 61 & echo $! > {child}; wait; wait")
    supervisor.start(service)
    wait_until(lambda: child.exists() and child.read_text().strip().isdecimal(), "the child")
    supervisor.end()
    assert start_time(service.pid) is None
    assert start_time(int(child.read_text())) is None


def test_the_last_started_ends_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("broker", "web"):
        ready = tmp_path / f"{name}.ready"
        script = f"trap 'echo {name} >> {order}; exit 0' TERM; touch {ready}; while :; do sleep 0.05; done"
        supervisor.start(Service(name, ["sh", "-c", script], folder=tmp_path, env=ENV, ready=ready.exists))
    supervisor.end()
    assert order.read_text().split() == ["web", "broker"]


def test_one_that_fails_to_start_says_so(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="migrate ended with code 7 while starting"):
        supervisor.start(Service("migrate", ["sh", "-c", "exit 7"], folder=tmp_path, env=ENV, ready=lambda: False))


def test_ctrl_c_ends_what_was_started_and_nothing_else(tmp_path: Path) -> None:
    """In a process of its own, since signals belong to a whole process."""
    other = subprocess.Popen(["sleep", "60"])
    script = (
        "import os, sys; from pathlib import Path; from parts.service import Service; "
        "from parts.supervisor import Interrupted, Supervisor\n"
        "with Supervisor() as s, s.signals():\n"
        "  try:\n"
        f"    one = Service('one', ['sleep', '60'], folder=Path({str(tmp_path)!r}), env=dict(os.environ)); s.start(one)\n"
        "    print(one.pid, flush=True); s.wait()\n"
        "  except Interrupted as reason: print(reason, flush=True)\n"
    )
    argv = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": "bin"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        started = int(run.stdout.readline())
        assert start_time(started)
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline().strip() == "SIGINT"
        assert run.wait(10) == 0
    assert start_time(started) is None
    assert other.poll() is None
    other.kill()
    other.wait()
