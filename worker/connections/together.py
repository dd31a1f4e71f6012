"""Calls to one server that are made at the same time, each on a thread and a channel of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from worker.engine.errors import Cancelled, HostLost, LeaseLost

_T = TypeVar("_T")
_MOST = 8
_GRAVEST_FIRST = (LeaseLost, HostLost, Cancelled)


def together(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """Their answers, in their order, once all have ended: nothing goes on behind the caller's back.

    At most eight at a time. Of several errors the gravest is raised: where the lease is lost, nothing else counts.
    """
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(len(calls), _MOST), thread_name_prefix="together") as threads:
        answers = [threads.submit(call) for call in calls]
    errors = [error for each in answers if (error := each.exception()) is not None]
    if errors:
        raise min(errors, key=_gravity)
    return [each.result() for each in answers]


def _gravity(error: BaseException) -> int:
    return next((number for number, kind in enumerate(_GRAVEST_FIRST) if isinstance(error, kind)), len(_GRAVEST_FIRST))
