"""Containers' lives, told from an engine's events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from parts.faults.events import Event


@dataclass(frozen=True)
class Life:
    """One container, from its create to its destroy, with the times it ran."""

    created: Event
    runs: tuple[tuple[float, float], ...]
    destroyed: float

    def ran_at(self, moment: float) -> bool:
        """Whether it ran then."""
        return any(begin <= moment < end for begin, end in self.runs)


FOREVER = float("inf")


def with_power_cuts(events: Sequence[Event], cuts: Mapping[str, Sequence[float]]) -> list[Event]:
    """With the ends that no engine told of, since it ended at the same moment as all that ran on its server (`cuts`: when)."""
    untold = []
    for server, moments in cuts.items():
        for at in moments:
            before: dict[str, Event] = {}
            for each in events:
                if each.server == server and each.at < at and each.action in ("start", "die"):
                    before[each.container] = each
            untold += [replace(each, at=at, action="die") for each in before.values() if each.action == "start"]
    return sorted([*events, *untold], key=lambda each: each.at)


def lives(events: Sequence[Event]) -> list[Life]:
    """Every container's life, from the events."""
    by_id: dict[str, list[Event]] = {}
    for event in events:
        by_id.setdefault(event.container, []).append(event)
    found = []
    for told in by_id.values():
        created = next((each for each in told if each.action == "create"), told[0])
        runs, began, destroyed = [], 0.0, FOREVER
        for each in told:
            if each.action == "start" and not began:
                began = each.at
            elif each.action == "die" and began:
                runs.append((began, each.at))
                began = 0.0
            elif each.action == "destroy":
                destroyed = each.at
        if began:
            runs.append((began, destroyed))
        found.append(Life(created, tuple(runs), destroyed))
    return sorted(found, key=lambda each: each.created.at)
