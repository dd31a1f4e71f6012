"""Old or new, always: on every server where a version once served, one exists from then on, and none goes before another is proven.

Told from an engine's events, for the whole time; the record is asked only whether what took a version's place had been proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from parts.faults.events import SERVICE
from parts.faults.evidence import Finding, Seen
from parts.faults.lives import FOREVER, Life, lives
from parts.faults.record import GOOD, Share

TOLD_LATE = 0.25  # seconds by which the record's clock may be behind the engine's
PROOF = "health"  # the step


def standing(seen: Seen) -> Iterable[Finding]:
    """Times without any container, and versions that went too early."""
    everything = lives(seen.events)
    for server, since in _first_successes(seen).items():
        here = [each for each in everything if each.created.server == server]
        yield from _absences(seen, server, since, here)
        yield from _gone_too_early(seen, since, here)


def _first_successes(seen: Seen) -> Mapping[str, float]:
    """When something first served, by server."""
    found: dict[str, float] = {}
    for each in seen.shares:
        if each.role == "deploy" and each.status == GOOD and each.ended:
            found[each.server] = min(each.ended, found.get(each.server, FOREVER))
    return found


def _absences(seen: Seen, server: str, since: float, here: Sequence[Life]) -> Iterable[Finding]:
    """Moments at which no container of it existed, running or not."""
    there = since
    for life in sorted(here, key=lambda each: each.created.at):
        if life.created.at > there:
            break
        there = max(there, life.destroyed)
    if there != FOREVER:
        after = min((each.created.at for each in here if each.created.at > there), default=FOREVER)
        lasted = f"for {after - there:.3f} s" if after != FOREVER else "to the end"
        yield Finding("absent", f"no container of {seen.name} was on {server} from {there:.3f} on, {lasted}")


def _gone_too_early(seen: Seen, since: float, here: Sequence[Life]) -> Iterable[Finding]:
    """Versions that had served and were removed before another one was started, or before another one was proven.

    Not of Compose's: it removes a service's container before it starts the next one, whoever asks it to.
    """
    shares = {each.id: each for each in seen.shares if each.role == "deploy"}
    for life in here:
        share = shares.get(life.created.target)
        served = share is not None and share.status == GOOD and share.ended < life.destroyed
        if not served or life.destroyed == FOREVER or life.destroyed < since or SERVICE in life.created.labels:
            continue
        at = life.destroyed
        others = [each for each in here if each is not life and each.created.at <= at < each.destroyed]
        started = [each for each in others if any(begin <= at for begin, _ in each.runs)]
        name, server = life.created.name, life.created.server
        if not started:
            yield Finding(
                "too_early", f"{name}, which served, was removed from {server} at {at:.3f}, and no other was started"
            )
        elif not any(_takes_its_place(seen, shares, each, life) for each in started):
            yield Finding(
                "too_early", f"{name}, which served, was removed from {server} at {at:.3f}, and no other was proven"
            )


def _takes_its_place(seen: Seen, shares: Mapping[int, Share], other: Life, gone: Life) -> bool:
    """A newer one that its own deploy had proven by then; or one that was proven before, and runs."""
    at, target = gone.destroyed, other.created.target
    share = shares.get(target)
    if share is None:
        return False
    if share.status == GOOD and share.ended <= at:
        return other.ran_at(at) or target > gone.created.target
    proofs = [each for each in seen.stages.get(target, []) if each.key == PROOF]
    if any(each.status == "good" and each.ended <= at + TOLD_LATE for each in proofs):
        return target > gone.created.target
    # a worker that was ended may have taken its last words with it: then it had at least begun to judge what runs
    begun = any(each.status == "broken_off" and each.started <= at for each in proofs)
    return share.attempts > 1 and begun and other.ran_at(at)
