"""Engine events → log, steps and live tail. Numbers, masks and batches; the database is the record, Redis the live tail.

The engine's thread calls `record` and `flush`; the process's `Flusher` calls `tick` some twenty times a second, since the engine may be waiting.
Each write carries the fence. When one finds that the Target is no longer ours, `lost` is told and nothing is written any more.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

import structlog
from django.db import connection
from django.db.models.functions import Now

from deployments.database import is_away
from deployments.models import Target
from worker import record_store
from worker.clock import DatabaseClock
from worker.engine.errors import LeaseLost
from worker.engine.events import (
    Built,
    Ended,
    Event,
    Finding,
    Gap,
    Line,
    Mutated,
    Observed,
    Progress,
    Published,
    StepEnded,
    StepKey,
    StepStarted,
    Verdict,
    Wrote,
)
from worker.live_tail import LiveTail
from worker.log_buffer import LogBuffer, pieces
from worker.measured import measured
from worker.patience import MAY_BE_AWAY, RETRY_SECONDS, patiently
from worker.record_store import Batch, StepClosed, StepMoved, StepOpened
from worker.redact import Masker

log = structlog.get_logger(__name__)

PUBLISH_SECONDS = 0.1
STORE_SECONDS = 1.0
_LEVELS = {Verdict.SUCCEEDED: "good", Verdict.CANCELLED_UNTOUCHED: "warn", Verdict.CANCELLED_RESTORED: "warn"}


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
        self._tail, self._patience, self._tell_lost = tail, patience, lost
        self._buffer_lock, self._write_lock = threading.Lock(), threading.Lock()
        columns = (
            "deployment_id",
            "placement_id",
            "last_line",
            "log_bytes",
            "log_cut_at",
            "gap_seconds",
            "attempts",
            "heard",
        )
        asked_at = time.monotonic()
        target = Target.objects.annotate(now=Now()).values(*columns, "now").get(pk=target_id)
        self._deployment, self._placement = target["deployment_id"], target["placement_id"]
        is_cut = target["log_cut_at"] is not None
        clock = DatabaseClock(target["now"], asked_at)
        self._buffer = LogBuffer(masker, clock, target["last_line"], target["log_bytes"], is_cut=is_cut)
        self._buffer.heard(record_store.lines_heard(target_id, target["heard"]))
        self._writing: Batch | None = None
        self._open: StepKey | None = None
        self._observed_in: StepKey | None = None
        self._progress: Progress | None = None
        self._published_at = self._stored_at = self._failed_at = 0.0
        self._is_lost = False
        # what the run's end needs to know
        self.ended: dict[str, Any] | None = None
        self.observed: dict[str, Any] | None = None
        self.published: list[list[Any]] = []
        self.gap: float | None = target["gap_seconds"]  # what earlier attempts measured was time without service, too
        self.built: dict[str, Any] | None = None
        self.touched = False
        if target["attempts"] > 1:
            record_store.break_off_earlier(target_id, fence, self._buffer.now())

    # what the engine's thread calls

    def record(self, event: Event) -> None:
        """Take one event. `Mutated` waits until it is stored: from there on an interruption asks for care. So does a gap: what
        tells of it on the server is removed next.
        """
        if isinstance(event, Wrote):
            self._take_output(event)
        else:
            with self._buffer_lock:
                self._take(event)
        if isinstance(event, Mutated) or (isinstance(event, Gap) and event.seconds):
            self.flush()
        elif self._buffer.is_full:
            self._write_patiently()
        self._publish_progress()

    def say(self, text: str, level: str = "info") -> None:
        """A line of Estiva's own."""
        with self._buffer_lock:
            self._buffer.line(text, "estiva", level)

    def fail_open_step(self, message: str) -> None:
        """Close the step that was broken off in the middle: this attempt was the last."""
        self.end_open_step("bad", message)

    def end_open_step(self, result: Literal["bad", "cancelled"], message: str) -> None:
        """Close the step that is open, if one is."""
        if self._open is not None:
            self.record(StepEnded(self._open, result, message))

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
        except MAY_BE_AWAY as error:
            if not is_away(error):
                raise
            connection.close()
            self._failed_at = time.monotonic()
            log.warning("log not stored yet", target=self.target_id, error=str(error).strip())
        self._publish_progress()

    # taking in

    def _take_output(self, event: Wrote) -> None:
        """Masked before the lock is taken: the one Flusher of all Targets waits for it."""
        last = event.last - len(event.lines)
        for piece in pieces(event.lines):
            finished, last = self._buffer.finished(piece), last + len(piece)
            with self._buffer_lock:
                self._buffer.add(finished)
                if event.container:
                    self._buffer.heard({event.container: last})
            if self._buffer.is_full:
                self._write_patiently()

    def _take(self, event: Event) -> None:
        match event:
            case Line():
                self._buffer.line(event.text, event.stream, event.level)
            case Progress():
                self._progress = event
            case StepStarted():
                self._open_step(event)
            case StepEnded():
                self._close_step(event)
            case Finding():
                self._finding(event)
            case Mutated():
                self._buffer.touch()
                self.touched = True
            case Gap() | Observed() | Built() | Published():
                self._keep(event)
            case Ended():
                self._buffer.line(f"{event.what} {event.why}".strip(), "estiva", _LEVELS.get(event.verdict, "bad"))
                self.ended = {key: self._buffer.clean(value) for key, value in asdict(event).items()}

    def _keep(self, event: Gap | Observed | Built | Published) -> None:
        """For the run's end."""
        match event:
            case Gap():
                known = self.gap or 0.0
                self.gap = max(known, event.seconds) if event.whole else known + event.seconds
                self._buffer.without_service(self.gap)
            case Observed(service=""):
                self.observed, self.published = asdict(event), [list(each) for each in event.published]
            case Observed():
                self._keep_service(event)
            case Built():
                self.built = asdict(event)
            case Published():
                self.built = {**(self.built or {}), **asdict(event)}

    def _keep_service(self, event: Observed) -> None:
        """A Compose application has one for each container; those of a later step, as of a restoration, replace the others."""
        if self._observed_in != self._open:
            self._observed_in, self.observed, self.published = self._open, {"containers": []}, []
        self.observed = self.observed or {"containers": []}
        self.observed["containers"].append(asdict(event))
        self.published += [list(each) for each in event.published if list(each) not in self.published]

    def _open_step(self, event: StepStarted) -> None:
        self._buffer.step = self._open = event.step
        self._progress = None
        self._buffer.change(StepOpened(event.step, self._buffer.now(), self._buffer.next_line))

    def _close_step(self, event: StepEnded) -> None:
        self._store_progress(force=True)
        self._open = self._progress = None
        if event.result == "bad" and event.message:
            self._buffer.line(event.message, "estiva", "bad")  # the log alone must tell why a step failed
        message = self._buffer.clean(event.message)
        self._buffer.change(StepClosed(event.step, self._buffer.now(), event.result, message))

    def _finding(self, event: Finding) -> None:
        level = {"good": "good", "warn": "warn", "bad": "bad", "unknown": "warn"}[event.result]
        self._buffer.line(event.message, "estiva", level)
        if event.remedy:
            self._buffer.line(event.remedy, "estiva", level)

    def _store_progress(self, *, force: bool) -> None:
        now, progress = time.monotonic(), self._progress
        if progress is None or not (force or now - self._stored_at >= STORE_SECONDS):
            return
        self._stored_at = now
        change = StepMoved(progress.step, progress.done, progress.total, self._buffer.clean(progress.label)[:200])
        self._buffer.change(change)

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
                self._measure(batch)
                self._tell(batch, lines)

    def _measure(self, batch: Batch) -> None:
        if batch.lines:
            measured.took("log_lag_seconds", time.monotonic() - batch.since)
            measured.count("log_lines", by=len(batch.lines))

    def _tell(self, batch: Batch, lines: str) -> None:
        if batch.lines:
            self._tail.lines(self.target_id, self._deployment, batch.first, batch.last, lines)
        if any(not isinstance(step, StepMoved) for step in batch.steps):
            self._tail.changed("deployment", self._deployment, self._placement)

    def _next_batch(self) -> Batch | None:
        """The one that failed before goes first, as it was: its numbers are taken."""
        if self._writing is None:
            with self._buffer_lock:
                self._writing = self._buffer.take()
        return self._writing

    def _publish_progress(self) -> None:
        progress, now = self._progress, time.monotonic()
        if progress is None or now - self._published_at < PUBLISH_SECONDS:
            return
        self._published_at = now
        self._tail.progress(self.target_id, self._deployment, progress, self._buffer.clean(progress.label)[:200])

    def _give_up(self) -> None:
        self._is_lost = True
        self._tell_lost()
