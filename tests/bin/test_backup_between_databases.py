"""A backup made on SQLite restores on PostgreSQL, and the other way round, by the commands that people type."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parts import environment
from parts.environment import ROOT
from parts.postgres import ROLE, Postgres, program
from parts.processes import run

pytestmark = pytest.mark.real

BEGIN = """
import sys, django; django.setup()
from django.core.management import call_command as manage
manage("migrate", verbosity=0)
"""
FILL = """
from deployments import audit
from deployments.models import LogChunk
from tests import factories
from tests.deployments.world import make_world
world = make_world(servers=2)
factories.variable(world.placement, "GREETING", "na\\u00efve", secret=True)
done = factories.ran(factories.release(world.placement))
LogChunk.objects.bulk_create(
    LogChunk(target=done.targets.all()[0], first_line=n, last_line=n, fence=1, lines='[[%d,"\\u00e9"]]' % n) for n in range(1, 1501)
)
audit.record(world.actor, "host.update", world.hosts[0], before={"port": 22}, after={"deep": [None, 1, "\\u2192", {"a": True}]})
manage("backup", sys.argv[1])
"""
PASS_ON = """
manage("restore", sys.argv[1])
manage("backup", sys.argv[2])
manage("audit", "verify")
"""


def on(folder: Path, url: str, script: str, *files: Path) -> str:
    """Run it in a process of its own with this database, made new; what it printed."""
    folder.mkdir()
    path = f"{ROOT}:{ROOT / 'bin'}"
    env = {**os.environ, **environment.throwaway(folder), "ESTIVA_DATABASE_URL": url, "PYTHONPATH": path}
    argv = [sys.executable, "-c", BEGIN + script, *map(str, files)]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(file: Path) -> list[Any]:
    """What a backup holds, but for what differs by the day, its header and its checksum, and for the numbers that leap."""
    place, found = -1, []
    for line in [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()][1:-1]:
        if isinstance(line, dict):
            place = line["columns"].index("next_release") if line["table"] == "deployments_placement" else -1
        elif place >= 0:
            del line[place]
        found.append(line)
    return found


def test_there_and_back_again(postgres_server: Postgres, tmp_path: Path) -> None:
    run([program("createdb"), "-h", "127.0.0.1", "-p", str(postgres_server.port), "-U", ROLE, "there"])
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    on(tmp_path / "here", f"sqlite://{tmp_path}/here/estiva.sqlite3", FILL, first)
    for folder, url, files in (
        ("there", postgres_server.url("there"), (first, second)),
        ("back", f"sqlite://{tmp_path}/back/estiva.sqlite3", (second, third)),
    ):
        said = on(tmp_path / folder, url, PASS_ON, *files)
        assert said.count("none edited, missing or reordered") == 2

    assert len(rows(first)) > 1500
    assert rows(first) == rows(second) == rows(third)
    with closing(sqlite3.connect(tmp_path / "back/estiva.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
