"""Restoring a backup into an empty database: all of it, or nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from deployments import audit
from deployments.backup.file import BackupRefused, Reader
from deployments.backup.tables import (
    FIRST_ROWS,
    Column,
    columns,
    compare_keys,
    may_take_its_time,
    migrations,
    raise_sequences,
    tables,
    unpacked,
)
from deployments.models import Placement

# What happened after the backup is forgotten here, not on the servers: no number that they may bear is given twice.
LEAP: Final = 1000
_ROWS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the database now."""

    installation: str
    made_at: str
    rows: dict[str, int]
    audit_entries: int
    audit_head: str


def restore(file: IO[bytes]) -> Restored:
    """Restore into this database; BackupRefused, and nothing written, where it isn't empty or the backup doesn't fit or hold."""
    reader = Reader(file)
    header = reader.header()
    _compare_migrations(header)
    compare_keys(header["keys"])
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                may_take_its_time(cursor)
            _refuse_unless_empty()
            counts = _load(reader)
            raise_sequences({table: number + LEAP for table, number in header["sequences"].items() if number})
            Placement.objects.update(next_release=F("next_release") + LEAP)
            found = audit.verify()
            if not found.ok:
                raise BackupRefused(
                    _("The audit trail in the backup does not hold: %(why)s") % {"why": found.problems[0]}
                )
    except IntegrityError as error:
        raise BackupRefused(_("The backup's rows contradict one another: %(why)s") % {"why": error}) from error
    return Restored(header["installation"], header["made_at"], counts, found.number, str(found.head))


def _compare_migrations(header: dict[str, Any]) -> None:
    ours, theirs = migrations(), header["migrations"]
    if ours != theirs:
        newest = [names[-1] if names else "-" for names in (theirs.get("deployments", []), ours["deployments"])]
        raise BackupRefused(
            _("The backup was made at migration %(theirs)s (Estiva %(version)s), this database is at %(ours)s.")
            % {"theirs": newest[0], "ours": newest[1], "version": header["version"]},
            remedy=_("Migrate an empty database with the version that made the backup, restore, and upgrade then."),
        )


def _refuse_unless_empty() -> None:
    """Lock nothing away that somebody still needs: an installation is never overwritten."""
    full = [model for model in tables() if model._meta.label not in FIRST_ROWS and model._base_manager.exists()]
    if full:
        raise BackupRefused(
            _("This database is in use: %(table)s has rows. Nothing was restored.") % {"table": full[0]._meta.db_table},
            remedy=_("Restore into a new, empty database after manage.py migrate."),
        )
    for model in tables():
        if model._meta.label in FIRST_ROWS:
            model._base_manager.all().delete()


def _load(reader: Reader) -> dict[str, int]:
    known = {model._meta.db_table: model for model in tables()}
    counts = dict[str, int]()
    table = _Table(None, [])
    for line in reader.lines():
        if isinstance(line, dict):
            table.flush()
            table = _Table(known.get(line["table"]), line["columns"])
            counts[line["table"]] = 0
        else:
            table.add(line)
            counts[table.name] += 1
    table.flush()
    if counts != reader.counts:
        raise BackupRefused(_("The backup does not hold as many rows as it says."))
    return counts


class _Table:
    """Inserts one table's rows, some at a time. Columns are given as they are: nothing is stamped with today's date."""

    def __init__(self, model: type[models.Model] | None, names: list[str]) -> None:
        self.name = model._meta.db_table if model else ""
        self._columns = list(_chosen(model, names)) if model else []
        self._rows: list[list[Any]] = []
        if names and model is None:
            raise BackupRefused(_("The backup holds a table that this version doesn't know."))

    def add(self, row: list[Any]) -> None:
        """One more row."""
        if len(row) != len(self._columns):
            raise BackupRefused(_("A row of %(table)s has another number of columns.") % {"table": self.name})
        self._rows.append([unpacked(column, value) for column, value in zip(self._columns, row, strict=True)])
        if len(self._rows) >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        if not self._rows:
            return
        quote = connection.ops.quote_name
        names = ", ".join(quote(str(column.column)) for column in self._columns)
        places = ", ".join(["%s"] * len(self._columns))
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {quote(self.name)} ({names}) VALUES ({places})", self._rows)
        self._rows = []


def _chosen(model: type[models.Model], names: list[str]) -> Iterator[Column]:
    known = {column.column: column for column in columns(model)}
    if set(names) != set(known):
        raise BackupRefused(_("The columns of %(table)s are others here.") % {"table": model._meta.db_table})
    yield from (known[name] for name in names)
