"""A pattern of `.dockerignore` matched in time that grows with pattern times path, whatever the two are.

A regular expression tries every way of dividing a path between several stars: one pushed line could hold up a worker for
hours. Here all ways are followed at once, letter by letter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["one", "star", "deep", "enter", "folders"]


@dataclass(frozen=True, slots=True)
class Token:
    """`one` letter that `fits`; a `star` within a folder; `deep`: anything; `enter` and `folders`: no folder, or some."""

    kind: Kind
    fits: re.Pattern[str] | None = None


STAR, DEEP = Token("star"), Token("deep")
FOLDERS = (Token("enter"), Token("folders"))


def one(expression: str) -> Token:
    """A letter, by a regular expression for it alone."""
    return Token("one", re.compile(expression, re.DOTALL))


def matches(tokens: Sequence[Token], path: str) -> bool:
    """Whether the whole path fits."""
    at = _reached(tokens, {0})
    for letter in path:
        at = _reached(tokens, {after for place in at for after in _after(tokens, place, letter)})
        if not at:
            return False
    return len(tokens) in at


def _reached(tokens: Sequence[Token], places: set[int]) -> set[int]:
    """These, and where one gets from them without a letter."""
    found, waiting = set[int](), list(places)
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        kind = tokens[place].kind if place < len(tokens) else "one"
        if kind in ("star", "deep"):
            waiting.append(place + 1)
        elif kind == "enter":
            waiting += [place + 1, place + 2]
    return found


def _after(tokens: Sequence[Token], place: int, letter: str) -> tuple[int, ...]:
    if place == len(tokens):
        return ()
    token = tokens[place]
    match token.kind:
        case "one":
            return (place + 1,) if token.fits is not None and token.fits.fullmatch(letter) else ()
        case "star":
            return () if letter == "/" else (place,)
        case "deep":
            return (place,)
        case "folders":
            return (place, place + 1) if letter == "/" else (place,)
        case "enter":
            return ()
