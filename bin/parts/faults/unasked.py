"""Whether anybody asked: silence that no prober could have noticed is no proof that an application served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from parts.faults.asking import PATIENCE
from parts.faults.evidence import Finding, Seen
from parts.faults.lives import FOREVER
from parts.faults.probing import Asked, Asking
from parts.faults.record import GOOD, Share

PAUSE: Final = 1.0  # seconds in a deploy without a request under way, of twenty a second; more on a busy machine
Span = tuple[float, float]


def unasked(seen: Seen) -> Iterable[Finding]:
    """Servers where something served and nobody ever asked, probers that ended by themselves, and long pauses in deploys."""
    for server in sorted({each.server for each in _deploys(seen) if each.status == GOOD}):
        if not seen.asked.get(server):
            yield Finding("unasked", f"nobody ever asked {seen.name} on {server} for anything, where it was to serve")
    for server, several in seen.asking.items():
        for each in several:
            if each.died:
                yield Finding("unasked", f"what asked {seen.name} on {server} from {each.since:.3f} on {each.died}")
        for begin, end in _pauses(seen, server):
            if end - begin > PAUSE * seen.stretch:
                said = f"nobody asked {seen.name} on {server} for {end - begin:.2f} s from {begin:.3f} on, in a deploy"
                yield Finding("unasked", said)


def longest_pause(seen: Seen) -> float:
    """Seconds in a deploy for which nobody asked, at most; 0.0 where there was no deploy while a prober was there."""
    return max((end - begin for server in seen.asking for begin, end in _pauses(seen, server)), default=0.0)


def _pauses(seen: Seen, server: str) -> Iterator[Span]:
    asked = sorted(seen.asked.get(server, []), key=lambda each: each.at)
    for share in _deploys(seen):
        if share.server == server:
            for asking in seen.asking[server]:
                yield from _without_request(asked, _both(share, asking))


def _both(share: Share, asking: Asking) -> Span:
    """The time of a deploy in which it was to be asked. A request is written down when it has ended: of the last moments not all were."""
    return max(share.started, asking.since), min(share.ended or FOREVER, asking.until - PATIENCE)


def _without_request(asked: Sequence[Asked], span: Span) -> Iterator[Span]:
    """The times within in which no request was under way: one that hangs keeps the next ones waiting, and is one."""
    since, until = span
    for each in asked:
        if each.at >= until:
            break
        if each.at > since:
            yield since, each.at
        since = max(since, each.until)
    if until > since:
        yield since, until


def _deploys(seen: Seen) -> list[Share]:
    return [each for each in seen.shares if each.role == "deploy" and each.started]
