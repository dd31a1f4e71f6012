"""What this process knows of the live tail: short rings of lines, the latest progress, what changed; and whom to wake.

Lives on the event loop alone: no locks. Everything is bounded, and viewers keep only a cursor into it.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from dashboard.stream import reads
from dashboard.stream.ring import Entry, Ring
from dashboard.stream.watching import log_key

if TYPE_CHECKING:
    from dashboard.stream.viewer import Viewer

CHANGES_KEPT: Final = 2_000
LISTS: Final = "lists"


class Change(NamedTuple):
    """A row moved."""

    serial: int
    noun: str
    object_id: int
    placement_id: int | None


class Progress(NamedTuple):
    """The latest of a step."""

    serial: int
    placement_id: int | None
    values: Mapping[str, object]


class Usage(NamedTuple):
    """What a server's containers take, as last heard: by id `[placement or 0, CPU %, memory, limit]`."""

    serial: int
    values: Mapping[str, list[float]]


class Hub:
    """One per process."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.progress: dict[int, dict[tuple[int, str], Progress]] = {}  # by deployment
        self.usage: dict[int, Usage] = {}  # by follow
        self.epoch = 0  # raised when entries may have been missed: everybody looks at the record again
        self._serials = count(1)
        self.serial = 0
        self._rings: dict[int, Ring] = {}
        self._newest: dict[int, int] = {}
        self._by_key: dict[str, set[Viewer]] = {}
        self._placements: dict[
            int, int
        ] = {}  # of deployments heard of lately: decides who may see their progress in lists
        self._fills: dict[tuple[int, int], asyncio.Task[list[Entry]]] = {}

    # who watches

    def add(self, viewer: "Viewer") -> None:
        """From now on wake this viewer."""
        self.viewers.add(viewer)
        for key in _keys(viewer):
            self._by_key.setdefault(key, set()).add(viewer)

    def remove(self, viewer: "Viewer") -> None:
        """It has gone; forget what only it watched."""
        self.viewers.discard(viewer)
        for key in _keys(viewer):
            watching = self._by_key.get(key, set())
            watching.discard(viewer)
            if not watching:
                self._by_key.pop(key, None)
        for deployment_id, targets in viewer.rights.targets.items():
            if log_key(deployment_id) not in self._by_key:
                self.usage.pop(-deployment_id, None)
                for target_id in targets:
                    self._rings.pop(target_id, None)
                    self._newest.pop(target_id, None)
        if not self._by_key:
            self.progress.clear()

    @property
    def keys(self) -> set[str]:
        """Everything that is watched, lists as LISTS."""
        return set(self._by_key)

    @property
    def targets(self) -> set[int]:
        """Every target whose log is watched."""
        return {target for viewer in self.viewers for found in viewer.rights.targets.values() for target in found}

    @property
    def follows(self) -> set[int]:
        """Every follow that is looked at."""
        return {-target for target in self.targets if target < 0}

    def wake(self, *keys: str) -> None:
        """Let those who watch any of these look."""
        for key in keys:
            for viewer in self._by_key.get(key, ()):
                viewer.woken.set()

    def wake_all(self) -> None:
        """Let everybody look."""
        for viewer in self.viewers:
            viewer.woken.set()

    def start_over(self) -> None:
        """Entries may have been missed: everybody reads the record and fetches their fragments again."""
        self.epoch += 1
        self.wake_all()

    # what came in

    def take(self, entry: Mapping[str, str]) -> None:
        """One wake entry, as `deployments.live` writes them."""
        kind = entry.get("kind")
        if kind == "log":
            self._take_lines(entry)
        elif kind == "progress":
            self._take_progress(entry)
        elif kind == "follow":
            self._take_follow(entry)
        elif kind == "usage":
            self._take_usage(entry)
        elif kind == "changed":
            placement = entry.get("placement") or None
            self.changed(entry["noun"], int(entry["id"]), int(placement) if placement else None)

    def _take_lines(self, entry: Mapping[str, str]) -> None:
        key = log_key(int(entry["deployment"]))
        if key not in self._by_key:
            return
        target_id = int(entry["target"])
        last = int(entry["last"])
        if entry["lines"]:  # else they were too long to carry: viewers read the record
            self._rings.setdefault(target_id, Ring()).add(Entry(int(entry["first"]), last, entry["lines"]))
        self.grew(target_id, last)
        self.wake(key)

    def _take_progress(self, entry: Mapping[str, str]) -> None:
        deployment_id, target_id = int(entry["deployment"]), int(entry["target"])
        key = f"deployment:{deployment_id}"
        if key not in self._by_key and LISTS not in self._by_key:
            return
        values = {
            "target": target_id,
            "deployment": deployment_id,
            "step": entry["step"],
            "done": int(entry["done"]),
            "total": int(entry["total"]),
            "label": entry["label"],
        }
        steps = self.progress.setdefault(deployment_id, {})
        steps[target_id, entry["step"]] = Progress(self._tick(), self._placements.get(deployment_id), values)
        self.wake(key, LISTS)

    def _take_follow(self, entry: Mapping[str, str]) -> None:
        """Its lines are never carried along: a chatty container would fill everybody's live tail."""
        key = f"follow:{entry['follow']}"
        if key in self._by_key and self.grew(-int(entry["follow"]), int(entry["last"])):
            self.wake(key)

    def _take_usage(self, entry: Mapping[str, str]) -> None:
        key = f"follow:{entry['follow']}"
        if key in self._by_key:
            self.usage[int(entry["follow"])] = Usage(self._tick(), json.loads(entry["values"]))
            self.wake(key)

    def changed(self, noun: str, object_id: int, placement_id: int | None = None) -> None:
        """A row moved."""
        if noun == "user":
            self._look_again_at_rights(object_id)
            return
        if noun == "deployment":
            self.progress.pop(object_id, None)  # a new step begins, or the run has ended
            self._remember_placement(object_id, placement_id)
        self.changes.append(Change(self._tick(), noun, object_id, placement_id))
        keys = [f"{noun}:{object_id}", LISTS]
        if placement_id:
            keys.append(f"placement:{placement_id}")
        self.wake(*keys)

    def _remember_placement(self, deployment_id: int, placement_id: int | None) -> None:
        if placement_id is None:
            return
        self._placements[deployment_id] = placement_id
        while len(self._placements) > CHANGES_KEPT:
            self._placements.pop(next(iter(self._placements)))

    def _look_again_at_rights(self, user_id: int) -> None:
        for viewer in self.viewers:
            if viewer.rights.user_id == user_id:
                viewer.check_rights_now()

    def grew(self, target_id: int, last: int) -> bool:
        """Note a target's newest line; True when that is news."""
        if last <= self._newest.get(target_id, 0):
            return False
        self._newest[target_id] = last
        return True

    # what is read

    def newest(self, target_id: int) -> int:
        """The newest line that is known to exist."""
        return self._newest.get(target_id, 0)

    def held(self, target_id: int, line: int) -> Entry | None:
        """The ring's entry that begins at line + 1, or None."""
        ring = self._rings.get(target_id)
        return ring.after(line) if ring else None

    async def recorded(self, target_id: int, line: int) -> list[Entry]:
        """The record after a line; viewers that need the same piece share one read."""
        key = (target_id, line)
        fill = self._fills.get(key)
        if fill is None:
            fill = asyncio.get_running_loop().create_task(reads.in_database(reads.lines_after, target_id, line))
            self._fills[key] = fill
            fill.add_done_callback(lambda _: self._fills.pop(key, None))
        return await asyncio.shield(fill)

    def _tick(self) -> int:
        self.serial = next(self._serials)
        return self.serial


def _keys(viewer: "Viewer") -> Iterable[str]:
    yield from viewer.asked.keys
    if viewer.asked.lists:
        yield LISTS
