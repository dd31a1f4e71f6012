"""How long a bad version was in the way, and whether it went when it was told to: from what an engine tells and who asks."""

from __future__ import annotations

from collections.abc import Sequence

from parts.faults.events import Event
from parts.faults.probing import Asked

KILLED = "137"  # what an engine says of a container that SIGKILL ended


def restored_after(
    events: Sequence[Event], asked: Sequence[Asked], target: int, old: str, *, start_first: bool
) -> float | None:
    """Seconds from the new version's start until the old one serves alone again; None while it doesn't.

    Stop-first that is its first answer (version `old`) after. Start-first the old one never stops: there it is the end of the last
    container that this Target made. A container that couldn't be started is in the way from when the old one ended for it.
    """
    mine = [each for each in events if each.target == target]
    made = {each.container for each in mine if each.action == "create"}
    if not made:
        return 0.0
    if start_first:
        if not made <= {each.container for each in mine if each.action == "destroy"}:
            return None
        ran = [each.at for each in mine if each.action in ("start", "die")]
        return max(ran) - min(ran) if ran else 0.0
    since = mine[0].at
    stopped = [each.at for each in events if each.action == "die" and each.target != target and each.at >= since]
    began = next((each.at for each in mine if each.action == "start"), stopped[0] if stopped else None)
    if began is None:
        return 0.0
    return next(
        (max(0.0, each.until - began) for each in asked if each.ok and each.version == old and each.at > began), None
    )


def killed(events: Sequence[Event], target: int) -> float | None:
    """Seconds from when this Target's container was told to end until SIGKILL had ended it; None where it went otherwise."""
    mine = [each for each in events if each.target == target]
    told = [each.at for each in mine if each.action == "kill"]
    ends = [each for each in mine if each.action == "die" and told and each.at >= told[0]]
    if not ends or ends[0].labels.get("exitCode") != KILLED:
        return None
    return ends[0].at - told[0]
