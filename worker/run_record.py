"""What a one-off run says, on its way into the record: timed, masked, numbered, each write guarded by the fence.

Everything is kept up to `MOST_BYTES`; what comes after is counted as heard and dropped, and that is said once.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from deployments import live, queue
from deployments.live import LogLine, encode_lines
from deployments.models import OneOffRun, Operation, RunChunk
from deployments.states import OperationStatus
from worker.clock import DatabaseClock
from worker.engine.errors import LeaseLost
from worker.engine.events import Line
from worker.log_text import finished_line
from worker.patience import patiently
from worker.redact import Masker

STEP: Final = "run"
MOST_BYTES: Final = 5_000_000
BATCH_LINES: Final = 400
BATCH_SECONDS: Final = 0.2


class RunRecord:
    """One attempt's writer. `patience` tells for how many seconds the lease surely lasts."""

    def __init__(self, run: OneOffRun, fence: int, masker: Masker, patience: Callable[[], float]) -> None:
        self._id, self._fence, self._masker, self._patience = run.pk, fence, masker, patience
        self._last, self._size, self._is_cut = run.last_line, run.log_bytes, run.log_cut_at is not None
        self._clock = DatabaseClock.read()
        self._lines: list[LogLine] = []
        self._heard = self._fresh_bytes = 0
        self._cut_at: int | None = None
        self._written_at = time.monotonic()

    def add(self, line: Line) -> None:
        """Take one line in; it is written when it is due."""
        self._heard += line.stream != "estiva"
        text = finished_line(line.text, self._masker)
        size = len(text.encode())
        if line.stream != "estiva" and self._is_cut:
            return
        if line.stream != "estiva" and self._size + self._fresh_bytes + size > MOST_BYTES:
            self._is_cut, self._cut_at = True, self._last + len(self._lines)
            self._number(f"The first {MOST_BYTES // 1_000_000} MB are kept; what follows is not.", "estiva", "warn")
            return
        self._fresh_bytes += size
        self._number(text, line.stream, line.level)

    def flush_if_due(self) -> None:
        """Write what waits, a few times a second."""
        is_due = time.monotonic() - self._written_at >= BATCH_SECONDS or len(self._lines) >= BATCH_LINES
        if is_due and (self._lines or self._heard):
            self.flush()

    def flush(self, **columns: Any) -> None:
        """Write what waits, and these columns of the run with it; `LeaseLost` when it isn't ours any more."""
        lines, encoded = self._lines, encode_lines(self._lines)
        try:
            patiently(lambda: self._write(lines, encoded, columns), self._patience)
        finally:
            connection.close()  # it may be minutes until the next
        if lines:
            self._last = lines[-1].number
            queue.publish(live.wake_follow(self._id, self._last))
        self._size += self._fresh_bytes
        self._lines, self._heard, self._fresh_bytes, self._cut_at = [], 0, 0, None
        self._written_at = time.monotonic()

    def clean(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Without secrets."""
        return {key: self._masker.mask(value) if isinstance(value, str) else value for key, value in told.items()}

    def _number(self, text: str, stream: str, level: str) -> None:
        number = self._last + len(self._lines) + 1
        self._lines.append(LogLine(number, self._clock.milliseconds(), STEP, stream, text, level))

    def _write(self, lines: list[LogLine], encoded: str, columns: Mapping[str, Any]) -> None:
        """All or nothing; may be repeated where the answer of a commit was lost."""
        held = Operation.objects.filter(
            pk=self._id, fence=self._fence, status=OperationStatus.RUNNING, lease_until__gt=Now()
        )
        with transaction.atomic():
            if not held.select_for_update(no_key=True).exists():
                raise LeaseLost(f"Run {self._id} is no longer held with fence {self._fence}.")
            rows = OneOffRun.objects.filter(pk=self._id)
            if lines and rows.values_list("last_line", flat=True).get() == lines[-1].number:
                return
            if lines:
                RunChunk.objects.create(
                    run_id=self._id,
                    first_line=lines[0].number,
                    last_line=lines[-1].number,
                    fence=self._fence,
                    lines=encoded,
                )
                columns = {**columns, "last_line": lines[-1].number}
            if self._cut_at is not None:
                columns = {**columns, "log_cut_at": self._cut_at}
            rows.update(heard=F("heard") + self._heard, log_bytes=F("log_bytes") + self._fresh_bytes, **columns)
