"""What a check learns of the server's health."""

from collections.abc import Mapping
from typing import Any

from deployments.host_samples import Seen
from worker.connections.pool import SshSession
from worker.connections.room import ask_machine


def sampled(session: SshSession, learned: Mapping[str, Any]) -> Seen:
    """The disk as the check saw it; memory and load where the server lets us read three files."""
    machine = ask_machine(session)
    return Seen(
        disk_free=learned.get("disk_free"),
        disk_total=learned.get("disk_total"),
        memory_free=machine.memory_free,
        memory_total=machine.memory_total,
        load=machine.load,
        cores=machine.cores,
    )
