"""Waiting for a database that is away: to claim something for a while, then for as long as the lease surely lasts and no longer."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, connection

from deployments import claims
from deployments.claims import Claim
from deployments.database import is_away
from deployments.leases import AnswerLost
from worker.engine.errors import LeaseLost

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
CLAIM_SECONDS: Final = 60.0
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


def claimed(
    claim: Callable[[], Claim | None], now: Callable[[], float], is_stopping: Callable[[], bool]
) -> tuple[Claim | None, float]:
    """What is claimed, and the moment (by `now`) just before it was asked for.

    Where much is claimed at once, SQLite lets some wait for longer than it is patient itself. Nothing, if the database stays
    away for a minute, or the worker stops meanwhile: it is offered again. Where a claim was committed and only the answer was
    lost, it is gone on with: else nobody would beat for it. Of one thing no other thread of this process may ask meanwhile.
    """
    until, asked_at = now() + CLAIM_SECONDS, now()
    unanswered: Claim | None = None

    def ask() -> Claim | None:
        nonlocal asked_at, unanswered
        asked_at = now()
        if unanswered is not None and claims.go_on(unanswered):
            return unanswered
        try:
            return claim()
        except AnswerLost as error:
            unanswered = error.claim
            raise

    try:
        return patiently(ask, lambda: 0.0 if is_stopping() else until - now()), asked_at
    except LeaseLost as error:
        log.warning("not claimed", why=str(error.__cause__).strip())
        return None, asked_at
