"""What a storm is to be, drawn from a seed before anything begins: which applications, what is clicked, which blows fall and when.

Pure: the same dice draw the same plan. Every thread of the storm reads its own part of it, and throws no dice itself.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from typing import Final

STOP_FIRST, START_FIRST, BATCHES, CANARY, GIT, COMPOSE = (
    "stop-first",
    "start-first",
    "batches",
    "canary",
    "git",
    "compose",
)
IMAGES: Final = (STOP_FIRST, START_FIRST, BATCHES, CANARY)
BUILT: Final = (GIT, COMPOSE)
SEVERAL: Final = (BATCHES, CANARY)
RESUME, RESTORE = "resume", "restore"
VERSIONS: Final = 7
BUILDER: Final = 2  # the server with Compose and BuildKit, counted from 0: the first that a storm adds to its world
TO_ONE_THAT_IS_BUILT: Final = 3  # deploys of the others: a build takes much longer

WEB_WORKER, WEB_MASTER = "web_worker_killed", "web_master_killed"
WORKER, LOOKER, RECONCILER = "worker_killed", "looker_killed", "reconciler_killed"
BROKER_KILLED, BROKER_RESTARTED = "broker_killed", "broker_restarted"
BROKER_FLUSHED, BROKER_FROZEN = "broker_flushed", "broker_frozen"
DATABASE, SESSIONS, RESETS = "database_crashed", "ssh_sessions_killed", "connections_reset"
BLOWS: Final = (
    WEB_WORKER,
    WEB_MASTER,
    WORKER,
    LOOKER,
    RECONCILER,
    BROKER_KILLED,
    BROKER_RESTARTED,
    BROKER_FLUSHED,
    BROKER_FROZEN,
    DATABASE,
    SESSIONS,
    RESETS,
)
LONG_FREEZE: Final = 60.0
SECONDS: Final = {
    BROKER_KILLED: (0.0, 1.0, 5.0),
    BROKER_FROZEN: (*((2.0, 5.0, 10.0) * 3), LONG_FREEZE),  # mostly short: meanwhile nothing new begins
    RESETS: (0.2, 1.0, 3.0),
}  # how long one of these lasts; the others are over at once


@dataclass(frozen=True)
class Drawn:
    """An application: `servers` are the world's, counted from 0; `versions` what is clicked, one after another."""

    name: str
    kind: str
    servers: tuple[int, ...]
    start_first: bool
    versions: tuple[int, ...]
    most_open: int  # deploys of it, beyond which nobody clicks on
    way: str  # out of a doubt, where a deploy of it leaves one

    @property
    def rollout(self) -> dict[str, str] | None:
        """In which order its servers are reached; None: all at once."""
        return {"kind": self.kind, "size": "1", "gate": "none"} if self.kind in SEVERAL else None


@dataclass(frozen=True)
class Plan:
    """All that is drawn; the blows, of which there may be any number, from a seed of their own."""

    apps: tuple[Drawn, ...]
    blows: int

    def without(self) -> list[str]:
        """Of the kinds of applications, those that are none of it."""
        return [kind for kind in (*IMAGES, *BUILT) if kind not in {each.kind for each in self.apps}]


@dataclass(frozen=True)
class Blow:
    """One: `after` so many seconds since the one before it began; `victim`, from 0 to 1, says which of several is hit."""

    kind: str
    after: float
    seconds: float
    victim: float
    due: bool  # falls in any case; the others only while somebody clicks


def draw(dice: random.Random, *, servers: int, deploys: int, whole: bool) -> Plan:
    """So many deploys of some applications on so many servers; the `whole` of it has every kind of application at least once."""
    kinds = _kinds(dice, servers, deploys, whole=whole)
    clicks = _shares(dice, kinds, deploys)
    first = cycle(dice.sample(range(servers), servers))  # each server has something to do
    apps = [
        _application(dice, number, kind, BUILDER if kind in BUILT else next(first), servers, clicks[number])
        for number, kind in enumerate(kinds)
    ]
    return Plan(tuple(apps), dice.randrange(10**9))


def _kinds(dice: random.Random, servers: int, deploys: int, *, whole: bool) -> list[str]:
    """Of the applications, in no order; few are built, since a build keeps a machine busy that is to do much else."""
    images = [kind for kind in IMAGES if servers > 1 or kind not in SEVERAL]
    possible = images + [kind for kind in BUILT if servers > BUILDER]
    count = dice.randint(servers, servers + servers // 2)
    count = min(max(count + len(BUILT), len(possible)) if whole else count, deploys)
    return [*dice.sample(possible, len(possible)), *(dice.choice(images) for _ in range(count))][:count]


def _shares(dice: random.Random, kinds: list[str], deploys: int) -> list[int]:
    """How many clicks each gets: one at least, the others as the dice fall."""
    weights = [1 if kind in BUILT else TO_ONE_THAT_IS_BUILT for kind in kinds]
    drawn = Counter(dice.choices(range(len(kinds)), weights, k=deploys - len(kinds)))
    return [1 + drawn[number] for number in range(len(kinds))]


def _application(dice: random.Random, number: int, kind: str, first: int, servers: int, clicks: int) -> Drawn:
    others = [each for each in range(servers) if each != first]
    more = dice.randint(1, min(2, len(others))) if kind in SEVERAL else dice.randint(0, min(1, len(others)))
    where = (first,) if kind in BUILT else (first, *dice.sample(others, more))
    versions = [1]
    for _ in range(clicks):  # each another one than that before it
        versions.append((versions[-1] + dice.randrange(1, VERSIONS) - 1) % VERSIONS + 1)
    return Drawn(
        f"a{number}",
        kind,
        where,
        kind == START_FIRST or (kind in SEVERAL and dice.random() < 0.5),
        tuple(versions[1:]),
        dice.randint(2, 5),
        dice.choice((RESUME, RESTORE)),
    )


def due(*, postgres: bool) -> int:
    """How many blows the whole of a storm begins with: one of every kind that there is."""
    return len(BLOWS) if postgres else len(BLOWS) - 1


def blows(seed: int, *, postgres: bool, whole: bool) -> Iterator[Blow]:
    """Without end; the `whole` of them begins with one of every kind, in a drawn order, the broker's freeze its longest."""
    dice = random.Random(f"{seed} blows")  # noqa: S311 - dice, not keys
    kinds = [kind for kind in BLOWS if postgres or kind != DATABASE]
    weights = [2 if kind == WORKER else 1 for kind in kinds]
    due = dice.sample(kinds, len(kinds)) if whole else []
    free = (dice.choices(kinds, weights)[0] for _ in repeat(None))
    for order, kind in enumerate(chain(due, free)):
        seconds = dice.choice(SECONDS.get(kind, (0.0,)))
        is_due = order < len(due)
        if kind == BROKER_FROZEN and is_due:
            seconds = LONG_FREEZE
        yield Blow(kind, dice.uniform(2, 8), seconds, dice.random(), is_due)
