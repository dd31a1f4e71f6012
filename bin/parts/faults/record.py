"""What Estiva wrote down, read from its database without Estiva: only compared with what really happened."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

AWAY_SECONDS = 120.0
ENDS = ("succeeded", "failed", "cancelled", "needs_attention")
GOOD, RESTORED = "succeeded", ("failed_restored", "failed_untouched", "cancelled", "cancelled_restored", "skipped")
CARRIED_BACK = ("failed_restored",)  # something had been changed, and the old version was brought back
CLEAN = (GOOD, "failed_untouched", "failed_restored")  # how a deploy may end: done, or as if it had not been asked for


@dataclass(frozen=True)
class Deployed:
    """A Deployment as the record has it; moments are seconds since the epoch, 0 where there is none."""

    id: int
    placement: int
    application: str
    status: str
    release: int
    requested: float
    started: float
    ended: float
    plan: int | None = None  # whose button was pressed; None for what Estiva asked itself for, as a restore
    restores: int | None = None  # the Deployment that it takes back


@dataclass(frozen=True)
class Stage:
    """A step of a Target's attempt."""

    key: str
    status: str
    fence: int
    started: float
    ended: float


@dataclass(frozen=True)
class Share:
    """A Target as the record has it, with what its Deployment brings."""

    id: int
    deployment: int
    placement: int
    application: str
    server: str
    role: str
    status: str
    release: int
    image_id: str
    fence: int
    attempts: int
    leases_lost: int
    connections_lost: int
    stalled_reason: str
    gap: float | None
    last_line: int
    started: float
    ended: float
    outcome: dict[str, Any]

    def __str__(self) -> str:
        said = f": {self.outcome.get('what', '')}" if self.outcome else ""
        return (
            f"#{self.deployment} {self.application} r{self.release} on {self.server} (target {self.id}): {self.status},"
            f" attempts {self.attempts}, fence {self.fence}{said}"
        )


@dataclass(frozen=True)
class Stepped:
    """A step of a Target's attempt; `first_line` is the number that its first line has, or would have."""

    key: str
    fence: int
    status: str
    first_line: int
    started: float
    ended: float


_DEPLOYMENTS = """SELECT d.id, d.placement_id, d.application_name, d.status, r.number, d.requested_at, d.started_at, d.ended_at,
 d.plan_id, d.restores_id
 FROM deployments_deployment d JOIN deployments_release r ON r.id = d.release_id ORDER BY d.id"""
_TARGETS = """SELECT t.id, t.deployment_id, t.placement_id, d.application_name, t.host_name, t.role, t.status, r.number, r.image_id,
 t.fence, t.attempts, t.leases_lost, t.connections_lost, t.stalled_reason, t.gap_seconds, t.last_line, t.started_at, t.ended_at, t.outcome
 FROM deployments_target t JOIN deployments_deployment d ON d.id = t.deployment_id JOIN deployments_release r ON r.id = d.release_id
 ORDER BY t.id"""
_STEPS = """SELECT target_id, key, status, fence, started_at, ended_at FROM deployments_step WHERE target_id IN ({}) ORDER BY id"""
_CHUNKS = """SELECT target_id, first_line, last_line, fence, lines FROM deployments_logchunk WHERE target_id IN ({})
 ORDER BY target_id, first_line, id"""


