"""Rows into PostgreSQL as fast as it takes them: COPY, several tables at once, every column that isn't named by its model's default."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
from django.db import connection, models

_AT_ONCE: Final = 10_000  # rows that are sent together


class Copy:
    """One table's stream. `add` takes the named columns' values in their order, numbers or texts that need no escaping."""

    def __init__(self, model: type[models.Model], columns: Sequence[str], send: psycopg.Copy) -> None:
        self.count = 0
        self._template = _template(model, columns)
        self._send = send
        self._lines: list[str] = []

    def add(self, *values: object) -> None:
        """One row."""
        self._lines.append(self._template % values)
        self.count += 1
        if len(self._lines) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what is kept back."""
        self._send.write("".join(self._lines))
        self._lines.clear()


@contextmanager
def copies(*wanted: tuple[type[models.Model], Sequence[str]]) -> Iterator[list[Copy]]:
    """A stream each, on a connection each; foreign keys aren't looked at meanwhile, since the tables fill side by side."""
    with ExitStack() as stack:
        streams = []
        for model, columns in wanted:
            server = stack.enter_context(connect())
            server.execute("SET session_replication_role = replica")
            names = ", ".join(f'"{name}"' for name in _names(model, columns))
            cursor = stack.enter_context(server.cursor())
            send = stack.enter_context(cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN'))
            streams.append(Copy(model, columns, send))
        yield streams
        for stream in streams:
            stream.flush()


def connect() -> "psycopg.Connection[Any]":
    """A connection of its own to the database of the settings."""
    given = connection.settings_dict
    return psycopg.connect(host=given["HOST"], port=given["PORT"], user=given["USER"], dbname=given["NAME"])


def stamp(moment: datetime) -> str:
    """A time as COPY takes it."""
    return moment.isoformat(" ", "milliseconds")


def escaped(value: object) -> str:
    """JSON as COPY takes it, for a column that is named."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("\\", "\\\\")


def after_loading(models_filled: Sequence[type[models.Model]]) -> None:
    """Sequences behind the ids that were given, and statistics and visibility as autovacuum leaves them."""
    with connect() as server:
        server.autocommit = True
        for model in models_filled:
            table, key = model._meta.db_table, model._meta.pk.column if model._meta.pk else "id"
            where = server.execute("SELECT pg_get_serial_sequence(%s, %s)", (table, key)).fetchone()
            if where and where[0]:
                server.execute(f"SELECT setval('{where[0]}', (SELECT coalesce(max({key}), 1) FROM {table}))")
        server.execute("VACUUM ANALYZE")


def _names(model: type[models.Model], columns: Sequence[str]) -> list[str]:
    others: list[str] = [
        str(field.column)
        for field in model._meta.concrete_fields
        if field.column not in columns and field.column != "id"
    ]
    return [*columns, *others]


def _template(model: type[models.Model], columns: Sequence[str]) -> str:
    fields = {field.column: field for field in model._meta.concrete_fields}
    rest = [_default(fields[name]).replace("%", "%%") for name in _names(model, columns)[len(columns) :]]
    return "\t".join([*("%s" for _name in columns), *rest]) + "\n"


def _default(field: "models.Field[Any, Any]") -> str:
    value = field.get_default()
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    return escaped(value) if isinstance(value, dict | list) else str(value)
