"""Requests that nobody answered, and what explains them: the gap that a stop-first deploy announced and measured, and hardly anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parts.faults.events import Event
from parts.faults.evidence import Finding, Seen
from parts.faults.lives import FOREVER, lives
from parts.faults.probing import Asked, Hole, between, holes
from parts.faults.record import Share

GAP_SLACK = 0.5  # seconds; Estiva's measure ends as it begins to ask the first question that is answered well
MOMENT = 0.5
BROKEN_OFF = 2  # requests at one moment, of twenty a second


def outages(seen: Seen) -> Iterable[Finding]:
    """Failed requests that no announced gap explains."""
    for server, asked in seen.asked.items():
        for hole in _holes(seen, server, asked):
            said = _unexplained(seen, server, hole)
            if said:
                failed = f"{hole.failures} failed, the first: {hole.first}"
                yield Finding("outage", f"{seen.name} on {server}: {said} ({failed}); {_around(seen, server, hole)}")
        if asked and not any(each.ok for each in asked[-10:]):
            yield Finding("not_serving", f"{seen.name} on {server} answers nobody at the end: {asked[-1].wrong}")


def broken_off(seen: Seen) -> int:
    """Requests of interrupted start-first deploys that the old version broke off as it was told to end; said beside what is found."""
    if not seen.start_first:
        return 0
    return sum(
        hole.failures
        for server, asked in seen.asked.items()
        for hole in _holes(seen, server, asked)
        if _is_broken_off(seen, server, hole, _meanwhile(seen, server, hole))
    )


def beyond_measure(seen: Seen) -> float:
    """By how many seconds a stop-first gap was surely longer than the record says, at most; 0.0 where none was."""
    most = 0.0
    for server, asked in seen.asked.items() if not seen.start_first else ():
        for hole in _holes(seen, server, asked):
            around = _meanwhile(seen, server, hole)
            if around:
                most = max(most, hole.surely - sum(each.gap or 0.0 for each in around))
    return most


def _holes(seen: Seen, server: str, asked: list[Asked]) -> list[Hole]:
    """Without the times when the fault itself kept everybody from asking: what was before and after is looked at by itself."""
    cut = [(begin - MOMENT, end + MOMENT) for begin, end in seen.broken_on(server)]
    return [hole for piece in between(asked, cut) for hole in holes(piece)]


def _unexplained(seen: Seen, server: str, hole: Hole) -> str:
    """Empty where a stop-first deploy of that moment announced the gap and measured as much."""
    around = _meanwhile(seen, server, hole)
    if not around:
        return f"no answer for {hole.seconds:.2f} s at {hole.begin:.3f} though nothing was deployed"
    if seen.start_first:
        if _is_broken_off(seen, server, hole, around):
            return ""
        return f"no answer for {hole.seconds:.2f} s in a start-first deploy: {around[0]}"
    measured = sum(each.gap or 0.0 for each in around)
    if all(each.ended for each in around) and hole.surely > measured + GAP_SLACK:
        return f"surely no answer for {hole.surely:.2f} s where {measured:.2f} s were measured: {around[0]}"
    return ""


def _meanwhile(seen: Seen, server: str, hole: Hole) -> list[Share]:
    """The deploys to this server that it lies in; where it touches none, one that began or ended a moment away."""
    of_here = [each for each in seen.shares if each.server == server and each.role == "deploy" and each.started]
    for slack in (0.0, MOMENT):
        found = [
            each
            for each in of_here
            if each.started - slack <= hole.end and hole.begin <= (each.ended or FOREVER) + slack
        ]
        if found:
            return found
    return []


def _is_broken_off(seen: Seen, server: str, hole: Hole, around: Sequence[Share]) -> bool:
    """One or two requests at the moment when an old version was told to end, in a deploy whose worker had been lost: nobody
    knows whether it had given up its names for long enough. A newer one ran all the while.
    """
    short = hole.failures <= BROKEN_OFF and hole.seconds < MOMENT
    if not short or not any(each.attempts > 1 for each in around):
        return False
    newer = [
        life.created.target
        for life in lives(seen.events)
        if life.created.server == server
        and any(begin <= hole.begin - 0.1 and hole.end <= end for begin, end in life.runs)
    ]
    told = [
        each.target
        for each in seen.events
        if each.server == server and each.action == "kill" and hole.begin - 0.1 <= each.at <= hole.end + 0.1
    ]
    return any(target < max(newer, default=0) for target in told)


def _around(seen: Seen, server: str, hole: Hole) -> str:
    """What the engine did then."""
    told: list[Event] = [each for each in seen.events if each.server == server and abs(each.at - hole.begin) < 1]
    return f"from {hole.begin:.3f} on; the engine: {'; '.join(str(each) for each in told)}"
