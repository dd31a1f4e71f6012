"""Where a deploy can be cut off: the calls that one made which nothing disturbed, each before, in its middle and after it. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

from parts.faults.nursery_points import CHANGING, LOOKING, WHENS, Point, whose


@dataclass(frozen=True)
class Spot:
    """A call that an attempt at one Target of a deploy made: the `nth` of its name. `items` came, if it is a stream.

    `about` is the first thing that the call was given, such as a container's name.
    """

    server: str
    role: str
    call: str
    nth: int
    items: int = 0
    attempt: int = 1
    about: str = ""


@dataclass(frozen=True)
class Moment:
    """Where a deploy of a strategy is to be cut off, whichever application it is of."""

    spot: Spot
    when: str
    item: int = 1

    def of(self, placement: int, release: int, stead: Mapping[str, str] = MappingProxyType({})) -> Point:
        """The same in the deploy of one application's Release; `stead` names its servers that stand in others' stead."""
        spot = self.spot
        of = whose(placement, release, stead.get(spot.server, spot.server), spot.role, spot.attempt)
        return Point(spot.call, self.when, of, nth=spot.nth, item=self.item)


def heard(lines: Iterable[str], placement: int) -> list[Spot]:
    """The calls of one Placement's only deploy in their order, from what a worker wrote down that was told to write all."""
    found: dict[tuple[str, str, int], Spot] = {}
    for line in lines:
        told = json.loads(line)
        of, _, server, role, attempt = str(told["whose"]).split(" ")
        if int(of) == placement:
            key = (str(told["whose"]), str(told["call"]), int(told["nth"]))
            found[key] = Spot(server, role, key[1], key[2], int(told["items"]), int(attempt), str(told["about"]))
    return list(found.values())


def since(spots: Sequence[Spot], call: str) -> list[Spot]:
    """What came after the first call of this name; nothing where there was none."""
    first = next((at for at, each in enumerate(spots) if each.call == call), len(spots))
    return list(spots[first + 1 :])


def reached(lines: Iterable[str]) -> set[Point]:
    """The points that workers came to."""
    names = {each.name for each in fields(Point)}
    told = (json.loads(line) for line in lines)
    return {Point(**each) for each in told if set(each) == names}


def moments(
    dice: random.Random, spots: Sequence[Spot], *, looks: bool, only: Callable[[Spot], bool] = lambda _: True
) -> list[Moment]:
    """Before, in the middle of and after each change that the deploy made on a server; of the looks the first of each kind.

    What comes between two changes is looks and waiting: to be cut off anywhere there is to be cut off after the one and before the
    other. With `only` some calls are left to another strategy. The middle of a stream is after one of its items, which is drawn.
    """
    chosen = [each for each in spots if each.call in CHANGING and only(each)]
    if looks:
        first: dict[tuple[str, str], Spot] = {}
        for each in spots:
            if each.call in LOOKING and only(each):
                first.setdefault((each.role, each.call), each)
        chosen += first.values()
    return [Moment(each, when, dice.randint(1, max(1, each.items))) for each in chosen for when in WHENS]
