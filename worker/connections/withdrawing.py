"""What a worker takes back when it has lost its lease: containers that it asked for and that nobody has started.

Whoever has the work now gave another name to everything it found, so what such a worker still sends meets names that are
not there any more. A create is the exception: it may reach the engine after the newer holder has looked for the last time.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from worker.connections.signals import Signals
from worker.engine.container_host import Container
from worker.engine.errors import LeaseLost, NotFound

WITHDRAW_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 0.1


class Parting(Signals):
    """For the last calls of all, which nothing interrupts but their own few seconds: then they raise `LeaseLost`."""

    def __init__(self, seconds: float = WITHDRAW_SECONDS) -> None:
        super().__init__()
        self._until = time.monotonic() + seconds

    def check(self) -> None:
        """`LeaseLost` when the time is over."""
        if time.monotonic() >= self._until:
            raise LeaseLost("There was no time left to take back what was asked for.")


@dataclass(slots=True)
class Asked:
    """The containers that a session asked its engine for: their names, and the labels by which they are surely its own."""

    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    unanswered: str = ""  # its create was sent, and whether the engine heard of it isn't known

    def sent(self, name: str, labels: Mapping[str, str]) -> None:
        """A create is on its way."""
        self.labels[name], self.unanswered = dict(labels), name

    def answered(self, *, made: bool) -> None:
        """The engine has made it, or refused to."""
        if not made:
            del self.labels[self.unanswered]
        self.unanswered = ""


class Host(Protocol):
    """As much of a server as this takes."""

    def container(self, name: str) -> Container | None:
        """By name."""
        ...

    def remove(self, name: str) -> None:
        """By force."""
        ...

    def wait(self, seconds: float) -> None:
        """Until a signal comes."""
        ...


def withdraw(host: Host, asked: Asked) -> list[str]:
    """Remove what still has the name that it was asked for under, and was never started; the names removed.

    A create without an answer is waited for, as long as the host's signals let one. `LeaseLost` when they don't any longer.
    """
    gone = []
    for name, labels in asked.labels.items():
        there = host.container(name)
        while there is None and name == asked.unanswered:
            host.wait(LOOK_SECONDS)
            there = host.container(name)
        if there is None or there.status != "created" or not labels.items() <= dict(there.labels).items():
            continue  # renamed by the newer holder, who has it now; or somebody else's
        try:
            host.remove(name)
        except NotFound:
            continue
        gone.append(name)
    return gone
