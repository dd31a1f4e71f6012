"""Whether a gap that Estiva measured was one: held from above against the silence that the prober saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from parts.faults.evidence import Finding, Seen
from parts.faults.probing import holes
from parts.faults.record import GOOD, Share

TOO_MUCH: Final = 1.0  # seconds beyond what was seen; more on a busy machine


def overmeasured(seen: Seen) -> Iterable[Finding]:
    """Gaps on record that were much longer than nobody answered. Only of deploys in which nothing kept Estiva from looking."""
    for share, beyond in _beyond(seen) if seen.calm else ():
        if beyond > TOO_MUCH * seen.stretch:
            said = f"{share.gap:.2f} s without service are on record, {beyond:.2f} s more than nobody answered"
            yield Finding("outage", f"{share}: {said}")


def beyond_silence(seen: Seen) -> float:
    """By how many seconds a gap on record was longer than the silence, at most; 0.0 where none was."""
    return max((beyond for _, beyond in _beyond(seen)), default=0.0)


def _beyond(seen: Seen) -> Iterator[tuple[Share, float]]:
    """Of good deploys in one attempt, asked from begin to end: what an earlier attempt took away is measured up to the next one's
    look; and a new version that is no good may answer whoever asks, while nothing serves by its health check.
    """
    for share in seen.shares:
        asked = seen.asked.get(share.server, [])
        whole = bool(asked) and asked[0].at <= share.started and share.ended <= asked[-1].until
        good = share.role == "deploy" and share.status == GOOD and share.attempts == 1
        if not good or not share.gap or not whole:
            continue
        silent = sum(hole.seconds for hole in holes(asked) if share.started <= hole.end and hole.begin <= share.ended)
        yield share, max(0.0, share.gap - silent - _graces(seen, share))


def _graces(seen: Seen, share: Share) -> float:
    """What was told to end may serve until it does: the gap is measured from when it was told."""
    told: dict[str, float] = {}
    found = 0.0
    for each in seen.events:
        if each.server == share.server and share.started <= each.at <= share.ended:
            if each.action == "kill":
                told.setdefault(each.container, each.at)
            elif each.action == "die" and each.container in told:
                found += each.at - told.pop(each.container)
    return found
