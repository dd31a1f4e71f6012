"""The lines of a followed container on their way to the viewers: timed, masked, numbered, and never more than can be read."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from deployments.live import LogLine, encode_lines
from worker.engine.container_host import LogLine as Written
from worker.log_text import finished_line
from worker.redact import Masker

STEP: Final = "runtime"
PER_SECOND: Final = 500
BURST: Final = 5_000
BATCH: Final = 400
_STAMPED: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")

Send = Callable[[int, int, str], bool]


class Journal:
    """One follow's lines. `send(first, last, lines)` puts a batch out; `now` in seconds and only goes forward.

    Up to `BURST` lines pass at once and `PER_SECOND` for long; what exceeds that is counted and said in a line of its own.
    """

    def __init__(
        self, masker: Masker, send: Send, now: Callable[[], float], *, most_lines: int, most_bytes: int
    ) -> None:
        self._masker, self._send, self._now = masker, send, now
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._allowance, self._refilled = float(BURST), now()
        self._batch: list[LogLine] = []
        self._last_ms = 0
        self.written = self.size = self.skipped = 0

    @property
    def is_full(self) -> bool:
        """As much was shown as may be."""
        return self.written >= self._most_lines or self.size >= self._most_bytes

    def add(self, lines: Iterable[Written]) -> None:
        """What the container wrote, each line with its time before it."""
        self._refill()
        for line in lines:
            if self.is_full:
                return
            if self._allowance < 1:
                self.skipped += 1
                continue
            self._allowance -= 1
            self._say_skipped()
            moment, text = stamped(line.text)
            self._last_ms = moment or self._last_ms
            self._append(finished_line(text, self._masker), line.stream, "info")

    def say(self, text: str, level: str = "info") -> None:
        """A line of Estiva's own; there is always room for one."""
        self._say_skipped()
        self._append(text, "estiva", level)

    def flush(self) -> bool:
        """Send what waits; False when it could not be sent."""
        while self._batch:
            part, self._batch = self._batch[:BATCH], self._batch[BATCH:]
            if not self._send(part[0].number, part[-1].number, encode_lines(part)):
                return False
        return True

    def _say_skipped(self) -> None:
        if self.skipped:
            count, self.skipped = self.skipped, 0
            self._append(f"… {count:,} lines are not shown: it writes faster than can be read.", "estiva", "warn")

    def _append(self, text: str, stream: str, level: str) -> None:
        self.written += 1
        self.size += len(text.encode())
        self._batch.append(LogLine(self.written, self._last_ms, STEP, stream, text, level))

    def _refill(self) -> None:
        now = self._now()
        self._allowance = min(float(BURST), self._allowance + (now - self._refilled) * PER_SECOND)
        self._refilled = now


def stamped(text: str) -> tuple[int, str]:
    """A line's time in milliseconds since the epoch (0 when it has none), and the line without it."""
    found = _STAMPED.match(text)
    if found is None:
        return 0, text
    zone = "+00:00" if found[3] == "Z" else found[3]
    moment = datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:0<6}{zone}")
    return int(moment.timestamp() * 1000), text[found.end() :]


def percent(before: tuple[float, int], after: tuple[float, int]) -> float:
    """The share of one processor between two samples `(seconds, CPU nanoseconds)`, in percent."""
    seconds = after[0] - before[0]
    return round(max(0.0, (after[1] - before[1]) / 1e9 / seconds * 100), 1) if seconds > 0 else 0.0
