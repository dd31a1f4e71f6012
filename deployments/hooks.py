"""Commands beside a deploy, as settings say: which run for a Target, and who goes first for them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

LEADS: Final = (
    "leads"  # in `Deployment.rollout`: the first wave is one server, where the command before the deploy runs
)
CATCHES_UP: Final = "catches_up"  # a server gets what the others have: nothing is prepared for it once more
DEADLINE: Final = 600


def leads(settings: Mapping[str, Any], *, goes_back: bool) -> bool:
    """One server goes alone at first, since the command before the deploy is to run once for all of them."""
    return bool(settings.get("before")) and settings.get("before_on", "first") == "first" and not goes_back


def led(waves: Sequence[Sequence[T]]) -> list[list[T]]:
    """The waves with their first server in one of its own."""
    if not waves or sum(map(len, waves)) < 2:
        return [list(each) for each in waves]
    first, rest = waves[0][:1], waves[0][1:]
    return [list(first), *([list(rest)] if rest else []), *(list(each) for each in waves[1:])]


def commands(
    settings: Mapping[str, Any], *, goes_back: bool, rollout: Mapping[str, Any], wave: int
) -> tuple[tuple[str, ...], tuple[str, ...], float]:
    """What runs before and after on a server of this wave, and for how many seconds at most.

    Going back to an earlier Release runs nothing: its command would meet what the newer one has prepared.
    """
    deadline = float(settings.get("hook_deadline", DEADLINE))
    if goes_back or rollout.get(CATCHES_UP):
        return (), (), deadline
    once = settings.get("before_on", "first") == "first"
    before = () if once and wave > 0 else tuple(settings.get("before") or ())
    return before, tuple(settings.get("after") or ()), deadline
