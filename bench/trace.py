"""What one deploy asks of its server, and for how long it waits: every call of the Engine API, every SSH channel and probe, every wait of
the engine, in order. What overlaps was asked at the same time."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import requests

from worker.connections import probes
from worker.connections.docker import DockerHost
from worker.connections.transport import Transport

Call = tuple[float, float, str]
"""Seconds from the beginning, seconds that it took, and what it was."""


@contextmanager
def traced() -> Iterator[list[Call]]:
    """All that is asked meanwhile, by any thread, in the order in which it was over."""
    calls: list[Call] = []
    begun = time.monotonic()

    def wrapped(kind: type | Any, name: str, about: Callable[..., str]) -> Any:
        plain = getattr(kind, name)

        @functools.wraps(plain)
        def timed(*arguments: Any, **options: Any) -> Any:
            at = time.monotonic()
            try:
                return plain(*arguments, **options)
            finally:
                calls.append((at - begun, time.monotonic() - at, about(*arguments)))

        return patch.object(kind, name, timed)

    with ExitStack() as patches:
        for each in (
            wrapped(
                requests.Session, "send", lambda _, request: f"{request.method} {request.path_url.partition('?')[0]}"
            ),
            wrapped(Transport, "request_channel", lambda _, kind, *__: f"  channel {kind.partition('@')[0]}"),
            wrapped(DockerHost, "wait", lambda _, seconds: f"wait {seconds:g} s"),
            wrapped(probes, "probe_http", lambda *_: "probe over HTTP"),
            wrapped(probes, "probe_tcp", lambda *_: "probe over TCP"),
        ):
            patches.enter_context(each)
        yield calls


def table(calls: Sequence[Sequence[Any]]) -> str:
    """For people: milliseconds, and `|` before what began while the one above was still going on."""
    lines, over = ["  begins    takes"], 0.0
    for at, seconds, what in sorted(calls, key=lambda call: call[0]):
        lines.append(f"{at * 1000:8.1f} {seconds * 1000:8.1f}  {'|' if at < over else ' '} {what}")
        over = max(over, at + seconds)
    return "\n".join(lines)
