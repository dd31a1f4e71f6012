"""What a command in a container of its own writes, each line once."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from worker.engine.container_host import Follow
from worker.engine.errors import HostError, NotFound
from worker.engine.events import Event, Line, Wrote
from worker.engine.run import Run, Steps

_REST_SECONDS: Final = 5.0
_REOPEN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Looked:
    """Nothing new; the caller may see to what it holds."""


class Output:
    """What it writes, each line once: those that are on record already are passed over."""

    def __init__(self, run: Run, heard: int) -> None:
        self._run, self._heard = run, heard
        self._skip = 0
        self._follow: Follow | None = None
        self._reopen_at = float("-inf")
        self._is_refused = False

    def fresh(self, name: str) -> Steps:
        """What came since; a stream that broke off is opened again."""
        if self._follow is None and self._run.host.now() >= self._reopen_at:
            yield from self._open(name)
        yield from self._take()
        if self._follow is not None and self._follow.ended:
            yield from self._take()
            self.close()

    def rest(self, name: str) -> Generator[Event | Looked, None, None]:
        """Its last lines: the stream ends soon after the container."""
        host = self._run.host
        if self._follow is None:
            yield from self._open(name)
        until = host.now() + _REST_SECONDS
        while self._follow is not None and not self._follow.ended:
            before = (self._heard, self._skip)
            yield from self._take()
            if (self._heard, self._skip) != before:
                until = host.now() + _REST_SECONDS
            if host.now() >= until:
                yield Line("The stream of its output does not end; last lines may be missing.", level="warn")
                break
            yield Looked()
            host.wait(0.05)
        yield from self._take()

    def close(self) -> None:
        """Stop following."""
        if self._follow is not None:
            self._follow.close()
            self._follow = None

    def _open(self, name: str) -> Steps:
        self.close()
        if self._is_refused:
            return
        self._reopen_at = self._run.host.now() + _REOPEN_SECONDS
        try:
            self._follow = self._run.host.follow(name)
        except NotFound:
            return
        except HostError as error:
            self._is_refused = True
            yield Line(f"What it writes can't be read on {self._run.server}: {error.message}", level="warn")
        self._skip = self._heard

    def _take(self) -> Steps:
        if self._follow is None:
            return
        came = self._follow.available()
        new, self._skip = came[self._skip :], max(0, self._skip - len(came))
        if new:
            self._heard += len(new)
            yield Wrote(new)
