"""What stood on terminals' screens, and lists of them."""

from collections.abc import Iterable, Iterator
from typing import Final

from deployments.live import LogLine, decode_lines
from deployments.models import Placement, Terminal, TerminalChunk
from deployments.queries.runs import CHUNKS_AT_ONCE, Chunk

LATELY: Final = 20
OUTPUT: Final = "stdout"
SIZE: Final = "size"
"""The stream of a piece that tells the terminal's size, as `COLUMNSxROWS`."""


def terminals_of(placement: Placement, container_id: str = "") -> list[Terminal]:
    """The newest, newest first; of one container where that is asked."""
    rows = Terminal.objects.filter(operation__placement=placement).select_related("operation", "release")
    if container_id:
        rows = rows.filter(container_id=container_id)
    return list(rows.order_by("-pk")[:LATELY])


def chunks_after(terminal_id: int, piece: int, most: int = CHUNKS_AT_ONCE) -> list[Chunk]:
    """The chunks that end after a piece, a bounded number of them; the first may begin before it."""
    found = TerminalChunk.objects.filter(terminal=terminal_id, last_line__gt=piece).order_by("first_line")
    return [Chunk(*each) for each in found.values_list("first_line", "last_line", "lines")[:most]]


def last_lines(terminal_ids: Iterable[int]) -> dict[int, int]:
    """The newest piece of each that is a terminal."""
    return dict(Terminal.objects.filter(pk__in=list(terminal_ids)).values_list("pk", "last_piece"))


def pieces_after(terminal_id: int, after: int, limit: int) -> tuple[list[LogLine], bool]:
    """Up to `limit` pieces behind one, and whether there are more."""
    found: list[LogLine] = []
    for pieces in _pieces(terminal_id, after):
        found += pieces
        if len(found) > limit:
            return found[:limit], True
    return found, False


def as_text(terminal: Terminal) -> Iterator[str]:
    """Everything that it wrote, as it wrote it, colours and all; a chunk at a time."""
    for pieces in _pieces(terminal.pk, 0):
        yield "".join(piece.text for piece in pieces if piece.stream == OUTPUT)


def _pieces(terminal_id: int, after: int) -> Iterator[list[LogLine]]:
    while chunks := chunks_after(terminal_id, after):
        for chunk in chunks:
            yield [piece for piece in decode_lines(chunk.lines) if piece.number > after]
        after = chunks[-1].last
