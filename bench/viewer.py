"""A browser's side of the live stream, as little of it as a measurement needs."""

import json
import threading
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field

from parts.story_browser import Browser


@dataclass(slots=True)
class Heard:
    """Lines of one target as they came: number, text, and when (seconds of the wall clock)."""

    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def judge(self) -> tuple[int, int]:
        """How many were lost, and how many came twice."""
        met = set(self.numbers)
        return (max(met) - len(met) if met else 0), len(self.numbers) - len(met)


class Viewer(threading.Thread):
    """Watches one Deployment from its first line until `enough` says so, or the deadline (seconds)."""

    def __init__(
        self, browser: Browser, deployment: int, target: int, enough: Callable[[Heard], bool], deadline: float
    ) -> None:
        super().__init__(daemon=True)
        self._browser, self._deployment, self._target, self._enough = browser, deployment, target, enough
        self._until = time.monotonic() + deadline
        self.heard = Heard()
        self.problem = ""

    def stop(self, after: float) -> None:
        """Give it this many seconds more; then what came is all that comes."""
        self.join(after)
        if self.is_alive():
            self.problem = f"the last line did not come within {after:g} s"

    def run(self) -> None:
        """Read the stream to the end."""
        try:
            self._read()
        except (urllib.error.URLError, OSError, TimeoutError) as error:
            self.problem = f"{error}"

    def _read(self) -> None:
        with self._browser.stream(f"deployment:{self._deployment}", f"t{self._target}:0") as events:
            for event, data in events:
                now = time.time()
                if event == "log":
                    for row in json.loads(data)["lines"]:
                        self.heard.numbers.append(row[0])
                        self.heard.texts.append(row[4])
                        self.heard.at.append(now)
                if self._enough(self.heard) or time.monotonic() > self._until:
                    return
