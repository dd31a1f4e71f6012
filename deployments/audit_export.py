"""The audit trail as CSV and NDJSON, a line at a time, newest first.

Read by key, a page a query: no cursor stays open, so whoever sends the lines may give the connection back between them.
"""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from django.db.models import QuerySet

from deployments.models import AuditEntry

COLUMNS: Final = (
    "number",
    "at",
    "actor_id",
    "actor_name",
    "address",
    "action",
    "object_kind",
    "object_id",
    "object_name",
    "outcome",
    "message",
    "before",
    "after",
    "previous_mac",
    "mac",
)
PAGE: Final = 1000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """CSV with a heading. A cell that a spreadsheet would run as a formula gets an apostrophe in front."""
    yield _csv_line(list(COLUMNS))
    for entry in _by_key(entries):
        yield _csv_line([_cell(value) for value in _row(entry).values()])


def ndjson_rows(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """One JSON object a line, exactly as stored."""
    for entry in _by_key(entries):
        yield json.dumps(_row(entry), ensure_ascii=False) + "\n"


def _by_key(entries: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    page = list(entries.order_by("-number")[:PAGE])
    while page:
        yield from page
        page = list(entries.filter(number__lt=page[-1].number).order_by("-number")[:PAGE])


def _row(entry: AuditEntry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in COLUMNS}
    row["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return row


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
