"""The live tail's sender. Redis being away costs nothing but liveness: viewers fill the gap from the database."""

import time

from deployments import live, queue
from worker.engine.events import Progress
from worker.measured import measured

PAUSE_SECONDS = 3.0


class LiveTail:
    """Sends wake entries; after a failure it rests a few seconds, so that a dead Redis doesn't slow a deploy down."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    def lines(self, target_id: int, deployment_id: int, first: int, last: int, encoded: str) -> None:
        """Lines `first…last` of a Target are stored."""
        self._send(live.wake_log(target_id, deployment_id, first, last, encoded))

    def progress(self, target_id: int, deployment_id: int, progress: Progress, label: str) -> None:
        """How far a step is."""
        self._send(live.wake_progress(target_id, deployment_id, progress.step, progress.done, progress.total, label))

    def changed(self, noun: str, object_id: int, placement_id: int | None = None) -> None:
        """A row moved."""
        self._send(live.wake_changed(noun, object_id, placement_id))

    def _send(self, entry: dict[str, str]) -> None:
        rests = time.monotonic() < self._rests_until
        sent = not rests and queue.publish(entry)
        if not sent and not rests:
            self._rests_until = time.monotonic() + PAUSE_SECONDS
        measured.count("live_entries", "sent" if sent else "dropped")
