"""Which texts occur in a column of a long table: a look into its index for each text, not for each row."""

from typing import Final

from django.db import connection, models

_SQL: Final = """
WITH RECURSIVE known(name) AS (
    SELECT min({column}) FROM {table}
    UNION ALL
    SELECT (SELECT min({column}) FROM {table} WHERE {column} > known.name) FROM known WHERE known.name IS NOT NULL
)
SELECT name FROM known WHERE name IS NOT NULL
"""


def known_names(model: type[models.Model], column: str) -> list[str]:
    """Every text of the column, sorted, in one query. An index has to begin with it, and the texts must be few."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(table=quote(model._meta.db_table), column=quote(column)))
        return [str(name) for (name,) in cursor.fetchall()]
