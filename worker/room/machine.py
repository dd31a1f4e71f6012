"""What a Linux machine says of itself. Pure."""

import re

from worker.room.server_room import Machine

_LOAD = re.compile(rb"^(\d+\.\d+) \d+\.\d+ \d+\.\d+ \d+/\d+ \d+", re.MULTILINE)
_ONLINE = re.compile(rb"^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$", re.MULTILINE)  # 0-3,8
_MOST = 1 << 15  # processors: no kernel counts so far
_FIELD = rb"^%s:\s+(\d+) kB"


def machine(said: bytes) -> Machine:
    """From the text of `/proc/loadavg`, `/proc/meminfo` and the processors' `online`; what isn't there stays unknown."""
    load, online = _LOAD.search(said), _ONLINE.search(said)
    return Machine(
        _kilobytes(said, b"MemTotal"),
        _kilobytes(said, b"MemAvailable"),
        float(load[1]) if load else None,
        _count(online[0].decode()) if online else None,
    )


def _count(ranges: str) -> int | None:
    """How many numbers are in `0-3,8`; None where that can't be meant."""
    ends = [(int(first), int(last or first)) for first, _, last in (each.partition("-") for each in ranges.split(","))]
    return (
        sum(last - first + 1 for first, last in ends)
        if all(0 <= first <= last < _MOST for first, last in ends)
        else None
    )


def _kilobytes(said: bytes, name: bytes) -> int | None:
    found = re.search(_FIELD % name, said, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
