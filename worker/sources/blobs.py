"""The contents of git's objects as `git cat-file --batch` writes them, in the order they were asked for."""

import re
import time
from collections.abc import Iterator

from worker.sources import explain
from worker.sources.errors import Damaged, GitRefused
from worker.sources.processes import Program
from worker.sources.shapes import Interrupt

_HEADER = re.compile(rb"([0-9a-f]{40}) blob (\d+)")


class Blobs:
    """Reads a running git. `next` must be called in the order asked, and each content read to its end."""

    def __init__(self, program: Program, url: str, interrupt: Interrupt, patience: float) -> None:
        self._program, self._url = program, url
        self._interrupt, self._patience = interrupt, patience
        self._buffer = bytearray()

    def next(self, object_id: str) -> Iterator[bytes]:
        """The next object's content in pieces. Damaged where it's missing, or not the one that was expected."""
        while b"\n" not in self._buffer:
            self._more()
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        header = _HEADER.fullmatch(line)
        if header is None or header[1].decode() != object_id:
            raise Damaged(f"The worker's copy of {self._url} is damaged.", why=line.decode(errors="replace")[:200])
        left = int(header[2])
        while left:
            if not self._buffer:
                self._more()
            piece = bytes(self._buffer[:left])
            del self._buffer[: len(piece)]
            left -= len(piece)
            yield piece
        while not self._buffer:
            self._more()
        del self._buffer[:1]  # the newline behind every content

    def _more(self) -> None:
        until = time.monotonic() + self._patience
        while (chunk := self._program.read(self._interrupt)) is None:
            if time.monotonic() > until:
                raise GitRefused(
                    "too_slow",
                    f"The worker's own copy of {self._url} could not be read: nothing came for {self._patience:g} s.",
                    remedy="Is the worker's disk very busy? Try again later.",
                )
        if not chunk:
            raise explain.local_failure(self._url, self._program.end()[1])
        self._buffer += chunk
