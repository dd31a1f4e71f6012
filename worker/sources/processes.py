"""Programs run by a list of words, each in a process group of its own that is ended as a whole and at any moment."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from worker.sources.shapes import MIB, Interrupt

SLICE_SECONDS = 0.1
CHUNK = 256 * 1024
MOST_ERROR_TEXT = 64 * 1024
_GONE_SECONDS = 5.0


class TooMuch(Exception):
    """The program wrote more than was to be borne."""


class TooLong(Exception):
    """The program did not end in time."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit code (negative: the signal), what it wrote, and the end of its complaints."""

    code: int
    output: bytes
    errors: str


class Program:
    """A running program. Leaving its `with` block ends it and everything it started, however it was left."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, send: IO[bytes] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            list(words),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL if send is None else send,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self._process.stdout is None or self._process.stderr is None:
            raise RuntimeError("Popen gave no pipes though it was asked for them.")
        self.output, self._complaints = self._process.stdout, self._process.stderr
        self._errors = bytearray()
        self._open = {self.output.fileno(), self._complaints.fileno()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process's number, and its group's."""
        return self._process.pid

    def read(self, interrupt: Interrupt, heard: Callable[[bytes], None] | None = None) -> bytes | None:
        """What it wrote next: b"" at its end, None if there was nothing for a moment. Complaints are collected beside."""
        ready = self._ready(SLICE_SECONDS)
        if self._complaints.fileno() in ready:
            self._complain(heard)
        if self.output.fileno() in ready:
            chunk = os.read(self.output.fileno(), CHUNK)
            if not chunk:
                self._open.discard(self.output.fileno())
            return chunk or self._rest()
        interrupt()
        return self._rest()

    def end(self) -> tuple[int, str]:
        """Its exit code and complaints, after `read` has returned b""."""
        return self._process.wait(), self._errors.decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL the whole group, and wait until nobody of it holds our pipes any more."""
        if self._process.returncode is None:  # not yet waited for, so that its number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._drain(time.monotonic() + _GONE_SECONDS)
        self.output.close()
        self._complaints.close()

    def _ready(self, seconds: float) -> list[int]:
        """Which of our pipes have something. `poll`, since `select` fails on descriptors above 1023."""
        waiting = select.poll()
        for descriptor in self._open:
            waiting.register(descriptor, select.POLLIN)
        return [descriptor for descriptor, _ in waiting.poll(seconds * 1000)]

    def _rest(self) -> bytes | None:
        return None if self._open else b""

    def _complain(self, heard: Callable[[bytes], None] | None) -> None:
        chunk = os.read(self._complaints.fileno(), CHUNK)
        if not chunk:
            self._open.discard(self._complaints.fileno())
        elif heard is not None:
            heard(chunk)
        self._errors += chunk
        del self._errors[:-MOST_ERROR_TEXT]

    def _drain(self, until: float) -> None:
        while self._open and (left := until - time.monotonic()) > 0:
            for descriptor in self._ready(left):
                if not os.read(descriptor, CHUNK):
                    self._open.discard(descriptor)


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    seconds: float,
    interrupt: Interrupt,
    watch: Interrupt | None = None,
    heard: Callable[[bytes], None] | None = None,
    most_output: int = 64 * MIB,
) -> Done:
    """Run a program to its end. `watch` is called about ten times a second and may raise, as `interrupt` may.

    TooLong after `seconds`, TooMuch past `most_output` bytes; the program is gone whatever is raised.
    """
    until = time.monotonic() + seconds
    output = bytearray()
    with Program(words, environment, folder) as program:
        while (chunk := program.read(interrupt, heard)) != b"":
            output += chunk or b""
            if watch is not None:
                watch()
            if len(output) > most_output:
                raise TooMuch
            if time.monotonic() > until:
                raise TooLong
        code, errors = program.end()
    return Done(code, bytes(output), errors)


def end_orphans(words: Sequence[str]) -> None:
    """SIGKILL the groups of programs whose command line has all of these words: a killed worker left them behind."""
    marks = {word.encode() for word in words}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marks <= set(entry.read_bytes().split(b"\0")):
                os.killpg(os.getpgid(int(entry.parent.name)), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is somebody else's
