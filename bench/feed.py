"""Lines for a container to say, through a pipe that its main process reads: each bears its number and the moment of its writing."""

import os
import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SAID = re.compile(r"line (\d+) at ([0-9.]+) \.")
TICK = 0.01
_FOLDER, _PIPE = "/feed", "pipe"


class Feed:
    """So many lines at so many a second once `go` is set. The pipe stays open until this is left: a reader that meets its end would end."""

    def __init__(self, folder: Path, lines: int, rate: int) -> None:
        self.lines, self.go = lines, threading.Event()
        self._folder, self._rate, self._over = folder, rate, threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        os.mkfifo(self._folder / _PIPE)
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.go.set()

    def settings(self, run_seconds: int) -> dict[str, Any]:
        """An application that says them and is well after so many seconds."""
        return {
            "entrypoint": ["/bin/busybox"],
            "command": ["cat", f"{_FOLDER}/{_PIPE}"],
            "binds": [{"source": str(self._folder), "path": _FOLDER}],
            "health": {"kind": "running", "run_seconds": run_seconds, "deadline": run_seconds + 60},
        }

    @property
    def last(self) -> str:
        """What the last line begins with."""
        return f"line {self.lines} at "

    def _write(self) -> None:
        with (self._folder / _PIPE).open("w", buffering=1) as pipe:  # waits for the reader
            self.go.wait()
            begun, written = time.monotonic(), 0
            while written < self.lines and not self._over.wait(TICK):
                due = min(self.lines, int((time.monotonic() - begun) * self._rate))
                now = time.time()
                pipe.write("".join(f"line {each} at {now:.4f} .\n" for each in range(written + 1, due + 1)))
                written = due
            self._over.wait()
