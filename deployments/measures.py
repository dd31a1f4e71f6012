"""What each process of the worker's side counts about itself, as data: it writes them with its beat, /metrics reads them.

In `WorkerProcess.measured`: `{"counts": {name: {label: number}}, "times": {name: {"sum": seconds, "each": [numbers]}}, "now": {name: value}}`,
where `each` has one number for each bucket of `TIMES`, not summed up, and one for what took longer. All of it since the process began.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SSH_RESULTS: Final = ("connected", "unreachable", "login_refused", "key_changed", "given_up")
LIVE_RESULTS: Final = ("sent", "dropped")


class Counter(NamedTuple):
    """Something that happens, by a label of a few known values ("" for none; no values: those that are there)."""

    about: str
    label: str = ""
    values: tuple[str, ...] = ("",)


class Times(NamedTuple):
    """How long something takes, in buckets of at most so many seconds."""

    about: str
    buckets: tuple[float, ...]


COUNTERS: Final[Mapping[str, Counter]] = {
    "ssh_connects": Counter(
        "Attempts to connect to a server over SSH; what is counted is the handshake with the login, not each use of it.",
        "result",
        SSH_RESULTS,
    ),
    "log_lines": Counter("Lines of deploys that were written into the database."),
    "live_entries": Counter(
        "Words to the web processes that something moved; those dropped, since Redis was away, cost liveness alone.",
        "result",
        LIVE_RESULTS,
    ),
    "duty_failures": Counter(
        "Duties of the reconciler that failed in a round and were tried again in the next.", "duty", ()
    ),
}

TIMES: Final[Mapping[str, Times]] = {
    "ssh_connect_seconds": Times(
        "From wanting a connection to having it or not, with the wait where as many handshakes with that server run as may at once.",
        (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
    "log_lag_seconds": Times(
        "From reading a line of a deploy to its commit, for the oldest line of each write.",
        (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    ),
    "reconciler_round_seconds": Times(
        "How long a round of the reconciler takes.", (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
    ),
}

GAUGES: Final[Mapping[str, str]] = {
    "worker_resident_memory_bytes": "Memory that the process holds.",
    "worker_threads": "Threads of the process, those of its SSH connections included.",
}
