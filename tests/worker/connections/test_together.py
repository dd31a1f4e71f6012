"""Calls at the same time: in their order, all ended, the gravest error."""

import threading
from collections.abc import Callable

import pytest

from worker.connections.together import together
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost, NotFound


def test_the_answers_come_in_the_order_of_the_calls_which_run_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=20)

    def call(number: int) -> Callable[[], int]:
        def met() -> int:
            meeting.wait()  # breaks unless all four are here
            return number

        return met

    assert together([call(number) for number in range(4)]) == [0, 1, 2, 3]


def test_more_than_a_handful_wait_for_their_turn() -> None:
    at_work = threading.Semaphore(8)

    def call() -> bool:
        free = at_work.acquire(blocking=False)
        at_work.release()
        return free

    assert together([call] * 50) == [True] * 50


def test_one_call_stays_on_the_callers_thread() -> None:
    assert together([threading.current_thread]) == [threading.current_thread()]
    assert together([]) == []


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([NotFound("gone", status=404), Cancelled("stop")], Cancelled),
        ([Cancelled("stop"), HostLost("broke")], HostLost),
        ([HostLost("broke"), LeaseLost("another")], LeaseLost),
        ([HostError("first"), NotFound("second", status=404)], HostError),
    ],
)
def test_the_gravest_error_is_raised_once_all_have_ended(errors: list[Exception], raised: type[Exception]) -> None:
    failed, ended = threading.Event(), threading.Event()

    def fail(error: Exception) -> Callable[[], None]:
        def call() -> None:
            failed.set()
            raise error

        return call

    def slow() -> None:
        failed.wait(20)
        ended.set()

    with pytest.raises(raised) as seen:
        together([*(fail(each) for each in errors), slow])
    assert type(seen.value) is raised
    assert ended.is_set()
