"""What a database that went away in the middle may have left: work that has ended, and isn't written to its end."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

from parts.faults.record import ENDS, Record
from parts.faults.world import World

IN_WORDS: Final = ", ".join(f"'{each}'" for each in ENDS)
LOCK_SECONDS: Final = 10.0
# (what is wrong, a question that has a row for each such thing); a status moves with all that belongs to it, in one transaction
TRACES: Final = (
    (
        "a step goes on in a target that has ended",
        "SELECT s.id, s.key, t.id FROM deployments_step s JOIN deployments_target t ON t.id = s.target_id"
        " WHERE t.ended_at IS NOT NULL AND (s.ended_at IS NULL OR s.status = 'running')",
    ),
    (
        "a target that has ended has a lease",
        "SELECT id, holder, lease_until FROM deployments_target WHERE ended_at IS NOT NULL AND lease_until IS NOT NULL",
    ),
    (
        "a target has an end and no moment of it, or the other way round",
        "SELECT id, status FROM deployments_target"
        " WHERE (status IN ('queued', 'running', 'stalled')) = (ended_at IS NOT NULL)",
    ),
    (
        "a target goes on in a deployment that has ended",
        "SELECT t.id, t.status FROM deployments_target t JOIN deployments_deployment d ON d.id = t.deployment_id"
        " WHERE d.ended_at IS NOT NULL AND t.ended_at IS NULL",
    ),
    (
        "a deployment has an end and no moment of it, or the other way round",
        f"SELECT id, status FROM deployments_deployment WHERE (status IN ({IN_WORDS})) <> (ended_at IS NOT NULL)",
    ),
    (
        "an operation that has ended has a lease",
        "SELECT id, kind, status FROM deployments_operation WHERE ended_at IS NOT NULL AND lease_until IS NOT NULL",
    ),
)
LOCKS: Final = (
    (
        "a transaction stands open",
        "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        f" AND xact_start < now() - interval '{LOCK_SECONDS:g} seconds' AND pid <> pg_backend_pid()",
    ),
    (
        "somebody waits for a lock",
        "SELECT l.pid, l.locktype, a.query FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        f" WHERE NOT l.granted AND a.query_start < now() - interval '{LOCK_SECONDS:g} seconds'",
    ),
)


def traces(record: Record) -> Iterator[str]:
    """Everything that is written by half, once all work has ended."""
    for wrong, query in TRACES:
        for row in record.rows(query):
            yield f"{wrong}: {row}"
    for share in record.targets():
        if share.ended and not (share.outcome.get("verdict") and share.outcome.get("what")):
            yield f"a target has ended, and not how: {share}"


def half_written(world: World) -> list[str]:
    """Each of them, and each lock that nobody gave back."""
    found = list(traces(world.record))
    if world.estiva.postgres is not None:
        found += [f"{wrong}: {row}" for wrong, query in LOCKS for row in world.record.rows(query)]
    else:
        found += locked(world.estiva.database_url.removeprefix("sqlite://"))
    return found


def locked(path: str, seconds: float = LOCK_SECONDS) -> list[str]:
    """SQLite has one lock, and whoever wants it gets it within a moment; what it says where that isn't so."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=seconds)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return [f"the database is locked: {error}"]
        database.execute("ROLLBACK")
    return []
