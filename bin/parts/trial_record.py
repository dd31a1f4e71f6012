"""What a stack's database holds, asked by psql inside its own container: beside Estiva, as the campaign's judge does it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from parts.faults.record import Record

Ask = Callable[[str], str]

# What is history at a moment: rows that nothing changes any more. `{at}` is the moment, `{number}` the newest audit entry's number then.
# A row bears the moment at which its transaction began, and shows when that commits: what ended just now may be seen or not.
_OVER: Final = "ended_at <= timestamptz '{at}' - interval '10 seconds'"
_TARGETS_OVER: Final = f"SELECT id FROM deployments_target WHERE {_OVER}"
_HISTORY: Final = {
    "deployments": ("deployments_deployment", "count(*)", f"each.{_OVER}", "id"),
    "targets": ("deployments_target", "count(*)", f"each.{_OVER}", "id"),
    "steps": ("deployments_step", "count(*)", f"each.target_id IN ({_TARGETS_OVER})", "id"),
    "log_lines": (
        "deployments_logchunk",
        "coalesce(sum(each.last_line - each.first_line + 1), 0)",
        f"each.target_id IN ({_TARGETS_OVER})",
        "id",
    ),
    "audit_entries": ("deployments_auditentry", "count(*)", "each.number <= {number}", "number"),
}


@dataclass(frozen=True)
class Moment:
    """A moment of a database's clock, and how far the audit trail was then."""

    at: str
    number: int


@dataclass(frozen=True)
class History:
    """How many of what there are, and the digest of all their columns, in their order."""

    counts: dict[str, int]
    digests: dict[str, str]

    def differs_from(self, other: History) -> list[str]:
        """In words, what isn't the same there."""
        return [
            f"{name}: {self.counts[name]} ({self.digests[name]}), there {other.counts.get(name)} ({other.digests.get(name)})"
            for name in self.counts
            if (self.counts[name], self.digests[name]) != (other.counts.get(name), other.digests.get(name))
        ]


class StackRecord(Record):
    """`ask` runs one query in psql, unaligned and without headings, and returns what it printed."""

    def __init__(self, ask: Ask) -> None:
        super().__init__("postgres:")
        self._ask = ask

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a question gives; its columns need names of their own."""
        told = self._ask(f"SELECT row_to_json(asked) FROM ({query}) AS asked")
        return [tuple(json.loads(line).values()) for line in told.splitlines() if line]

    def now(self) -> Moment:
        """The moment of asking; what is committed later has ended later."""
        ((at, number),) = self.rows(
            "SELECT clock_timestamp()::text AS at, (SELECT coalesce(max(number), 0) FROM deployments_auditentry) AS number"
        )
        return Moment(str(at), int(number))

    def history(self, moment: Moment) -> History:
        """All that had ended by that moment."""
        rows = self.rows(history_query(moment))
        return History({name: int(count) for name, count, _ in rows}, {name: digest for name, _, digest in rows})

    def installation(self) -> str:
        """What labels its containers."""
        ((name,),) = self.rows("SELECT name FROM deployments_installation")
        return str(name)

    def placements(self) -> dict[str, int]:
        """By application's name, its (only) Placement."""
        found = self.rows(
            "SELECT a.name, p.id FROM deployments_placement p JOIN deployments_application a ON a.id = p.application_id"
        )
        return {str(name): int(number) for name, number in found}

    def plans(self, placement: int) -> dict[int, int]:
        """By Deployment of this Placement: the Plan whose button it was asked for by, 0 where there is none."""
        found = self.rows(
            f"SELECT id, coalesce(plan_id, 0) AS plan FROM deployments_deployment WHERE placement_id = {placement:d} ORDER BY id"
        )
        return {int(deployment): int(plan) for deployment, plan in found}

    def drift(self) -> dict[str, str]:
        """By application's name, how the server differs from the record, in the record's words."""
        found = self.rows(
            "SELECT a.name, s.drift FROM deployments_placementhost s JOIN deployments_placement p ON p.id = s.placement_id"
            " JOIN deployments_application a ON a.id = p.application_id"
        )
        return {str(name): str(words) for name, words in found}

    def holders(self, moment: Moment) -> dict[int, str]:
        """By Target, of those that were begun after that moment: the worker that had it last."""
        found = self.rows(f"SELECT id, holder FROM deployments_target WHERE started_at > '{moment.at}'")
        return {int(target): str(holder) for target, holder in found}


def history_query(moment: Moment) -> str:
    """One question for all: whole rows, so that a column which comes later is compared as well."""
    parts = [
        f"SELECT '{name}' AS name, {count} AS times,"
        f" coalesce(md5(string_agg(md5(each::text), '' ORDER BY each.{order})), '') AS digest"
        f" FROM {table} AS each WHERE {where.format(at=moment.at, number=moment.number)}"
        for name, (table, count, where, order) in _HISTORY.items()
    ]
    return " UNION ALL ".join(parts)
