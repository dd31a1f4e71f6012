"""A middleware that tells in a header what answering took: time, processor time, queries, and how long those took."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.db import connection
from django.http import HttpRequest, HttpResponse

HEADER: Final = "X-Cost"


class Cost:
    """`X-Cost: time processor-time queries time-in-the-database`, in milliseconds, from the first middleware to the last byte made.

    The processor's is that of the thread that answers, without the database's: a machine that has other work hardly changes it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count what happens on this request's connection."""
        spent: list[float] = []

        def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            begun = time.perf_counter()
            try:
                return execute(sql, params, many, context)
            finally:
                spent.append(time.perf_counter() - begun)

        begun, worked = time.perf_counter(), time.thread_time()
        with connection.execute_wrapper(counted):
            response = self._get_response(request)
        took, processor = time.perf_counter() - begun, time.thread_time() - worked
        numbers = (took * 1000, processor * 1000, len(spent), sum(spent) * 1000)
        response.headers[HEADER] = " ".join(f"{number:.2f}" for number in numbers)
        return response
