"""What a database's errors mean: away for the moment, or a mistake."""

from django.db import DatabaseError, InterfaceError, OperationalError

# psycopg and its pool, by name: neither is imported where SQLite is used
_OTHER_NAMES = frozenset({"PoolTimeout", "PoolClosed", "IdleInTransactionSessionTimeout"})


def is_away(error: BaseException | None) -> bool:
    """The database doesn't answer, or has ended this connection: on a new one, the same may be tried again."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return True
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return type(cause).__name__ in _OTHER_NAMES
