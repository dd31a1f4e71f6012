"""What a backup holds, and how a column's value looks in it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from deployments.backup.file import BackupRefused
from deployments.sealing import Sealed

APPS: Final = ("deployments", "account")
# What says who is alive just now, and links that were mailed: neither means anything elsewhere
LEFT_OUT: Final = frozenset({"deployments.WorkerProcess", "account.EmailConfirmation"})
# What an empty database holds already, made by migrations
FIRST_ROWS: Final = frozenset({"deployments.Installation", "deployments.AuditHead"})
KEYS: Final = ("ESTIVA_SEALING_PUBLIC_KEY", "ESTIVA_AUDIT_KEY", "ESTIVA_FIELD_KEY")
_PLAIN: Final = frozenset(
    {
        "AutoField",
        "BigAutoField",
        "BigIntegerField",
        "BooleanField",
        "CharField",
        "FloatField",
        "ForeignKey",
        "IntegerField",
        "JSONField",
        "OneToOneField",
        "PositiveBigIntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "SlugField",
        "SmallIntegerField",
        "TextField",
    }
)

Column: TypeAlias = "models.Field[Any, Any]"


def may_take_its_time(cursor: CursorWrapper) -> None:
    """Until the transaction's end PostgreSQL doesn't ask when something was said last: a file may be slower than rows."""
    if connection.vendor == "postgresql":
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def tables() -> list[type[models.Model]]:
    """The models whose rows are kept, those first that others name."""
    found = [model for name in APPS for model in apps.get_app_config(name).get_models(include_auto_created=True)]
    return [model for model in found if model._meta.label not in LEFT_OUT]


def columns(model: type[models.Model]) -> list[Column]:
    """A table's columns, in the models' order."""
    return list(model._meta.local_concrete_fields)


def packed(column: Column, value: Any) -> Any:
    """A value as JSON has it; TypeError for a kind of column that nobody thought of."""
    kind = column.get_internal_type()
    if value is None or kind in _PLAIN:
        return value
    if kind == "DateTimeField" and isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if kind == "BinaryField":
        raw = value.cipher if isinstance(value, Sealed) else bytes(value)
        return base64.b64encode(raw).decode()
    raise TypeError(f"{column} is a {kind}: a backup does not know how to keep it.")


def unpacked(column: Column, value: Any) -> Any:
    """What `packed` made, as the database's driver takes it. A JSON column's null is a value, not an empty column."""
    kind = column.get_internal_type()
    if value is not None and kind == "DateTimeField":
        value = datetime.fromisoformat(value)
    elif value is not None and kind == "BinaryField":
        value = base64.b64decode(value)
        return column.get_db_prep_value(value, connection, prepared=True)
    elif isinstance(column, models.JSONField) and not (value is None and column.null):
        return connection.ops.adapt_json_value(value, column.encoder)
    target = column.target_field if isinstance(column, models.ForeignKey) else column
    return target.get_db_prep_save(value, connection)


def migrations() -> dict[str, list[str]]:
    """Which migrations of ours this database has: rows fit only where they are the same."""
    applied = MigrationRecorder(connection).applied_migrations()
    return {name: sorted(each for app, each in applied if app == name) for name in APPS}


def key_marks() -> dict[str, list[str]]:
    """What tells keys apart without telling them: a mark for each, several for a key that is a list."""
    values = {name: str(getattr(settings, name)) for name in KEYS}
    return {name: [_mark(each.strip()) for each in value.split(",")] for name, value in values.items()}


def compare_keys(marks: dict[str, list[str]]) -> None:
    """BackupRefused naming the keys that are not those the backup was made with."""
    ours = key_marks()
    others = [name for name in KEYS if not set(marks.get(name, [])) <= set(ours[name])]
    if others:
        raise BackupRefused(
            _("The backup was made with other keys: %(names)s.") % {"names": ", ".join(others)},
            remedy=_(
                "No backup holds keys. Give this installation the copy that was kept elsewhere, then restore again."
            ),
        )


def sequences() -> dict[str, int]:
    """The last number that each table gave to a row, also where that row is gone."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, seq FROM sqlite_sequence")
            given = dict(cursor.fetchall())
            return {table: int(given.get(table, 0)) for table in _numbered()}
        found = {}
        for table, column in _numbered().items():
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table}"', column])
            (sequence,) = cursor.fetchone()
            cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")
            found[table] = int(cursor.fetchone()[0])
        return found


def raise_sequences(least: dict[str, int]) -> None:
    """Let each table go on after this number, or after its highest row where that is higher."""
    with connection.cursor() as cursor:
        for table, column in _numbered().items():
            name = connection.ops.quote_name(table)
            cursor.execute(f"SELECT COALESCE(MAX({connection.ops.quote_name(column)}), 0) FROM {name}")
            number = max(int(cursor.fetchone()[0]), least.get(table, 0))
            if number and connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number])
            elif number:
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [f'"{table}"', column, number])


def _numbered() -> dict[str, str]:
    """The tables whose rows are numbered by the database, and the column of the number."""
    kept = {model._meta.db_table: model._meta.pk for model in tables()}
    return {table: str(key.column) for table, key in kept.items() if isinstance(key, models.AutoField)}


def _mark(key: str) -> str:
    return hmac.new(key.encode(), b"estiva: which key a backup was made with", hashlib.sha256).hexdigest()[:16]
