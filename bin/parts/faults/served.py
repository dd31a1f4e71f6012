"""Whether what serves is what was asked for: who clicked knows which version that was, and the page says which one answers."""

from __future__ import annotations

from collections.abc import Iterable

from parts.faults.evidence import Brought, Finding, Seen
from parts.faults.lives import FOREVER
from parts.faults.record import GOOD, RESTORED, Share


def wrong_versions(seen: Seen) -> Iterable[Finding]:
    """Answers between deploys that are of another version than the last good deploy brought; one finding for each such time.

    While a deploy goes on, either version may answer. Where something ended in doubt, nobody knows what is to serve.
    """
    for server in sorted(seen.asked):
        shares = sorted(
            (each for each in seen.shares if each.server == server and each.role == "deploy" and each.started),
            key=lambda each: each.started,
        )
        due: Brought | None = None
        for share, until in zip(shares, [*(each.started for each in shares[1:]), FOREVER], strict=True):
            due = _due(seen, share, due)
            if due is None or not share.ended:
                continue
            wrong = [
                each
                for each in seen.asked[server]
                if each.ok and share.ended <= each.at and each.until <= until and each.version != due.version
            ]
            if wrong:
                first = f"{wrong[0].version} at {wrong[0].at:.3f}"
                said = f"{len(wrong)} answers were of another version than {due.version}, the first of {first}"
                yield Finding("wrong_verdict", f"{share}: after it {said}")


def wrong_image(seen: Seen, last: Share, running: str) -> str:
    """What is wrong with the image that runs after this last good deploy: empty where it is the one that was asked for.

    Where neither who clicked nor the record knows its ID, it is at least one that was asked for once.
    """
    brought = seen.brought.get(last.deployment)
    known = [each for each in (brought.image_id if brought else "", last.image_id) if each]
    for each in known:
        if each != running:
            return f"image {running}, while {last} was to bring {each}"
    if not known and seen.images and running not in seen.images:
        return f"image {running}, which nobody asked for"
    return ""


def _due(seen: Seen, share: Share, before: Brought | None) -> Brought | None:
    """What is to serve after it."""
    if share.status == GOOD:
        return seen.brought.get(share.deployment)
    return before if share.status in RESTORED else None
