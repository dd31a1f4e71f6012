"""What waits to be written: lines numbered, cut and masked as they come, and the steps' changes in their order."""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from deployments.live import LogLine
from worker.clock import DatabaseClock
from worker.engine.container_host import LogLine as Written
from worker.log_text import finished_line, storable
from worker.record_store import Batch, StepChange
from worker.redact import Masker

FULL: Final = "From here on only Estiva's own lines are kept: the log has reached its limit of {limit} MB."
BATCH_LINES: Final = 2_000
BATCH_BYTES: Final = 256_000
"""More than this and whoever records waits until it is written: the Flusher, which takes all that waits, doesn't keep up."""


Finished = tuple[str, str]
"""Stream and text of a line that is masked and cut."""


def pieces(lines: Sequence[Written]) -> Iterator[Sequence[Written]]:
    """All of them, in pieces that fill a batch at most."""
    begin = size = 0
    for at, each in enumerate(lines):
        size += len(each.text)
        if size >= BATCH_BYTES or at + 1 - begin == BATCH_LINES:
            yield lines[begin : at + 1]
            begin, size = at + 1, 0
    if begin < len(lines):
        yield lines[begin:]


class LogBuffer:
    """One Target's lines since the last write. `last_line`, `size` (bytes) and `is_cut` are where the log stands so far."""

    def __init__(self, masker: Masker, clock: DatabaseClock, last_line: int, size: int, *, is_cut: bool) -> None:
        self._masker, self._clock = masker, clock
        self._batch = Batch(first=last_line + 1)
        self._size, self._cut = size, is_cut
        self._heard: dict[str, int] = {}
        self.step = "connect"

    def now(self) -> datetime:
        """By the database's clock."""
        return self._clock.now()

    @property
    def next_line(self) -> int:
        """The number that the next line will have."""
        return self._batch.last + 1

    @property
    def is_full(self) -> bool:
        """More waits than should: somebody has to write."""
        return len(self._batch.lines) >= BATCH_LINES or self._batch.size >= BATCH_BYTES

    def line(self, text: str, stream: str, level: str) -> None:
        """One line, or several; nothing but Estiva's own words once the log is as long as it may be."""
        if self._cut and stream != "estiva":
            return
        several = [(stream, finished_line(each, self._masker)) for each in text.split("\n")]
        self.add(several, level, as_one=stream == "estiva")

    def finished(self, lines: Iterable[Written]) -> list[Finished]:
        """What a container wrote, fit to be kept: masked and cut. Changes nothing here, so it needs no lock."""
        return [] if self._cut else [(each.stream, finished_line(each.text, self._masker)) for each in lines]

    def add(self, several: Sequence[Finished], level: str = "info", *, as_one: bool = False) -> None:
        """Lines of one moment, up to the limit; `as_one`: the limit is told after the last of them.

        There are very many: what is done for each is as little as possible.
        """
        batch, step, most = self._batch, self.step, settings.ESTIVA_LOG_LIMIT_BYTES
        at, number, size = self._clock.milliseconds(), batch.last, 0
        if not batch.lines:
            batch.since = time.monotonic()
        for count, (stream, text) in enumerate(several, start=1):
            if self._cut and stream != "estiva":
                break
            number += 1
            batch.lines.append(LogLine(number, at, step, stream, text, level))
            size += len(text) if text.isascii() else len(text.encode())
            if self._size + size > most and not self._cut and (not as_one or count == len(several)):
                self._cut, batch.cut_at = True, number
                number += 1
                full = FULL.format(limit=most // 1_000_000)
                batch.lines.append(LogLine(number, at, step, "estiva", full, "warn"))
                size += len(full)
        batch.size += size
        self._size += size

    def change(self, change: StepChange) -> None:
        """A step's change, unless it's waiting already."""
        if change not in self._batch.steps:
            self._batch.steps.append(change)

    def heard(self, lines: dict[str, int]) -> None:
        """So many of their first lines these containers, by ID, have in the log with what waits."""
        self._heard |= lines

    def touch(self) -> None:
        """The server is no longer as it was found."""
        self._batch.touched = True

    def without_service(self, seconds: float) -> None:
        """So long, in all, nothing served."""
        self._batch.gap = seconds

    def take(self) -> Batch | None:
        """All that waits, to be written; None when nothing does."""
        if self._batch.empty:
            return None
        taken, self._batch = self._batch, Batch(first=self._batch.last + 1)
        taken.heard = dict(self._heard)
        return taken

    def clean(self, value: Any) -> Any:
        """Masked and fit for the database; tuples become lists."""
        if isinstance(value, str):
            return self._masker.mask(storable(value))
        if isinstance(value, tuple | list):
            return [self.clean(each) for each in value]
        return value
