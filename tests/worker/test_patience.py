"""A database that is away is waited for; one that ended a transaction which stood still is asked again, all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, transaction
from django.db.models.functions import Now

from dashboard.env import IDLE_IN_TRANSACTION_SECONDS
from deployments import claims, requests
from deployments.backup.tables import may_take_its_time
from deployments.models import Target
from parts.processes import wait_until
from tests.deployments.world import deployed, make_world, only_target
from tests.worker.conftest import Sent
from worker import patience
from worker.engine.errors import LeaseLost
from worker.patience import claimed, patiently
from worker.solitude import Claiming

ME = "deploy@me#1"

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

    def claim() -> claims.Claim:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return claims.Claim(7, 1, ME)

    found, asked_at = claimed(claim, lambda: float(next(moments)), lambda: False)
    assert (found, len(tries)) == (claims.Claim(7, 1, ME), 3)
    assert asked_at == next(moments) - 1, "the moment of the try that went well: the lease counts from there"


@pytest.mark.parametrize(("later", "is_stopping"), [(patience.CLAIM_SECONDS, False), (0.0, True)])
def test_what_cannot_be_claimed_is_left_to_be_offered_again(later: float, is_stopping: bool) -> None:
    moments = [0.0, 0.0, 0.0]

    def claim() -> claims.Claim:
        raise OperationalError("database is locked")

    found, _ = claimed(claim, lambda: moments.pop() if moments else later, lambda: is_stopping)
    assert found is None


@pytest.fixture
def lose_next_answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it: what is committed next is committed, and nobody hears of it."""
    commit, armed = connection.commit, [False]

    def committed() -> None:
        commit()
        if armed[0]:
            armed[0] = False
            raise OperationalError("server closed the connection unexpectedly")

    def arm() -> None:
        armed[0] = True

    monkeypatch.setattr(connection, "commit", committed)
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.0)
    # what replaced it would go with the connection, and the tables of SQLite in memory stay
    monkeypatch.setattr(connection, "close", lambda: None)
    return arm


def take(claim: Callable[[], claims.Claim | None]) -> claims.Claim | None:
    """As a worker's thread does."""
    return claimed(claim, time.monotonic, lambda: False)[0]


def test_a_target_whose_claim_was_committed_without_an_answer_is_gone_on_with(
    lose_next_answer: Callable[[], None],
    sent: Sent,
) -> None:
    target = only_target(deployed(make_world()))
    lose_next_answer()
    claim = take(lambda: claims.claim_target(target.pk, holder=ME))
    target.refresh_from_db()
    assert claim == claims.Claim(target.pk, 1, ME)
    assert (target.status, target.fence, target.attempts, target.holder) == ("running", 1, 1, ME)
    assert claims.beat(ME, [claim], []) == set()


def test_an_operation_too(lose_next_answer: Callable[[], None], sent: Sent) -> None:
    world = make_world()
    operation = requests.request_plan(actor=world.actor, placement=world.placement).operation
    lose_next_answer()
    claim = take(lambda: claims.claim_operation(operation.pk, holder=ME))
    operation.refresh_from_db()
    assert claim == claims.Claim(operation.pk, 1, ME, "operation")
    assert (operation.status, operation.attempts) == ("running", 1)


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_claim_without_an_answer_holds_past_its_lease_unless_somebody_took_it_over(
    lose_next_answer: Callable[[], None], sent: Sent, is_taken_over: bool
) -> None:
    target = only_target(deployed(make_world()))
    tries: list[int] = []

    def claim() -> claims.Claim | None:
        tries.append(1)
        try:
            return claims.claim_target(target.pk, holder=ME)
        except OperationalError:
            Target.objects.filter(pk=target.pk).update(lease_until=Now() - timedelta(seconds=1))
            if is_taken_over:
                assert claims.release_expired() == [target.pk]
                assert claims.claim_target(target.pk, holder="deploy@other#2")
            raise

    lose_next_answer()
    found = take(claim)
    target.refresh_from_db()
    if is_taken_over:
        assert (found, target.holder, target.fence) == (None, "deploy@other#2", 2)
    else:
        assert (found, target.fence, target.leases_lost) == (claims.Claim(target.pk, 1, ME), 1, 0)
        assert claims.release_expired() == [], "its lease was prolonged"
        assert len(tries) == 1


def test_what_the_same_process_holds_is_not_taken_again() -> None:
    target = only_target(deployed(make_world()))
    assert take(lambda: claims.claim_target(target.pk, holder=ME))
    assert take(lambda: claims.claim_target(target.pk, holder=ME)) is None


def test_of_one_thing_one_thread_asks_at_a_time() -> None:
    claiming, order, asks = Claiming(time.monotonic), list[str](), threading.Event()

    def second() -> None:
        asks.set()
        with claiming.asking("target", 7):
            order.append("second")

    thread = threading.Thread(target=second)
    with claiming.asking("target", 7):
        thread.start()
        assert asks.wait(5)
        with claiming.asking("operation", 7), claiming.asking("target", 8):
            order.append("others")
        order.append("first")
    thread.join(5)
    assert order == ["others", "first", "second"]
