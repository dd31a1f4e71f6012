"""The continuous prober: what people who use an application see of it, every request with its time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from parts.environment import ROOT
from parts.part import remember
from parts.processes import PartError, wait_until

DNS = "127.0.0.11"
HUNG_SECONDS = 1.0
_NUMBERS = itertools.count(1)  # of the files: two probers of one page don't write into the same


@dataclass(frozen=True)
class Asked:
    """One request. `version` and `container` are who answered; both "" where nobody did, and then `wrong` says how."""

    name: str
    at: float
    until: float
    version: str
    container: str
    wrong: str

    @property
    def ok(self) -> bool:
        """Whether it was answered."""
        return not self.wrong

    @property
    def hung(self) -> bool:
        """Whether it failed for want of an answer, and not at once."""
        return bool(self.wrong) and self.until - self.at >= HUNG_SECONDS


@dataclass(frozen=True)
class Asking:
    """A time in which a prober was to ask a page, by the machine's clock. `died` says how it ended, if it did so by itself."""

    since: float
    until: float
    died: str = ""


@dataclass(frozen=True)
class Hole:
    """A time without an answer: from the last good request's answer to the next good one's."""

    name: str
    begin: float
    end: float
    failures: int
    first: str
    surely: float = 0.0  # seconds in which nothing can have answered, however late the prober itself was

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.begin


class Prober:
    """Asks pages in a process of its own; `inside` is the process, or the namespace by its name, whose network it asks from."""

    def __init__(
        self, folder: Path, pages: dict[str, tuple[str, int]], *, alias: str = "", inside: int | str | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"asked-{'-'.join(sorted(pages))[:60]}-{next(_NUMBERS)}.jsonl"
        self.pages = frozenset(pages)
        self._folder = folder
        self._since, self._until, self._died = 0.0, 0.0, ""
        self._pages = [
            {"name": name, "address": address, "port": port, "alias": alias, "dns": DNS}
            for name, (address, port) in pages.items()
        ]
        network = f"--net=/run/netns/{inside}" if isinstance(inside, str) else f"--net=/proc/{inside}/ns/net"
        self._enter = ["nsenter", network] if inside else []
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; returns once every page was asked."""
        argv = [*self._enter, sys.executable, "-m", "parts.faults.asking", str(self.path)]
        self.path.touch()
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=ROOT / "bin", start_new_session=True)
        self._child = child
        remember(self._folder, child.pid)
        line: IO[bytes] | None = child.stdin
        if line is None:
            raise PartError("The prober has no input.")
        line.write(json.dumps(self._pages).encode() + b"\n")
        line.flush()
        wait_until(
            lambda: len({each.name for each in self.asked()}) == len(self._pages), "every page asked", timeout=20
        )
        self._since = time.time()

    def stop(self) -> None:
        """End it; how it ended by itself, if it had, stays known."""
        if self._child is None or self._until:
            return
        self._until, self._died = time.time(), self._ended_by_itself()
        self._child.kill()
        self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()

    @property
    def asking(self) -> Asking:
        """When it asked, or was to ask."""
        if self._until:
            return Asking(self._since, self._until, self._died)
        return Asking(self._since, time.time(), self._ended_by_itself())

    def _ended_by_itself(self) -> str:
        code = self._child.poll() if self._child is not None else None
        return "" if code is None else f"ended with code {code}"

    def asked(self) -> list[Asked]:
        """Everything until now, in the order in which it was asked."""
        found = []
        for line in self.path.read_text().splitlines():
            try:
                name, at, until, text, wrong = json.loads(line)
            except ValueError:
                continue  # the last line, half written when it was killed
            version, _, container = text.partition(" ")
            found.append(Asked(name, at, until, version, container, wrong))
        return sorted(found, key=lambda each: each.at)


def holes(asked: list[Asked], *, since: float = 0.0) -> list[Hole]:
    """The times without an answer of one page, from its first answer on; one that lasts to the end counts as far as it goes."""
    found: list[Hole] = []
    good: Asked | None = None
    bad: list[Asked] = []
    answered = _first_answers(asked)
    for order, each in enumerate(asked):
        if not each.ok:
            bad.append(each)
            continue
        if good and bad and bad[0].at >= since:
            found.append(_hole(good, bad, answered[order]))
        good, bad = each, []
    if good and bad and bad[0].at >= since:
        found.append(_hole(good, bad, bad[-1].until))
    return found


def between(asked: list[Asked], cut: Iterable[tuple[float, float]]) -> list[list[Asked]]:
    """What was asked before, between and after these times, each by itself. Who answered before is taken to answer from the end of
    such a time on: from there it counts as a hole where it doesn't. One that failed of being asked into such a time says nothing.
    """
    pieces: list[list[Asked]] = []
    since = float("-inf")
    for begin, end in [*sorted(cut), (float("inf"), float("inf"))]:
        piece = [each for each in asked if since <= each.at < begin and (each.ok or each.until <= begin)]
        if any(each.ok and each.at < since for each in asked):
            piece.insert(0, Asked(asked[0].name, since, since, "", "", ""))
        pieces.append(piece)
        since = max(since, end)
    return pieces


def _first_answers(asked: list[Asked]) -> list[float]:
    """For each request, the first good answer to it or to one that was asked later: the next one asked may itself be slow."""
    found, first = [], float("inf")
    for each in reversed(asked):
        first = min(first, each.until) if each.ok else first
        found.append(first)
    return found[::-1]


def _hole(good: Asked, bad: list[Asked], end: float) -> Hole:
    """One that was asked before may have been answered after: it waited all the while."""
    begin = min(good.until, bad[0].at)
    return Hole(good.name, begin, end, len(bad), bad[0].wrong, _surely(bad, begin, end))


def _surely(bad: list[Asked], begin: float, end: float) -> float:
    """From when one had failed to when one was asked that failed, too; one that hung had no answer all that time."""
    since = min(each.at if each.hung else each.until for each in bad)
    until = max(each.until if each.hung else each.at for each in bad)
    return max(0.0, min(until, end) - max(since, begin))
