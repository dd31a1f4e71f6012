"""What this process has counted since it began. /metrics is another process, so each beat writes it down (`deployments.measures`)."""

import os
import resource
import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

from deployments.measures import COUNTERS, TIMES

_STATM: Final = Path("/proc/self/statm")


class Measured:
    """Any thread counts; each count is an addition under a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._each = {name: [0] * (len(times.buckets) + 1) for name, times in TIMES.items()}
        self._sums = dict.fromkeys(TIMES, 0.0)

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """It happened `by` times more; `name` is one of `COUNTERS`."""
        if name not in COUNTERS:
            raise KeyError(name)
        with self._lock:
            self._counts[name][label] += by

    def took(self, name: str, seconds: float) -> None:
        """It took so long this time; `name` is one of `TIMES`."""
        with self._lock:
            self._each[name][bisect_left(TIMES[name].buckets, seconds)] += 1
            self._sums[name] += seconds

    def as_json(self) -> dict[str, Any]:
        """All of it, as `deployments.measures` documents; what never happened is left out."""
        with self._lock:
            counts = {name: dict(each) for name, each in self._counts.items()}
            times = {
                name: {"sum": round(self._sums[name], 6), "each": list(each)}
                for name, each in self._each.items()
                if any(each)
            }
        return {"counts": counts, "times": times, "now": _now()}


def _now() -> dict[str, int]:
    return {"worker_resident_memory_bytes": _resident(), "worker_threads": threading.active_count()}


def _resident() -> int:
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # elsewhere: the most it ever held


measured: Final = Measured()
"""This process's."""
