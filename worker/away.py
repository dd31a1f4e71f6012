"""What becomes of a Target whose server was lost: when it is tried again, and whether it is left out in the end. Pure."""

from typing import Final

from deployments.models import Target
from worker.engine.errors import AuthenticationRefused, BuilderLost, HostLost, SocketRefused

UNTOUCHED_DELAYS: Final = (2, 5, 10, 20)
TOUCHED_DELAYS: Final = (2, 5, 10, 20, 40, 60, 60, 60)  # a server that reboots in the middle of a swap is waited for
WAIT_DELAY, MOST_WAITS = 30, 2880  # a server that is to be waited for: a day, in seconds and times

_REFUSALS = AuthenticationRefused | SocketRefused


def delay_after(error: HostLost, target: Target, *, touched: bool) -> int | None:
    """Seconds until the next attempt, None when there is none: what waiting doesn't mend is tried again only where
    something was begun on the server."""
    if isinstance(error, _REFUSALS) and not touched:
        return None
    delays = TOUCHED_DELAYS if touched else UNTOUCHED_DELAYS
    lost_before = target.connections_lost
    if lost_before < len(delays):
        return delays[lost_before]
    is_away = not touched and not isinstance(error, BuilderLost)
    return WAIT_DELAY if is_away and _wish(target) == "wait" and lost_before < MOST_WAITS else None


def is_left_out(error: HostLost, target: Target, *, touched: bool) -> bool:
    """It didn't answer, nothing was begun there, and the others shall go on without it; one that refuses us isn't away,
    nor is one that is well while the builder was lost."""
    return not touched and _wish(target) == "skip" and not isinstance(error, _REFUSALS | BuilderLost)


def _wish(target: Target) -> str:
    """What is wanted of a server that doesn't answer; a builder is never left out."""
    if target.role == Target.Role.BUILD:
        return "fail"
    return str(target.deployment.rollout.get("away", "fail"))
