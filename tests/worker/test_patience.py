"""A database that is away is waited for; one that ended a transaction which stood still is asked again, all of it."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, transaction

from dashboard.env import IDLE_IN_TRANSACTION_SECONDS
from deployments.backup.tables import may_take_its_time
from parts.processes import wait_until
from worker import patience
from worker.engine.errors import LeaseLost
from worker.patience import claimed, patiently

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def _on_postgres() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite ends no transaction of its own accord")


def asked(words: str) -> str:
    """One value."""
    with connection.cursor() as cursor:
        cursor.execute(words)
        return str(cursor.fetchone()[0])


def stand_still() -> None:
    """As a process that is stopped in the middle of a transaction, until the database has ended it."""
    asked("SELECT set_config('idle_in_transaction_session_timeout', '50ms', true)")
    mine = asked("SELECT pg_backend_pid()")
    other = connection.copy()
    with other.cursor() as cursor:

        def is_gone() -> bool:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [mine])
            return bool(cursor.fetchone()[0] == 0)

        wait_until(is_gone, "PostgreSQL ends the transaction", timeout=10)
    other.close()


@pytest.mark.usefixtures("_on_postgres")
def test_a_transaction_that_stood_still_is_done_again() -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        with transaction.atomic():
            if len(tries) == 1:
                stand_still()
            return asked("SELECT 7")

    assert patiently(work, lambda: 20) == "7"
    assert len(tries) == 2


@pytest.mark.usefixtures("_on_postgres")
def test_nobody_holds_rows_for_as_long_as_a_lease_but_a_backup() -> None:
    assert asked("SHOW idle_in_transaction_session_timeout") == f"{IDLE_IN_TRANSACTION_SECONDS}s"
    with transaction.atomic():
        with connection.cursor() as cursor:
            may_take_its_time(cursor)
        assert asked("SHOW idle_in_transaction_session_timeout") == "0"
    assert asked("SHOW idle_in_transaction_session_timeout") == f"{IDLE_IN_TRANSACTION_SECONDS}s"


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_what_is_away_is_waited_for_no_longer_than_the_lease(error: type[Exception]) -> None:
    def work() -> None:
        raise error("gone")

    with pytest.raises(LeaseLost):
        patiently(work, lambda: 0)


def test_a_mistake_is_not_tried_again() -> None:
    def work() -> None:
        raise ProgrammingError("no such column")

    with pytest.raises(ProgrammingError):
        patiently(work, lambda: 20)


def test_a_claim_that_is_not_let_through_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.0)
    moments = iter(range(100))
    tries: list[int] = []

    def claim() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return "claimed"

    found, asked_at = claimed(claim, lambda: float(next(moments)), lambda: False)
    assert (found, len(tries)) == ("claimed", 3)
    assert asked_at == next(moments) - 1, "the moment of the try that went well: the lease counts from there"


@pytest.mark.parametrize(("later", "is_stopping"), [(patience.CLAIM_SECONDS, False), (0.0, True)])
def test_what_cannot_be_claimed_is_left_to_be_offered_again(later: float, is_stopping: bool) -> None:
    moments = [0.0, 0.0, 0.0]

    def claim() -> str:
        raise OperationalError("database is locked")

    found, _ = claimed(claim, lambda: moments.pop() if moments else later, lambda: is_stopping)
    assert found is None
