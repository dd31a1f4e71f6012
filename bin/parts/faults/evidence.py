"""What was seen of one application, and what is said of it where it must not be so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parts.faults.events import Event
from parts.faults.probing import Asked, Asking
from parts.faults.record import Deployed, Share, Stage

KINDS = (
    "lost",
    "duplicated",
    "interleaved",
    "unended",
    "wrong_verdict",
    "not_serving",
    "absent",
    "too_early",
    "outage",
    "unasked",
    "log",
    "audit",
    "left_process",
    "row",
)


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Brought:
    """What whoever clicked had asked for: the version that the page is to say, and its image's ID, "" where an engine makes it."""

    version: str
    image_id: str = ""


@dataclass
class Seen:
    """All that is known of one application. `final` are its containers at the end, by server; `asked` the prober's, by server."""

    name: str
    placement: int
    start_first: bool
    clicks: list[int]
    events: list[Event]
    asked: Mapping[str, list[Asked]]
    final: Mapping[str, list[dict[str, Any]]]
    deployments: list[Deployed]
    shares: list[Share]
    chunks: Mapping[int, list[tuple[int, int, int, list[Any]]]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()  # the image IDs that were meant
    # server, begin, end: when the fault itself kept it from answering there, which is cut out of what was asked
    broken: tuple[tuple[str, float, float], ...] = ()
    stages: Mapping[int, list[Stage]] = field(default_factory=dict)  # by Target: its steps
    asking: Mapping[str, list[Asking]] = field(default_factory=dict)  # by server: when a prober was to ask
    brought: Mapping[int, Brought] = field(default_factory=dict)  # by Deployment: what is known of what it brings
    stretch: float = 1.0  # by how much promises in seconds are stretched, since the machine is busy
    calm: bool = False  # nothing keeps Estiva from looking: not its worker's process, database or line to the server

    def broken_on(self, server: str) -> list[tuple[float, float]]:
        """When the fault itself kept it from answering on this server."""
        return [(begin, end) for where, begin, end in self.broken if where == server]


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind, those that there are none of too."""
    counted = Counter(each.kind for each in findings)
    return {kind: counted[kind] for kind in KINDS}
