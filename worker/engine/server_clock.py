"""The server's own times, on our clock: what happened there while nobody of us looked."""

from datetime import datetime

from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError


def on_our_clock(host: ContainerHost, moment: str) -> float | None:
    """`host.now()` at a moment that the server tells (RFC 3339); None where its times aren't known."""
    return ServerClock(host).ours(moment)


class ServerClock:
    """How a server's clock stands to ours; asked once."""

    def __init__(self, host: ContainerHost) -> None:
        self._host = host
        try:
            self._there: datetime | None = datetime.fromisoformat(_short(host.facts().server_time))
        except (HostError, ValueError):
            self._there = None
        self._here = host.now()

    def ours(self, moment: str) -> float | None:
        """As `on_our_clock`."""
        try:
            at = datetime.fromisoformat(_short(moment))
            return None if self._there is None else self._here - max(0.0, (self._there - at).total_seconds())
        except (ValueError, TypeError):  # not told, not a time, or one with and one without a zone
            return None


def seconds_between(earlier: str, later: str) -> float | None:
    """Between two moments that one server tells; None where either isn't told. Negative where they are the other way round."""
    try:
        return (datetime.fromisoformat(_short(later)) - datetime.fromisoformat(_short(earlier))).total_seconds()
    except (ValueError, TypeError):
        return None


def _short(moment: str) -> str:
    """RFC 3339 with nanoseconds as Python reads it: six decimals at most."""
    head, dot, tail = moment.partition(".")
    digits = tail.rstrip("Z").partition("+")[0].partition("-")[0]
    return f"{head}{dot}{digits[:6]}{tail[len(digits) :]}"
