"""Quotes and substitutions of shells: where they end, what stands in them. Nothing is replaced."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a word without its quotes, and what in it a shell would replace."""

    value: str
    unresolved: tuple[str, ...] = ()
    is_unclosed: bool = False
    is_quoted: bool = False


def joined(pieces: Sequence[Piece]) -> Piece:
    """One after another, as one."""
    return Piece(
        "".join(piece.value for piece in pieces),
        tuple(each for piece in pieces for each in piece.unresolved),
        any(piece.is_unclosed for piece in pieces),
        any(piece.is_quoted for piece in pieces),
    )


Found = tuple[Piece, int]
"""A piece and where the text goes on after it."""

Budget = list[int]
"""How many more quotes and brackets may be found never closed: each costs a look at the rest of the text."""

_FARTHEST: Final = 8_000
_NAME: Final = re.compile(r"\$(?:env:[A-Za-z_]\w*|[A-Za-z_]\w*|[0-9@*?!$])", re.IGNORECASE)
_ANSI: Final = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ANSI_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ANSI_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
_INNER_PLAIN: Final = re.compile(r'[^"\\$`“”]+')
_BRACKETS: Final = {"{": re.compile(r"[{}]"), "(": re.compile(r"[()]")}
_CLOSING: Final = {'"': '"', "“": "”", "„": "“”"}


def quoted(text: str, at: int, budget: Budget) -> Found | None:
    """The quoted stretch that begins here, else None: '…', "…", $'…', and the curly “…” that word processors make."""
    if text[at] == "'":
        end = text.find("'", at + 1)
        return None if end < 0 else (Piece(text[at + 1 : end], is_quoted=True), end + 1)
    if text.startswith("$'", at) and budget[0] > 0:
        found = _ANSI.match(text, at)
        if found is None:
            budget[0] -= 1
            return None
        value = _ANSI_ESCAPE.sub(lambda escape: _ANSI_ESCAPED.get(escape[1], escape[1]), found[1])
        return Piece(value, is_quoted=True), found.end()
    if text[at] in _CLOSING and budget[0] > 0:
        return _double(text, at, budget)
    return None


def _double(text: str, start: int, budget: Budget) -> Found | None:
    closing = _CLOSING[text[start]]
    values: list[str] = []
    unresolved: list[str] = []
    at = start + 1
    while at < len(text):
        if text[at] in closing:
            return Piece("".join(values), tuple(unresolved), is_quoted=True), at + 1
        piece, at = _inner(text, at, budget)
        values.append(piece.value)
        unresolved.extend(piece.unresolved)
    budget[0] -= 1
    return None


def _inner(text: str, at: int, budget: Budget) -> Found:
    """The next stretch between double quotes."""
    if plain := _INNER_PLAIN.match(text, at):
        return Piece(plain.group()), plain.end()
    if text[at] == "\\" and at + 1 < len(text):
        following = text[at + 1]
        value = "" if following == "\n" else following if following in '"\\$`' else f"\\{following}"
        return Piece(value), at + 2
    return substitution(text, at, budget) or (Piece(text[at]), at + 1)


def substitution(text: str, at: int, budget: Budget) -> Found | None:
    """`$NAME`, `${…}`, `$(…)`, `${{ … }}` or backquotes that begin here, kept as written; else None."""
    if text[at] == "`":
        return _through(text, at, text.find("`", at + 1, at + _FARTHEST))
    if text[at] != "$":
        return None
    if found := _NAME.match(text, at):
        return _through(text, at, found.end() - 1)
    if text.startswith("${{", at):
        end = text.find("}}", at, at + 300)
        return _through(text, at, end + 1 if end >= 0 else -1)
    if text[at + 1 : at + 2] in {"{", "("} and budget[0] > 0:
        end = _closing_bracket(text, at + 1)
        budget[0] -= end < 0
        return _through(text, at, end)
    return None


def _through(text: str, at: int, last: int) -> Found | None:
    """The text up to its last character, marked as what a shell would replace."""
    if last < 0:
        return None
    return Piece(text[at : last + 1], (text[at : last + 1],)), last + 1


def _closing_bracket(text: str, at: int) -> int:
    """Where the bracket that opens here is closed, or -1; brackets within quotes count too, which hardly ever matters."""
    opening = text[at]
    depth = 0
    for found in _BRACKETS[opening].finditer(text, at, at + _FARTHEST):
        depth += 1 if found.group() == opening else -1
        if depth == 0:
            return found.start()
    return -1
