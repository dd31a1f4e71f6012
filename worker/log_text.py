"""What a line of the log looks like before it is stored: pure text work, tested by equality."""

import re

from deployments.live import MAX_LINE_BYTES
from worker.redact import Masker

_CUT = re.compile(r"… \[cut: (\d+) bytes\]$")
_CUT_END = " bytes]"
_ROOM_FOR_MARK = 40
_MOST_BYTES = 4  # of a character


def storable(text: str) -> str:
    """Without what a database refuses: NUL and lone surrogates become the replacement character."""
    if text.isascii() and "\x00" not in text:  # nearly always, and there are very many lines
        return text
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def finished_line(text: str, masker: Masker) -> str:
    """One line, masked, as a terminal would have left it, of at most `MAX_LINE_BYTES`; longer ones end in `… [cut: N bytes]`."""
    return cut(as_left(masker.mask(storable(text)), masker), masker)


def as_left(text: str, masker: Masker) -> str:
    """What a carriage return leaves on the screen: the last thing written (progress bars redraw their line)."""
    if "\r" not in text:
        return text
    parts = [part for part in text.split("\r") if part]
    return masker.mask(parts[-1]) if parts else ""


def cut(text: str, masker: Masker) -> str:
    """Cut what is too long, and let no beginning of a secret stand before the cut, whoever cut it."""
    if len(text) * _MOST_BYTES <= MAX_LINE_BYTES and not text.endswith(_CUT_END):
        return text
    cut_before = _CUT.search(text)
    missing = int(cut_before[1]) if cut_before else 0
    body = text[: cut_before.start()] if cut_before else text
    raw = body.encode()
    limit = MAX_LINE_BYTES - _ROOM_FOR_MARK
    if len(raw) > (limit if cut_before else MAX_LINE_BYTES):
        body = raw[:limit].decode("utf-8", "ignore")
        missing += len(raw) - len(body.encode())
    elif not cut_before:
        return text
    body = body[: masker.unfinished(body)]
    return f"{body}… [cut: {missing} bytes]"
