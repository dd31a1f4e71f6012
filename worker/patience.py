"""Waiting for a database that is away, for as long as the lease surely lasts and no longer."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, connection

from deployments.database import is_away
from worker.engine.errors import LeaseLost

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
MAY_BE_AWAY: Final = (DatabaseError, InterfaceError)  # `is_away` says which of them

_T = TypeVar("_T")


def patiently(work: Callable[[], _T], seconds_left: Callable[[], float]) -> _T:
    """Do it, again and again while the database is away; `LeaseLost` once the lease may be over. `work` must bear repetition."""
    while True:
        try:
            return work()
        except MAY_BE_AWAY as error:
            if not is_away(error):
                raise
            connection.close()
            log.warning("the database is away; waiting", error=str(error).strip())
            if seconds_left() <= RETRY_SECONDS:
                raise LeaseLost("The database has been away for so long that the lease may be over.") from error
            time.sleep(RETRY_SECONDS)  # nothing announces that a database is back
