"""Time as the database has it: workers on many machines write into one log, and their clocks disagree."""

import time
from datetime import datetime, timedelta

from deployments import clock


class DatabaseClock:
    """The database's time, read once and carried on by this machine's monotonic clock."""

    def __init__(self, base: datetime, monotonic: float) -> None:
        self._base, self._monotonic = base, monotonic
        self._offset = base.timestamp() - monotonic  # for those who ask very often

    @classmethod
    def read(cls) -> "DatabaseClock":
        """One query."""
        monotonic = time.monotonic()
        return cls(clock.now(), monotonic)

    def now(self) -> datetime:
        """The time, with time zone."""
        return self._base + timedelta(seconds=time.monotonic() - self._monotonic)

    def milliseconds(self) -> int:
        """Since the epoch, as log lines carry it."""
        return int((self._offset + time.monotonic()) * 1000)
