"""What one-off runs wrote, and lists of them."""

import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from deployments.live import LogLine, decode_lines
from deployments.models import OneOffRun, Placement, RunChunk
from deployments.queries.log import LOOK_SECONDS, MOST_FOUND, text_line

CHUNKS_AT_ONCE: Final = 50
LATELY: Final = 50


class Chunk(NamedTuple):
    """Lines `first…last`, as `live.encode_lines` writes them."""

    first: int
    last: int
    lines: str


class Found(NamedTuple):
    """Lines that contain a text; `following` is the line to go on behind, None at the end."""

    lines: list[LogLine]
    following: int | None


def runs_of(placement: Placement) -> list[OneOffRun]:
    """The newest, newest first."""
    rows = OneOffRun.objects.filter(operation__placement=placement).select_related("operation", "release")
    return list(rows.order_by("-pk")[:LATELY])


def chunks_after(run_id: int, line: int, most: int = CHUNKS_AT_ONCE) -> list[Chunk]:
    """The chunks that end after a line, a bounded number of them; the first may begin before it."""
    found = RunChunk.objects.filter(run=run_id, last_line__gt=line).order_by("first_line")
    return [Chunk(*each) for each in found.values_list("first_line", "last_line", "lines")[:most]]


def last_lines(run_ids: Iterable[int]) -> dict[int, int]:
    """The newest line of each that is a run."""
    return dict(OneOffRun.objects.filter(pk__in=list(run_ids)).values_list("pk", "last_line"))


def lines_after(run_id: int, after: int, limit: int) -> tuple[list[LogLine], bool]:
    """Up to `limit` lines behind a line, and whether there are more."""
    found: list[LogLine] = []
    for lines in _pieces(run_id, after):
        found += lines
        if len(found) > limit:
            return found[:limit], True
    return found, False


def search(run_id: int, text: str, after: int) -> Found:
    """Lines behind a line that contain the text, in any letter case: up to MOST_FOUND, or what LOOK_SECONDS allow."""
    wanted, until, found = text.casefold(), time.monotonic() + LOOK_SECONDS, list[LogLine]()
    for lines in _pieces(run_id, after):
        for line in lines:
            if wanted in line.text.casefold():
                found.append(line)
                if len(found) == MOST_FOUND:
                    return Found(found, line.number)
        if lines and time.monotonic() >= until:
            return Found(found, lines[-1].number)
    return Found(found, None)


def as_text(run: OneOffRun) -> Iterator[str]:
    """The whole log as plain text, a chunk at a time."""
    for lines in _pieces(run.pk, 0):
        yield "".join(text_line(run.host_name, line) for line in lines)
    if run.log_cut_at is not None:
        yield f"{run.host_name}: the log was longer; keeping it stopped after line {run.log_cut_at}.\n"


def _pieces(run_id: int, after: int) -> Iterator[list[LogLine]]:
    """All lines behind `after`, a chunk at a time; no cursor stays open meanwhile."""
    while chunks := chunks_after(run_id, after):
        for chunk in chunks:
            yield [line for line in decode_lines(chunk.lines) if line.number > after]
        after = chunks[-1].last
