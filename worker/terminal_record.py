"""What a terminal's program writes, on its way into the record and to who looks: decoded, masked, numbered, fenced.

It is on record before anybody sees it. A piece is what came at once, at most `PIECE_CHARACTERS`; colours and moves stay in it.
"""

import codecs
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from deployments import live, queue
from deployments.live import LogLine, encode_lines
from deployments.models import Operation, Terminal, TerminalChunk
from deployments.queries.terminals import OUTPUT, SIZE
from deployments.states import OperationStatus
from deployments.terminals import MOST_BYTES
from worker.clock import DatabaseClock
from worker.engine.errors import LeaseLost
from worker.log_text import storable
from worker.patience import patiently
from worker.redact import Masker

STEP: Final = "terminal"
PIECE_CHARACTERS: Final = 2_000
BATCH_SECONDS: Final = 0.05
"""Between two writes: a person sees no delay, and whoever pours out text fills no table with crumbs."""

HOLD_SECONDS: Final = 0.04
HOLD_MOST: Final = 3
"""Characters that could begin a secret are shown all the same, after a moment in which nothing followed them: so many, no more.
Else whoever types would see nearly every letter late."""


class TerminalRecord:
    """One attempt's writer. `patience` tells for how many seconds the lease surely lasts."""

    def __init__(self, terminal: Terminal, fence: int, masker: Masker, patience: Callable[[], float]) -> None:
        self._id, self._fence, self._masker, self._patience = terminal.pk, fence, masker, patience
        self._last, self.size = terminal.last_piece, terminal.record_bytes
        self._clock, self._stream = DatabaseClock.read(), masker.stream()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[LogLine] = []
        self._fresh_bytes = 0
        self._written_at = self._fed_at = time.monotonic()

    @property
    def is_full(self) -> bool:
        """No more is kept, so no more may happen."""
        return self.size + self._fresh_bytes >= MOST_BYTES

    @property
    def due_in(self) -> float:
        """Seconds until there is something to write; a long time while there is nothing."""
        now = time.monotonic()
        if self._pieces:
            return max(0.0, self._written_at + BATCH_SECONDS - now)
        return max(0.0, self._fed_at + HOLD_SECONDS - now) if self._stream.is_holding else 60.0

    def wrote(self, data: bytes, *, final: bool = False) -> None:
        """Take in what the program wrote; `final` when nothing comes after it."""
        if data or final:
            self._fed_at = time.monotonic()
            self._add(self._stream.feed(storable(self._decoder.decode(data, final))))
        if final:
            self._add(self._stream.flush())

    def sized(self, columns: int, rows: int) -> None:
        """The screen has this size from here on."""
        self._number(f"{columns}x{rows}", SIZE)

    def said(self, text: str) -> None:
        """A line of Estiva's own."""
        self._number(text, "estiva")

    def flush_if_due(self) -> None:
        """Write what waits, if it has waited long enough."""
        if self._stream.is_holding and time.monotonic() >= self._fed_at + HOLD_SECONDS:
            self._add(self._stream.let_go(HOLD_MOST))
        if self._pieces and self.due_in <= 0:
            self.flush()

    def flush(self, **columns: Any) -> None:
        """Write what waits, and these columns of the terminal with it; `LeaseLost` when it isn't ours any more."""
        pieces, encoded = self._pieces, encode_lines(self._pieces)
        try:
            patiently(lambda: self._write(pieces, encoded, columns), self._patience)
        finally:
            connection.close()  # it may be minutes until the next
        if pieces:
            self._last = pieces[-1].number
            queue.publish(live.wake_log(-self._id, -self._id, pieces[0].number, self._last, encoded))
        self.size += self._fresh_bytes
        self._pieces, self._fresh_bytes = [], 0
        self._written_at = time.monotonic()

    def clean(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Without secrets."""
        return {key: self._masker.mask(value) if isinstance(value, str) else value for key, value in told.items()}

    def _add(self, text: str) -> None:
        for at in range(0, len(text), PIECE_CHARACTERS):
            piece = text[at : at + PIECE_CHARACTERS]
            self._fresh_bytes += len(piece.encode())
            self._number(piece, OUTPUT)

    def _number(self, text: str, stream: str) -> None:
        number = self._last + len(self._pieces) + 1
        self._pieces.append(LogLine(number, self._clock.milliseconds(), STEP, stream, text))

    def _write(self, pieces: list[LogLine], encoded: str, columns: Mapping[str, Any]) -> None:
        """All or nothing; may be repeated where the answer of a commit was lost."""
        held = Operation.objects.filter(
            pk=self._id, fence=self._fence, status=OperationStatus.RUNNING, lease_until__gt=Now()
        )
        with transaction.atomic():
            if not held.select_for_update(no_key=True).exists():
                raise LeaseLost(f"Terminal {self._id} is no longer held with fence {self._fence}.")
            rows = Terminal.objects.filter(pk=self._id)
            if pieces and rows.values_list("last_piece", flat=True).get() == pieces[-1].number:
                return
            if pieces:
                TerminalChunk.objects.create(
                    terminal_id=self._id,
                    first_line=pieces[0].number,
                    last_line=pieces[-1].number,
                    fence=self._fence,
                    lines=encoded,
                )
                columns = {**columns, "last_piece": pieces[-1].number}
            rows.update(record_bytes=F("record_bytes") + self._fresh_bytes, **columns)
