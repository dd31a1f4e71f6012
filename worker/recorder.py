"""Engine events → log, steps and live tail. Numbers, masks and batches; the database is the record, Redis the live tail.

The engine's thread calls `record` and `flush`; the process's `Flusher` calls `tick` every 50 ms, since the engine may be waiting.
Each write carries the fence. When one finds that the Target is no longer ours, `lost` is told and nothing is written any more.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from deployments.live import LogLine
from deployments.models import Target
from worker import record_store
from worker.clock import DatabaseClock
from worker.engine.errors import LeaseLost
from worker.engine.events import (
    Ended,
    Event,
    Finding,
    Gap,
    Line,
    Mutated,
    Observed,
    Progress,
    StepEnded,
    StepKey,
    StepStarted,
    Verdict,
)
from worker.live_tail import LiveTail
from worker.log_text import finished_line, storable
from worker.patience import AWAY, RETRY_SECONDS, patiently
from worker.record_store import Batch, StepClosed, StepMoved, StepOpened
from worker.redact import Masker

log = structlog.get_logger(__name__)

PUBLISH_SECONDS = 0.1
STORE_SECONDS = 1.0
BATCH_LINES, BATCH_BYTES = (
    400,
    64_000,
)  # more than this waiting makes the engine's thread write, so that memory stays bounded
_LEVELS = {Verdict.SUCCEEDED: "good", Verdict.CANCELLED_UNTOUCHED: "warn", Verdict.CANCELLED_RESTORED: "warn"}
FULL = "From here on only Estiva's own lines are kept: the log has reached its limit of {limit} MB."


class Recorder:
    """Writes down one Target's attempt.

    `patience` tells how many seconds the lease surely lasts: as long as the database is away, writing waits that long,
    then gives up with `LeaseLost`. `lost` is called when a write finds that the Target is no longer ours.
    """

    def __init__(
        self,
        target_id: int,
        fence: int,
        masker: Masker,
        *,
        tail: LiveTail,
        patience: Callable[[], float],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.target_id, self.fence = target_id, fence
        self._masker, self._tail, self._patience, self._tell_lost = masker, tail, patience, lost
        self._buffer_lock, self._write_lock = threading.Lock(), threading.Lock()
        self._clock = DatabaseClock.read()
        target = Target.objects.values("deployment_id", "placement_id", "last_line", "log_bytes", "log_cut_at").get(
            pk=target_id
        )
        self._deployment, self._placement = target["deployment_id"], target["placement_id"]
        self._batch = Batch(first=target["last_line"] + 1)
        self._writing: Batch | None = None
        self._size, self._cut = target["log_bytes"], target["log_cut_at"] is not None
        self._step: str = "connect"
        self._open: StepKey | None = None
        self._progress: Progress | None = None
        self._published_at = self._stored_at = self._failed_at = 0.0
        self._is_lost = False
        # what the run's end needs to know
        self.ended: dict[str, Any] | None = None
        self.observed: dict[str, Any] | None = None
        self.published: list[list[Any]] = []
        self.gap: float | None = None
        self.touched = False
        record_store.break_off_earlier(target_id, fence, self._clock.now())

    # what the engine's thread calls

    def record(self, event: Event) -> None:
        """Take one event. Only `Mutated` waits until it is stored: from there on an interruption asks for care."""
        with self._buffer_lock:
            self._take(event)
            full = len(self._batch.lines) >= BATCH_LINES or self._batch.size >= BATCH_BYTES
        if isinstance(event, Mutated):
            self.flush()
        elif full:
            self._write_patiently()
        self._publish_progress()

    def say(self, text: str, level: str = "info") -> None:
        """A line of Estiva's own."""
        with self._buffer_lock:
            self._line(text, "estiva", level)

    def fail_open_step(self, message: str) -> None:
        """Close the step that was broken off in the middle: this attempt was the last."""
        if self._open is not None:
            self.record(StepEnded(self._open, "bad", message))

    def flush(self) -> None:
        """Return when all that was recorded is stored; `LeaseLost` when it can't be."""
        with self._buffer_lock:
            self._store_progress(force=True)
        self._write_patiently()

    @property
    def deployment_id(self) -> int:
        """Whose log this is."""
        return int(self._deployment)

    # what the Flusher's thread calls

    def tick(self) -> None:
        """Write what is waiting; a database that is away is tried again later."""
        if self._is_lost or time.monotonic() - self._failed_at < RETRY_SECONDS:
            return
        with self._buffer_lock:
            self._store_progress(force=False)
        try:
            self._write()
        except LeaseLost:
            self._give_up()
        except AWAY as error:
            connection.close()
            self._failed_at = time.monotonic()
            log.warning("log not stored yet", target=self.target_id, error=str(error).strip())
        self._publish_progress()

    # taking in

    def _take(self, event: Event) -> None:
        match event:
            case Line():
                self._line(event.text, event.stream, event.level)
            case Progress():
                self._progress = event
            case StepStarted():
                self._open_step(event)
            case StepEnded():
                self._close_step(event)
            case Finding():
                self._finding(event)
            case Mutated():
                self._batch.touched = self.touched = True
            case Gap():
                self.gap = (self.gap or 0.0) + event.seconds
            case Observed():
                self.observed, self.published = asdict(event), [list(each) for each in event.published]
            case Ended():
                self._line(f"{event.what} {event.why}".strip(), "estiva", _LEVELS.get(event.verdict, "bad"))
                self.ended = {key: self._clean(value) for key, value in asdict(event).items()}

    def _line(self, text: str, stream: str, level: str) -> None:
        if self._cut and stream != "estiva":
            return
        for each in text.split("\n"):
            self._append(finished_line(each, self._masker), stream, level)
        if self._size > settings.ESTIVA_LOG_LIMIT_BYTES and not self._cut:
            self._cut = True
            self._batch.cut_at = self._batch.last
            self._append(FULL.format(limit=settings.ESTIVA_LOG_LIMIT_BYTES // 1_000_000), "estiva", "warn")

    def _append(self, text: str, stream: str, level: str) -> None:
        number = self._batch.last + 1
        self._batch.lines.append(LogLine(number, self._clock.milliseconds(), self._step, stream, text, level))
        size = len(text.encode())
        self._batch.size += size
        self._size += size

    def _open_step(self, event: StepStarted) -> None:
        self._step, self._open, self._progress = event.step, event.step, None
        self._batch.steps.append(StepOpened(event.step, self._clock.now(), self._batch.last + 1))

    def _close_step(self, event: StepEnded) -> None:
        self._store_progress(force=True)
        self._open = self._progress = None
        if event.result == "bad" and event.message:
            self._line(event.message, "estiva", "bad")  # the log alone must tell why a step failed
        message = self._masker.mask(storable(event.message))
        self._batch.steps.append(StepClosed(event.step, self._clock.now(), event.result, message))

    def _finding(self, event: Finding) -> None:
        level = {"good": "good", "warn": "warn", "bad": "bad", "unknown": "warn"}[event.result]
        self._line(event.message, "estiva", level)
        if event.remedy:
            self._line(event.remedy, "estiva", level)

    def _store_progress(self, *, force: bool) -> None:
        now, progress = time.monotonic(), self._progress
        if progress is None or not (force or now - self._stored_at >= STORE_SECONDS):
            return
        self._stored_at = now
        change = StepMoved(progress.step, progress.done, progress.total, self._clean(progress.label)[:200])
        if change not in self._batch.steps:
            self._batch.steps.append(change)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masker.mask(storable(value))
        if isinstance(value, tuple | list):
            return [self._clean(each) for each in value]
        return value

    # writing and publishing

    def _write_patiently(self) -> None:
        try:
            patiently(self._write, self._patience)
        except LeaseLost:
            self._give_up()
            raise
        finally:
            connection.close()  # the engine's thread may not write again for minutes

    def _write(self) -> None:
        """Write all that waits and tell the viewers, in order: one writer at a time."""
        with self._write_lock:
            if self._is_lost:
                raise LeaseLost(f"Target {self.target_id} is no longer held.")
            while (batch := self._next_batch()) is not None:
                lines = record_store.write(self.target_id, self.fence, batch)
                self._writing = None
                self._tell(batch, lines)

    def _tell(self, batch: Batch, lines: str) -> None:
        if batch.lines:
            self._tail.lines(self.target_id, self._deployment, batch.first, batch.last, lines)
        if any(not isinstance(step, StepMoved) for step in batch.steps):
            self._tail.changed("deployment", self._deployment, self._placement)

    def _next_batch(self) -> Batch | None:
        """The one that failed before goes first, as it was: its numbers are taken."""
        if self._writing is None:
            with self._buffer_lock:
                if self._batch.empty:
                    return None
                self._writing = self._batch
                self._batch = Batch(first=self._writing.last + 1)
        return self._writing

    def _publish_progress(self) -> None:
        progress, now = self._progress, time.monotonic()
        if progress is None or now - self._published_at < PUBLISH_SECONDS:
            return
        self._published_at = now
        self._tail.progress(self.target_id, self._deployment, progress, self._clean(progress.label)[:200])

    def _give_up(self) -> None:
        self._is_lost = True
        self._tell_lost()
