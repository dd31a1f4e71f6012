"""Patterns for names of branches and tags, and for paths. Pure; no pattern can take long, whatever it is matched with.

`*` is anything but a slash, `?` one character but a slash, `**` between slashes any number of folders.
"""

import functools
import re
from typing import Final

LONGEST: Final = 200
_FOLDERS: Final = "**"


def matches_name(pattern: str, name: str) -> bool:
    """Whether a branch or tag is meant; a lone `*` means all of them, with slashes too."""
    return pattern in {"*", _FOLDERS} or _match(tuple(pattern.split("/")), tuple(name.split("/")))


def matches_path(pattern: str, path: str) -> bool:
    """Whether a path is meant. `*.md` means such files in any folder, `/README.md` the one at the top, `docs/` all below."""
    anchored = pattern.removeprefix("/")
    if anchored.endswith("/"):
        anchored += _FOLDERS
    parts = tuple(anchored.split("/"))
    if len(parts) == 1 and anchored == pattern:
        parts = (_FOLDERS, *parts)
    return _match(parts, tuple(path.split("/")))


def _match(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Each `**` takes as few parts as it can, and one more whenever what follows doesn't fit."""
    at = part = 0
    retry_at = retry_part = -1
    while part < len(parts):
        if at < len(pattern) and pattern[at] == _FOLDERS:
            retry_at, retry_part = at, part + (at == len(pattern) - 1)  # at the end it wants something below
            at += 1
            part = retry_part
        elif at < len(pattern) and _segment(pattern[at]).fullmatch(parts[part]):
            at, part = at + 1, part + 1
        elif retry_at >= 0 and retry_part < len(parts):
            retry_part += 1
            at, part = retry_at + 1, retry_part
        else:
            return False
    return at == len(pattern)


@functools.lru_cache(maxsize=1024)
def _segment(pattern: str) -> re.Pattern[str]:
    """A pattern without slashes; each piece between stars is taken at its first fit, for good, so there is nothing to go back to."""
    first, *rest = [re.escape(piece).replace(r"\?", ".") for piece in re.split(r"\*+", pattern)]
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)
