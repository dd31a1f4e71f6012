"""How this process comes to hold one thing alone, and makes room for what needs it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from deployments import solitude
from deployments.claims import Claim

ROOM_SECONDS: Final = 60.0

Kind = Literal["target", "operation"]


class Claiming:
    """One a process. `now` is in monotonic seconds.

    What must be alone is claimed while nothing else is being claimed, so that each of two sees the other; all else side by
    side: a database that is far away answers each late. Where a Target that must be alone comes while others are held, nothing
    new is taken for a minute, so that those come to their end and it has its turn; then others have theirs, for as long again.
    Hints that are declined come again.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._turn = threading.Condition()
        self._side_by_side, self._is_one_alone = 0, False
        self._room_for, self._since = 0, 0.0
        self._asked: set[tuple[Kind, int]] = set()

    @contextmanager
    def asking(self, kind: Kind, object_id: int) -> Iterator[None]:
        """While no other thread asks for this one: of two that did, each could take the other's claim for its own."""
        with self._turn:
            self._turn.wait_for(lambda: (kind, object_id) not in self._asked)
            self._asked.add((kind, object_id))
        try:
            yield
        finally:
            with self._turn:
                self._asked.discard((kind, object_id))
                self._turn.notify_all()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """While what is within is claimed, nothing is that must be alone."""
        with self._turn:
            self._turn.wait_for(lambda: not self._is_one_alone)
            self._side_by_side += 1
        try:
            yield
        finally:
            with self._turn:
                self._side_by_side -= 1
                self._turn.notify_all()

    def claim_target(self, target_id: int, claim: Callable[[], Claim | None], *, busy: bool) -> Claim | None:
        """Claim it, unless room is being made for another; `busy`: this process holds something."""
        if self._makes_room_for_another(target_id):
            return None
        if not solitude.waits_to_be_alone(target_id):
            with self.beside_others():
                return claim()
        with self._one_alone():
            claimed = claim()
        if claimed is None and busy and solitude.waits_to_be_alone(target_id):
            self._make_room(target_id)
        return claimed

    @contextmanager
    def _one_alone(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._is_one_alone)
            self._is_one_alone = True  # whoever comes now waits
            self._turn.wait_for(lambda: not self._side_by_side)
        try:
            yield
        finally:
            with self._turn:
                self._is_one_alone = False
                self._turn.notify_all()

    def _make_room(self, target_id: int) -> None:
        with self._turn:
            if target_id != self._room_for or self._now() - self._since >= 2 * ROOM_SECONDS:
                self._room_for, self._since = target_id, self._now()

    def _makes_room_for_another(self, target_id: int) -> bool:
        with self._turn:
            waits, since = self._room_for, self._since
        if waits in (0, target_id) or self._now() - since >= ROOM_SECONDS:
            return False
        if solitude.waits_to_be_alone(waits):
            return True
        with self._turn:
            if self._room_for == waits:
                self._room_for = 0  # somebody has it
        return False
