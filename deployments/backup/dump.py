"""Writing a backup: one look at the database, however long it takes to write down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from django.conf import settings
from django.db import connection, models, transaction

from deployments import clock
from deployments.backup.file import FORMAT, Writer
from deployments.backup.tables import columns, key_marks, may_take_its_time, migrations, packed, sequences, tables
from deployments.models import Installation

_ROWS_AT_ONCE: Final = 200  # a row of a log may hold 64 KB


@dataclass(frozen=True, slots=True)
class Written:
    """What a backup holds: rows by table, and the checksum of its lines."""

    rows: dict[str, int]
    digest: str


def write(file: IO[bytes]) -> Written:
    """Write all rows as they are at one moment; people and workers go on meanwhile."""
    out, counts = Writer(file), dict[str, int]()
    with _one_moment():
        out.line(_header())
        for model in tables():
            counts[model._meta.db_table] = _write_table(out, model)
    return Written(counts, out.end(counts))


def _header() -> dict[str, Any]:
    installation = Installation.objects.first()
    return {
        "estiva_backup": FORMAT,
        "version": settings.VERSION,
        "made_at": clock.now().isoformat(),
        "installation": installation.name if installation else "",
        "database": connection.vendor,
        "migrations": migrations(),
        "keys": key_marks(),
        "sequences": sequences(),
    }


def _write_table(out: Writer, model: type[models.Model]) -> int:
    fields = columns(model)
    out.line({"table": model._meta.db_table, "columns": [field.column for field in fields]})
    rows = model._base_manager.order_by("pk").values_list(*(field.attname for field in fields))
    count = 0
    for row in rows.iterator(chunk_size=_ROWS_AT_ONCE):
        out.line([packed(field, value) for field, value in zip(fields, row, strict=True)])
        count += 1
    return count


@contextmanager
def _one_moment() -> Iterator[None]:
    """All reads see the same rows; nobody waits for us."""
    if connection.vendor == "sqlite":
        # Not atomic(), which begins IMMEDIATE and would keep every writer out while a slow disk takes the file.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("COMMIT")
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            may_take_its_time(cursor)
        yield
