"""The stored log: pages of lines, search over the whole of it, and all of it as text."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from django.db.models import Max, Min

from deployments.live import LogLine, decode_lines
from deployments.models import LogChunk, Step, Target

MOST_LINES: Final = 5_000
MOST_FOUND: Final = 1_000
CHUNKS_AT_ONCE: Final = 50
LOOK_SECONDS: Final = 0.5
"""Then whoever asked gets what was found, and goes on from there: a search over 100 MB must not hold up other pages."""


class Page(NamedTuple):
    """Lines of one Target; `last` is the last line that was looked at, to go on from when there are `more`."""

    lines: list[LogLine]
    last: int
    more: bool


class Found(NamedTuple):
    """Lines as (target id, line); `following` is the place (target id, line) to go on from, None at the end of the log."""

    lines: list[tuple[int, LogLine]]
    following: tuple[int, int] | None


def lines_after(target_id: int, after: int, limit: int = MOST_LINES, step: str = "") -> Page:
    """Up to `limit` lines of a Target with numbers over `after`; of one step only, what is found in LOOK_SECONDS."""
    if step:
        begun = Step.objects.filter(target=target_id, key=step).aggregate(first=Min("first_line"))["first"]
        after = max(after, (begun or 0) - 1)
    until = time.monotonic() + LOOK_SECONDS
    found: list[LogLine] = []
    last = after
    for lines in _chunks(target_id, after):
        for line in decode_lines(lines):
            if line.number <= after:
                continue
            if not step or line.step == step:
                if len(found) == limit:
                    return Page(found, last, True)
                found.append(line)
            last = line.number
        if step and time.monotonic() >= until:
            return Page(found, last, True)
    return Page(found, last, False)


def search(target_ids: Sequence[int], text: str, after: tuple[int, int] = (0, 0)) -> Found:
    """Lines past the place `after` that contain `text`, oldest first: up to MOST_FOUND, or what LOOK_SECONDS allow.

    Letter case is ignored for every alphabet, hence by Python: the database's own comparison knows only ASCII on SQLite,
    and one query over a long log could not be broken off.
    """
    wanted, encoded = text.casefold(), json.dumps(text, ensure_ascii=False)[1:-1].casefold()
    until = time.monotonic() + LOOK_SECONDS
    found: list[tuple[int, LogLine]] = []
    for target_id in sorted(number for number in target_ids if number >= after[0]):
        past = after[1] if target_id == after[0] else 0
        for lines in _chunks(target_id, past):
            decoded = decode_lines(lines) if encoded in lines.casefold() else []
            for line in decoded:
                if line.number > past and wanted in line.text.casefold():
                    found.append((target_id, line))
                    if len(found) == MOST_FOUND:
                        return Found(found, (target_id, line.number))
            if time.monotonic() >= until:
                return Found(found, (target_id, decode_lines(lines)[-1].number))
    return Found(found, None)


def as_text(targets: Sequence[Target]) -> Iterator[str]:
    """The whole log as plain text, a chunk at a time: `time server step | line`, times in UTC.

    Read by key, a few chunks a query: no cursor stays open, so whoever sends the text may give the connection back in between.
    """
    for target in targets:
        for lines in _chunks(target.pk):
            yield "".join(text_line(target.label, line) for line in decode_lines(lines))
        if target.log_cut_at is not None:
            yield f"{target.label}: the log was longer; keeping it stopped after line {target.log_cut_at}.\n"


def _chunks(target_id: int, after: int = 0) -> Iterator[str]:
    """The lines of each chunk from the one that holds line `after` + 1 on."""
    chunks = LogChunk.objects.filter(target=target_id)
    begun = chunks.filter(first_line__lte=after + 1).aggregate(first=Max("first_line"))["first"]
    chunks = chunks.filter(last_line__gt=after)  # the one that begins before may end before too
    last = (begun or 1) - 1
    while page := list(
        chunks.filter(first_line__gt=last).order_by("first_line").values_list("first_line", "lines")[:CHUNKS_AT_ONCE]
    ):
        last = page[-1][0]
        yield from (lines for _first, lines in page)


def text_line(server: str, line: LogLine) -> str:
    """One line of a log as text."""
    moment = datetime.fromtimestamp(line.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    source = "" if line.stream == "estiva" else f" {line.stream}"
    return f"{moment} {server} {line.step}{source} | {line.text}\n"
