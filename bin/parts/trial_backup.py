"""A backup's file, read without Estiva: what is in it, what of that was open, and how two of them differ."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from parts.processes import PartError

OPEN: Final = ("queued", "running", "stalled")
LEAP: Final = 1000  # what a restore adds to the number of each placement's next release


@dataclass
class Table:
    """One table's rows, by the names of its columns."""

    columns: list[str]
    rows: list[list[Any]] = field(default_factory=list)

    def named(self) -> list[dict[str, Any]]:
        """Each row by its columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def digest(self) -> str:
        """The same for the same rows under the same columns, in the same order."""
        return hashlib.sha256(json.dumps([self.columns, self.rows]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class OpenTarget:
    """A Target that was not over when the backup was made."""

    id: int
    deployment: int
    application: str
    status: str
    fence: int
    touched: bool


def read(path: Path) -> dict[str, Table]:
    """By name, every table of the file."""
    tables: dict[str, Table] = {}
    table: Table | None = None
    with gzip.open(path) as lines:
        next(lines)  # the header
        for raw in lines:
            line = json.loads(raw)
            if isinstance(line, list) and table is not None:
                table.rows.append(line)
            elif isinstance(line, dict) and "table" in line:
                table = tables[line["table"]] = Table(line["columns"])
    if not tables:
        raise PartError(f"{path} holds no table.")
    return tables


def open_targets(tables: Mapping[str, Table]) -> list[OpenTarget]:
    """What was queued, running or stalled in the moment of the backup, by number."""
    names = {row["id"]: row["application_name"] for row in tables["deployments_deployment"].named()}
    return sorted(
        (
            OpenTarget(
                row["id"],
                row["deployment_id"],
                names[row["deployment_id"]],
                row["status"],
                row["fence"],
                bool(row["touched"]),
            )
            for row in tables["deployments_target"].named()
            if row["status"] in OPEN
        ),
        key=lambda each: each.id,
    )


def by_status(opened: Iterable[OpenTarget]) -> dict[str, int]:
    """How many stood how."""
    return dict(sorted(Counter(each.status for each in opened).items()))


def as_restored(tables: Mapping[str, Table]) -> dict[str, Table]:
    """What a restore makes of it: row for row the same, but that numbers of releases leap."""
    placements = tables["deployments_placement"]
    place = placements.columns.index("next_release")
    leapt = [[value + LEAP if at == place else value for at, value in enumerate(row)] for row in placements.rows]
    return {**tables, "deployments_placement": Table(placements.columns, leapt)}


def differing(one: Mapping[str, Table], other: Mapping[str, Table]) -> list[str]:
    """In words, each table that isn't row for row the same in both."""
    found = []
    for name in sorted({*one, *other}):
        here, there = one.get(name), other.get(name)
        if here is None or there is None:
            found.append(f"{name} is only in the {'second' if here is None else 'first'}")
        elif here.digest() != there.digest():
            found.append(f"{name}: {len(here.rows)} rows ({here.digest()}), then {len(there.rows)} ({there.digest()})")
    return found
