"""How this process comes to hold one thing alone: it claims one after the other, and makes room for what needs it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments import solitude
from deployments.claims import Claim

ROOM_SECONDS: Final = 60.0


class Claiming:
    """One a process. `now` is in monotonic seconds.

    Where a Target that must be alone comes while others are held, nothing new is taken for a minute, so that those come to
    their end and it has its turn; then others have theirs, for as long again. Hints that are declined come again.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._room_for, self._since = 0, 0.0

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """What is claimed is held, and seen to be held, before the next is asked for."""
        with self._lock:
            yield

    def claim_target(self, target_id: int, claim: Callable[[], Claim | None], *, busy: bool) -> Claim | None:
        """Claim it, unless room is being made for another; `busy`: this process holds something."""
        with self._lock:
            if self._makes_room_for_another(target_id):
                return None
            claimed = claim()
            if claimed is None and busy and solitude.waits_to_be_alone(target_id):
                self._make_room(target_id)
            return claimed

    def _make_room(self, target_id: int) -> None:
        if target_id != self._room_for or self._now() - self._since >= 2 * ROOM_SECONDS:
            self._room_for, self._since = target_id, self._now()

    def _makes_room_for_another(self, target_id: int) -> bool:
        if self._room_for in (0, target_id) or self._now() - self._since >= ROOM_SECONDS:
            return False
        if solitude.waits_to_be_alone(self._room_for):
            return True
        self._room_for = 0  # somebody has it
        return False
