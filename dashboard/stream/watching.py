"""What a viewer asked to see, how far it has read, and what it may see."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

KINDS: Final = frozenset({"deployment", "follow", "host", "operation", "placement", "repository"})
LISTS: Final = frozenset({"overview", "deployments", "hosts", "applications"})
"""Pages that show many rows: told of everything this person may see."""

MOST_WATCHES: Final = 50
_WATCH = re.compile(r"([a-z]+):(\d{1,18})")
_POSITION = re.compile(r"t(-?\d{1,18}):(\d{1,18})")


class BadWatch(ValueError):
    """A `watch` that names nothing we know."""


@dataclass(frozen=True)
class Asked:
    """A parsed query: `keys` like `deployment:41`, `lists` like `overview`, `positions` the last line seen by target."""

    keys: frozenset[str]
    lists: frozenset[str]
    positions: Mapping[int, int] | None

    @property
    def ids(self) -> dict[str, set[int]]:
        """Ids by kind, every kind present."""
        found: dict[str, set[int]] = {kind: set() for kind in KINDS}
        for key in self.keys:
            kind, _, number = key.partition(":")
            found[kind].add(int(number))
        return found


Standing = tuple[bool, int, str, bool]
"""What decides over somebody's sessions and rights: active, session epoch, role, deploys everything."""


@dataclass(frozen=True)
class Rights:
    """What a person may see, as last looked up. `placements` and `hosts` count only where `sees_all` is False."""

    user_id: int
    sees_all: bool
    standing: Standing = (True, 0, "", False)
    placements: frozenset[int] = frozenset()
    hosts: frozenset[int] = frozenset()
    targets: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Of the watched deployments. A follow stands among them as if it were both, with its number negative."""

    def sees(self, noun: str, object_id: int, placement_id: int | None) -> bool:
        """Whether news of this row may reach this person's lists."""
        if self.sees_all:
            return True
        if noun == "host":
            return object_id in self.hosts
        if noun == "placement":
            return object_id in self.placements
        return placement_id in self.placements


def log_key(deployment_id: int) -> str:
    """What a log is watched by: `deployment:41`, or `follow:41` for the number -41."""
    return f"follow:{-deployment_id}" if deployment_id < 0 else f"deployment:{deployment_id}"


def parse(query: bytes, last_event_id: str) -> Asked:
    """Read `watch`, `from` and the Last-Event-ID header (which wins: it is younger); raises BadWatch."""
    fields = parse_qs(query.decode("latin-1"), max_num_fields=MOST_WATCHES + 10)
    keys, lists = set(), set()
    for word in " ".join(fields.get("watch", [])).split():
        match = _WATCH.fullmatch(word)
        if word in LISTS:
            lists.add(word)
        elif match and match[1] in KINDS:
            keys.add(f"{match[1]}:{int(match[2])}")
        else:
            raise BadWatch(word)
    if not keys | lists or len(keys) > MOST_WATCHES:
        raise BadWatch("nothing, or too much, is watched")
    vector = last_event_id or "".join(fields.get("from", [])[:1])
    return Asked(frozenset(keys), frozenset(lists), read_vector(vector) if vector else None)


def read_vector(text: str) -> dict[int, int]:
    """`t1:120,t2:88` as {1: 120, 2: 88}; anything else in it is passed over."""
    return {int(target): int(line) for target, line in _POSITION.findall(text)}


def write_vector(positions: Mapping[int, int] | Iterable[tuple[int, int]]) -> str:
    """The inverse of `read_vector`."""
    return ",".join(f"t{target}:{line}" for target, line in sorted(dict(positions).items()))
