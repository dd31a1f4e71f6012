"""What row 9 looks for after a database that went away: work that has ended, and isn't written to its end."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.faults.half_written import locked, traces
from parts.faults.record import Record

TABLES = """
CREATE TABLE deployments_deployment (id, placement_id, application_name, status, release_id, requested_at, started_at, ended_at,
 plan_id, restores_id);
CREATE TABLE deployments_release (id, number, image_id);
CREATE TABLE deployments_target (id, deployment_id, placement_id, host_name, role, status, fence, attempts, leases_lost,
 connections_lost, stalled_reason, gap_seconds, last_line, started_at, ended_at, outcome, lease_until, holder);
CREATE TABLE deployments_step (id, target_id, key, status, ended_at);
CREATE TABLE deployments_operation (id, kind, status, ended_at, lease_until);
"""
AT = "2026-11-23 10:00:00"
WELL: dict[str, dict[str, Any]] = {
    "release": {"id": 1, "number": 1, "image_id": ""},
    "deployment": {"id": 1, "application_name": "shop", "status": "succeeded", "release_id": 1, "ended_at": AT},
    "target": {
        **{"id": 1, "deployment_id": 1, "host_name": "web-1", "status": "succeeded", "ended_at": AT},
        "outcome": json.dumps({"verdict": "succeeded", "what": "It serves."}),
    },
    "step": {"id": 1, "target_id": 1, "key": "pull", "status": "good", "ended_at": AT},
    "operation": {"id": 1, "kind": "check", "status": "succeeded", "ended_at": AT},
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """One whose only deploy is over."""
    with contextlib.closing(sqlite3.connect(tmp_path / "estiva.sqlite3", isolation_level=None)) as made:
        made.executescript(TABLES)
        for table, row in WELL.items():
            made.execute(
                f"INSERT INTO deployments_{table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )
        yield made


def found(tmp_path: Path) -> list[str]:
    """What is wrong with it."""
    return list(traces(Record(f"sqlite://{tmp_path}/estiva.sqlite3")))


@pytest.mark.usefixtures("database")
def test_nothing_is_wrong_with_what_is_over(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE deployments_step SET ended_at = NULL", "a step goes on"),
        ("UPDATE deployments_step SET status = 'running'", "a step goes on"),
        (f"UPDATE deployments_target SET lease_until = '{AT}'", "a target that has ended has a lease"),
        ("UPDATE deployments_target SET status = 'stalled'", "a target has an end and no moment of it"),
        ("UPDATE deployments_target SET outcome = '{}'", "a target has ended, and not how"),
        ("UPDATE deployments_deployment SET status = 'running'", "a deployment has an end and no moment of it"),
        ("UPDATE deployments_deployment SET ended_at = NULL", "a deployment has an end and no moment of it"),
        (f"UPDATE deployments_operation SET lease_until = '{AT}'", "an operation that has ended has a lease"),
        (
            "UPDATE deployments_target SET status = 'running', ended_at = NULL",
            "a target goes on in a deployment that has ended",
        ),
    ],
)
def test_each_half_is_found(database: sqlite3.Connection, tmp_path: Path, change: str, told: str) -> None:
    database.execute(change)
    (only,) = found(tmp_path)
    assert only.startswith(told)


def test_a_lock_that_nobody_gives_back_is_told(database: sqlite3.Connection, tmp_path: Path) -> None:
    place = str(tmp_path / "estiva.sqlite3")
    assert locked(place, 0.1) == []
    database.execute("BEGIN IMMEDIATE")
    assert locked(place, 0.1) == ["the database is locked: database is locked"]