class Record:
    """The database at an address as in ESTIVA_DATABASE_URL; a connection a question, so that a restart of it breaks nothing here."""

    def __init__(self, url: str) -> None:
        self._url = url

    def deployments(self) -> list[Deployed]:
        """All, the oldest first."""
        return [Deployed(*row[:5], *map(_moment, row[5:8]), *row[8:]) for row in self.rows(_DEPLOYMENTS)]

    def targets(self) -> list[Share]:
        """All, the oldest first."""
        return [_share(row) for row in self.rows(_TARGETS)]

    def of(self, deployment: int) -> list[Share]:
        """The Targets of one Deployment."""
        return [each for each in self.targets() if each.deployment == deployment]

    def steps(self, target: int) -> list[Stepped]:
        """Of a Target, in the order in which they were written."""
        columns = "key, fence, status, first_line, started_at, ended_at"
        rows = self.rows(f"SELECT {columns} FROM deployments_step WHERE target_id = {target:d} ORDER BY id")
        return [Stepped(*row[:4], *map(_moment, row[4:])) for row in rows]

    def status(self, deployment: int) -> str:
        """A Deployment's status, "" where there is none of this number."""
        rows = self.rows(f"SELECT status FROM deployments_deployment WHERE id = {deployment:d}")
        return str(rows[0][0]) if rows else ""

    def holder(self, deployment: int) -> tuple[int, int]:
        """Of a Deployment with one Target: its fence, and the process id of the worker that holds it, 0 where none does."""
        ((fence, holder),) = self.rows(
            f"SELECT fence, holder FROM deployments_target WHERE deployment_id = {deployment:d}"
        )
        return int(fence), int(str(holder).rpartition("#")[2] or 0)

    def chunks(self, targets: Iterable[int]) -> dict[int, list[tuple[int, int, int, list[Any]]]]:
        """By Target, of these: first line, last line, fence, lines."""
        found: dict[int, list[tuple[int, int, int, list[Any]]]] = {}
        wanted = ", ".join(f"{each:d}" for each in targets)
        for target, first, last, fence, lines in self.rows(_CHUNKS.format(wanted)) if wanted else ():
            found.setdefault(target, []).append((first, last, fence, json.loads(lines)))
        return found

    def stages(self, targets: Iterable[int]) -> dict[int, list[Stage]]:
        """By Target, of these: the steps of all its attempts, in their order."""
        found: dict[int, list[Stage]] = {}
        wanted = ", ".join(f"{each:d}" for each in targets)
        for target, key, status, fence, started, ended in self.rows(_STEPS.format(wanted)) if wanted else ():
            found.setdefault(target, []).append(Stage(key, status, fence, _moment(started), _moment(ended)))
        return found

    def log(self, target: int) -> list[str]:
        """A Target's lines as text."""
        return [line[4] for _, _, _, lines in self.chunks([target]).get(target, []) for line in lines]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a question gives; a database that is away is waited for."""
        until = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                with self._cursor() as cursor:
                    cursor.execute(query)
                    return list(cursor.fetchall())
            except (psycopg.OperationalError, sqlite3.OperationalError):
                if time.monotonic() > until:
                    raise
                threading.Event().wait(0.3)

    def let_leases_run_out(self) -> int:
        """Half a minute passes for every lease: only after its holder is surely dead or frozen. How many there were."""
        with self._cursor(write=True) as cursor:
            past = "'2000-01-01 00:00:00+00:00'" if self._url.startswith("postgres") else "'2000-01-01 00:00:00'"
            held = "status = 'running' AND lease_until IS NOT NULL"
            cursor.execute(f"UPDATE deployments_target SET lease_until = {past} WHERE {held}")
            return int(cursor.rowcount)

    @contextlib.contextmanager
    def _cursor(self, *, write: bool = False) -> Iterator[Any]:
        if self._url.startswith("postgres"):
            with psycopg.connect(self._url, connect_timeout=5) as connection, connection.cursor() as cursor:
                yield cursor
            return
        path = Path(self._url.removeprefix("sqlite://"))
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
            yield database.cursor()
            if write:
                database.commit()


def _share(row: tuple[Any, ...]) -> Share:
    given = dict(zip([each.name for each in fields(Share)], row, strict=True))
    moments = {name: _moment(given[name]) for name in ("started", "ended")}
    return Share(**{**given, **moments, "outcome": _json(given["outcome"])})


def _moment(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, datetime):
        return value.timestamp()
    return datetime.fromisoformat(str(value)).replace(tzinfo=UTC).timestamp()


def _json(value: Any) -> dict[str, Any]:
    return dict(json.loads(value)) if isinstance(value, str) else dict(value or {})
