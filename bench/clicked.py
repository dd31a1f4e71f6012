"""What a click's tab meets: the news of the live stream, and when each thing came."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class News:
    """One event of the live stream, and when it came (`time.monotonic`)."""

    at: float
    event: str
    data: str

    @property
    def numbers(self) -> list[int]:
        """Of the lines that it tells."""
        return [row[0] for row in json.loads(self.data)["lines"]] if self.event == "log" else []

    @property
    def is_of_container(self) -> bool:
        """It tells a line that the container wrote to its standard output, beside Estiva's own or not."""
        return self.event == "log" and is_said(json.loads(self.data)["lines"])

    @property
    def is_of_deployment(self) -> bool:
        """The deployment itself has moved."""
        return self.event == "changed" and json.loads(self.data)["kind"] == "deployment"


@dataclass
class Clicked:
    """One click: seconds since the form was sent. `where` says where the first line was met."""

    deployment: int = 0
    sent_at: float = 0.0  # of the wall clock
    answered: float = 0.0  # the redirect
    page: float = 0.0  # the deployment's page, whole
    stream: float = 0.0  # its live stream has begun
    first_line: float = 0.0  # Estiva's own: which server it connects to
    container_line: float = 0.0  # the first that the container said
    seen_done: float = 0.0  # the page's heading says that it is over
    where: str = "stream"
    numbers: list[int] = field(default_factory=list)

    def note(self, news: News, began: float) -> None:
        """Take the lines that it tells, if it tells any; `began` is when the form was sent."""
        if numbers := news.numbers:
            self.first_line = self.first_line or news.at - began
            self.numbers += numbers
            if news.is_of_container:
                self.container_line = self.container_line or news.at - began

    def judge(self) -> tuple[int, int]:
        """How many lines were lost, and how many came twice."""
        met = set(self.numbers)
        return (max(met) - len(met) if met else 0), len(self.numbers) - len(met)


def is_said(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether one of these lines is the container's; a line is as `deployments.live` has it."""
    return any(row[3] == "stdout" for row in rows)
