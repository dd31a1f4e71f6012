"""Which connections to PostgreSQL the web holds, told from those that its pool merely keeps for minutes after they were used once."""

import time

from bench import processes
from bench.servers import Servers

LOOKS_EVERY = 0.25  # seconds
_OWN = "SELECT pid, client_port FROM pg_stat_activity WHERE client_port > 0"


def connections(made: Servers) -> list[int]:
    """PostgreSQL's backends whose connections end in the web's processes, by the ports that its own view of them names."""
    rows = made.record.rows(_OWN)
    ports = {port for pid in processes.pids(made.estiva.folder, "web") for port in processes.ports(pid)}
    return [int(backend) for backend, port in rows if int(port) in ports]


def reopened(made: Servers, seconds: float) -> list[int]:
    """How many connections there are, look by look for so long, where each look closes what it found.

    So only those count that were opened since the look before: whatever holds one has to open it again at once, and what the pool keeps
    is gone.
    """
    _close(made, connections(made))
    found = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(LOOKS_EVERY)
        now = connections(made)
        _close(made, now)
        found.append(len(now))
    return found


def _close(made: Servers, backends: list[int]) -> None:
    for backend in backends:
        made.record.rows(f"SELECT pg_terminate_backend({backend:d})")
