"""The stored log: pages of lines, search over the whole of it, and all of it as text."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db.models import Q

from deployments.live import LogLine, decode_lines
from deployments.models import LogChunk, Target

MOST_LINES: Final = 5_000
MOST_FOUND: Final = 1_000
CHUNKS_AT_ONCE: Final = 50


def lines_after(target_id: int, after: int, limit: int = MOST_LINES, step: str = "") -> tuple[list[LogLine], bool]:
    """Up to `limit` lines of a Target with numbers over `after`, and whether there are more."""
    found: list[LogLine] = []
    chunks = LogChunk.objects.filter(target=target_id, last_line__gt=after).order_by("first_line")
    for chunk in chunks.iterator(chunk_size=50):
        for line in decode_lines(chunk.lines):
            if line.number <= after or (step and line.step != step):
                continue
            if len(found) == limit:
                return found, True
            found.append(line)
    return found, False


def search(target_ids: Sequence[int], text: str) -> tuple[list[tuple[int, LogLine]], bool]:
    """Lines that contain `text` (letter case ignored) as (target id, line), oldest first, and whether there are more.

    The database narrows it down to chunks by the text as it stands in their JSON; Python decides.
    """
    encoded = json.dumps(text, ensure_ascii=False)[1:-1]
    chunks = LogChunk.objects.filter(Q(lines__icontains=encoded), target__in=target_ids).order_by(
        "target", "first_line"
    )
    wanted = text.casefold()
    found: list[tuple[int, LogLine]] = []
    for chunk in chunks.iterator(chunk_size=50):
        for line in decode_lines(chunk.lines):
            if wanted in line.text.casefold():
                if len(found) == MOST_FOUND:
                    return found, True
                found.append((chunk.target_id, line))
    return found, False


def as_text(targets: Sequence[Target]) -> Iterator[str]:
    """The whole log as plain text, a chunk at a time: `time server step | line`, times in UTC.

    Read by key, a few chunks a query: no cursor stays open, so whoever sends the text may give the connection back in between.
    """
    for target in targets:
        for lines in _chunks(target.pk):
            yield "".join(_text_line(target.host_name, line) for line in decode_lines(lines))
        if target.log_cut_at is not None:
            yield f"{target.host_name}: the log was longer; keeping it stopped after line {target.log_cut_at}.\n"


def _chunks(target_id: int) -> Iterator[str]:
    last = 0
    while page := list(
        LogChunk.objects.filter(target=target_id, first_line__gt=last)
        .order_by("first_line")
        .values_list("first_line", "lines")[:CHUNKS_AT_ONCE]
    ):
        last = page[-1][0]
        yield from (lines for _first, lines in page)


def _text_line(server: str, line: LogLine) -> str:
    moment = datetime.fromtimestamp(line.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    source = "" if line.stream == "estiva" else f" {line.stream}"
    return f"{moment} {server} {line.step}{source} | {line.text}\n"
