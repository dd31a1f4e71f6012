"""A browser's side of the live stream, as little of it as a measurement needs."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from parts.story_browser import Browser


@dataclass(slots=True)
class Heard:
    """Lines of one target as they came: number, text, and when (seconds of the wall clock)."""

    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)


class Viewer(threading.Thread):
    """Watches one Deployment from its first line until `enough` says so, or the deadline (seconds); `problem` says why it had to leave
    before, and is "" only where it had enough."""

    def __init__(
        self, browser: Browser, deployment: int, target: int, enough: Callable[[Heard], bool], deadline: float
    ) -> None:
        super().__init__(daemon=True)
        self._browser, self._deployment, self._target, self._enough = browser, deployment, target, enough
        self._deadline, self._until = deadline, time.monotonic() + deadline
        self.heard = Heard()
        self.problem = ""

    def stop(self, after: float) -> None:
        """Give it this many seconds more; then what came is all that comes."""
        self.join(after)
        if self.is_alive():
            self.problem = f"the last line did not come within {after:g} s"

    def run(self) -> None:
        """Read the stream until there was enough."""
        try:
            problem = self._read()
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
            LookupError,
        ) as error:  # broken off, or not what was promised
            problem = f"{type(error).__name__}: {error}"
        self.problem = self.problem or problem

    def _read(self) -> str:
        with self._browser.stream(f"deployment:{self._deployment}", f"t{self._target}:0") as events:
            for event, data in events:
                now = time.time()
                if event == "log":
                    for row in json.loads(data)["lines"]:
                        self.heard.numbers.append(row[0])
                        self.heard.texts.append(row[4])
                        self.heard.at.append(now)
                if self._enough(self.heard):
                    return ""
                if time.monotonic() > self._until:
                    return f"the last line did not come within {self._deadline:g} s"
        return "the stream ended before the last line came"
