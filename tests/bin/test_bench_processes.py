"""A benchmark finds the processes of its installation by what they are started as, in both ways of naming workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import processes
from bench.processes import ROLES
from parts.faults.estiva import Estiva
from parts.processes import PartError, Process, wait_until

WAITS = "import sys; sys.stdin.read()"


@contextmanager
def running(folder: Path, *words: str) -> Iterator[int]:
    """A process of the installation in `folder` that is started with these words."""
    environment = {**os.environ, "ESTIVA_VAR": str(folder)}
    argv = [sys.executable, "-c", WAITS, *words]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE) as child:
        wait_until(lambda: words[-1] in Path(f"/proc/{child.pid}/cmdline").read_text(), "it does not run")
        yield child.pid
        child.kill()


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("web", ["gunicorn", "-k", "asgi"]),
        ("worker", ["celery", "-Q", "deploy", "-n", "deploy@%h"]),
        ("worker", ["celery", "-Q", "deploy", "-n", "deploy12@faults"]),
        ("looker", ["celery", "-Q", "look", "-n", "look@%h"]),
        ("looker", ["celery", "-Q", "look", "-n", "look2@faults"]),
        ("reconciler", ["manage.py", "reconcile"]),
    ],
)
def test_a_process_has_the_role_that_it_was_started_for(role: str, words: list[str], tmp_path: Path) -> None:
    with running(tmp_path, *words) as pid:
        assert {name for name in ROLES if pid in processes.pids(tmp_path, name)} == {role}
        assert processes.taken(tmp_path, role).memory_mb > 1
        assert processes.pids(tmp_path / "another", role) == []


def test_what_the_campaigns_installation_starts_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def remembered(process: Process) -> None:
        started.append(process.argv)
        raise PartError("far enough")

    monkeypatch.setattr(Process, "start", remembered)
    estiva = Estiva(tmp_path / "estiva")
    begins: list[Callable[[], Process]] = [
        estiva.web,
        lambda: estiva.worker("deploy"),
        lambda: estiva.worker("look"),
        estiva.reconciler,
    ]
    for begin in begins:
        with pytest.raises(PartError, match="far enough"):
            begin()

    found = [[role for role, mark in ROLES.items() if mark.search(" ".join(argv))] for argv in started]
    assert found == [["web"], ["worker"], ["looker"], ["reconciler"]]


def test_a_role_that_nobody_has_is_no_zero(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="No looker"):
        processes.taken(tmp_path, "looker")
