"""What a Linux machine says of itself. Pure."""

import re

from worker.room.server_room import Machine

_LOAD = re.compile(rb"^(\d+\.\d+) \d+\.\d+ \d+\.\d+ \d+/\d+ \d+", re.MULTILINE)
_FIELD = rb"^%s:\s+(\d+) kB"


def machine(said: bytes) -> Machine:
    """From the text of `/proc/loadavg` and `/proc/meminfo`; what isn't there stays unknown."""
    load = _LOAD.search(said)
    return Machine(_kilobytes(said, b"MemTotal"), _kilobytes(said, b"MemAvailable"), float(load[1]) if load else None)


def _kilobytes(said: bytes, name: bytes) -> int | None:
    found = re.search(_FIELD % name, said, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
