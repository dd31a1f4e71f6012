"""How busy this machine's cores are, and that they have come to rest before something is measured."""

import os
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Self

from bench.verdicts import BUSY

BEFORE = "BENCH_LOAD_BEFORE"  # in the environment: how many cores were at work before a benchmark began
STAT = Path("/proc/stat")
LOOK = 5.0  # seconds: long enough to tell work from a moment's
PATIENCE = 180.0


class Cores:
    """What all cores together had of time (ticks) until a moment, and idled."""

    def __init__(self, line: str) -> None:
        fields = [int(each) for each in line.split()[1:9]]  # time that another guest stole counts as busy
        self._all, self._idle = sum(fields), fields[3] + fields[4]

    @classmethod
    def now(cls) -> Self:
        """Until now."""
        return cls(STAT.read_text().partition("\n")[0])

    def busy_until(self, later: "Cores") -> float:
        """The share of all cores' time that was work, from this moment to a later one."""
        return 1 - (later._idle - self._idle) / max(1, later._all - self._all)


def busy_cores(seconds: float = LOOK) -> float:
    """How many cores were at work, on the average of so many seconds from now."""
    before = Cores.now()
    time.sleep(seconds)
    return before.busy_until(Cores.now()) * (os.cpu_count() or 1)


def at_rest(most: float, patience: float = PATIENCE) -> float:
    """Wait until less than `most` cores are at work, but no longer than `patience` (seconds); how many there are then."""
    until = time.monotonic() + patience
    while (busy := busy_cores()) > most and time.monotonic() < until:
        print(f"waiting for this machine to come to rest: {busy:.1f} cores are at work", flush=True)
    return busy


def come_to_rest(environment: MutableMapping[str, str]) -> float:
    """Wait before a benchmark begins, unless whoever started it has; how many cores are at work then, noted for its verdicts."""
    if BEFORE not in environment:
        environment[BEFORE] = f"{at_rest((os.cpu_count() or 1) * BUSY):.2f}"
    return float(environment[BEFORE])
