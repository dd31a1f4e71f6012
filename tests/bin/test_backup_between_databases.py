"""A backup made on SQLite restores on PostgreSQL, and the other way round, by the commands people type."""

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

FILL = """
import django; django.setup()
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
"""


class Installed:
    """Estiva's commands on one database."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        path = f"{ROOT}:{ROOT / 'bin'}"
        self.env = {**os.environ, **environment.throwaway(folder), "ESTIVA_DATABASE_URL": url, "PYTHONPATH": path}
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *words: str) -> str:
        return self.python("manage.py", *words)

    def python(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def rows(file: Path) -> list[Any]:
    """What a backup holds, but for what differs by the day: its header and its checksum."""
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()][1:-1]


def test_there_and_back_again(postgres_server: Postgres, tmp_path: Path) -> None:
    run([program("createdb"), "-h", "127.0.0.1", "-p", str(postgres_server.port), "-U", ROLE, "there"])
    here = Installed(tmp_path / "here", f"sqlite://{tmp_path}/here/estiva.sqlite3")
    here.python("-c", FILL)
    there = Installed(tmp_path / "there", postgres_server.url("there"))
    back = Installed(tmp_path / "back", f"sqlite://{tmp_path}/back/estiva.sqlite3")

    here.manage("backup", str(tmp_path / "1"))
    assert "1500" in json.dumps(json.loads(gzip.decompress((tmp_path / "1").read_bytes()).splitlines()[-1]))
    there.manage("restore", str(tmp_path / "1"))
    there.manage("backup", str(tmp_path / "2"))
    back.manage("restore", str(tmp_path / "2"))
    back.manage("backup", str(tmp_path / "3"))

    assert rows(tmp_path / "1") == rows(tmp_path / "2") == rows(tmp_path / "3")
    for each in (there, back):
        assert "none edited, missing or reordered" in each.manage("audit", "verify")
    with closing(sqlite3.connect(tmp_path / "back/estiva.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
