"""Counts the attempts to connect: how many, how long they took, how they ended."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from worker.engine.errors import AuthenticationRefused, HostKeyChanged, HostLost
from worker.measured import measured

_RESULTS: Final = ((HostKeyChanged, "key_changed"), (AuthenticationRefused, "login_refused"), (HostLost, "unreachable"))


@contextmanager
def counted() -> Iterator[None]:
    """Around one attempt; what it raises goes on."""
    began, result = time.monotonic(), "given_up"  # cancelled, or the lease was lost meanwhile
    try:
        yield
        result = "connected"
    except HostLost as error:
        result = next(name for kind, name in _RESULTS if isinstance(error, kind))
        raise
    finally:
        measured.count("ssh_connects", result)
        measured.took("ssh_connect_seconds", time.monotonic() - began)
