"""`.dockerignore`, by Docker's own rules: which paths of a tree a build never sees.

A line is a pattern from the context's root, cleaned as a path; `#` begins a comment in the first column only; `!` takes
back. A pattern also matches whatever is below what it matches, and the last one that matches decides. `*` and `?` stop
at “/”; `**` doesn't, and stands for no folder as well. All this is matched path by path, as BuildKit does: a file can
come back from within an ignored folder (`*`, `!**/*.py`).
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.sources import wildcards

Test = Callable[[str], bool]

_STAR, _DEEP, _FOLDERS = "[^/]*", ".*", "(?:.*/)?"
_TOKENS = {_STAR: (wildcards.STAR,), _DEEP: (wildcards.DEEP,), _FOLDERS: wildcards.FOLDERS}
_STARS = 2  # more of them, and a regular expression may take for ever
_MOST_PATTERNS, _LONGEST_LINE = 2000, 1000


class BadPattern(ValueError):
    """A line that Docker refuses; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `test` is asked with a path; `takes_back`: it began with “!”."""

    text: str
    takes_back: bool
    test: Test


@dataclass(frozen=True, slots=True)
class Ignored:
    """Asked with a path whether it stays out."""

    patterns: tuple[Pattern, ...] = ()
    _folders: dict[str, tuple[bool, ...]] = field(default_factory=dict, compare=False)

    def __call__(self, path: str) -> bool:
        """Whether this file or folder, with “/” between its parts, is ignored."""
        verdict = False
        for pattern, matches in zip(self.patterns, self._matching(path), strict=True):
            if matches:
                verdict = not pattern.takes_back
        return verdict

    def _matching(self, path: str) -> tuple[bool, ...]:
        """For each pattern whether it matches the path or a folder above; those are remembered, since many share them."""
        folder = path.rpartition("/")[0]
        if folder and folder not in self._folders:
            self._folders[folder] = self._matching(folder)
        above = self._folders[folder] if folder else (False,) * len(self.patterns)
        return tuple(known or pattern.test(path) for known, pattern in zip(above, self.patterns, strict=True))


def read(content: bytes) -> Ignored:
    """Read a whole file; raises BadPattern."""
    lines = content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape").split("\n")
    patterns = list[Pattern]()
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST_LINE or len(patterns) >= _MOST_PATTERNS:
            raise BadPattern(f"line {number}: at most {_MOST_PATTERNS} patterns of {_LONGEST_LINE} letters are read")
        try:
            text = _cleaned(line)
            if text:
                patterns.append(_pattern(text))
        except BadPattern as error:
            raise BadPattern(f"line {number}, “{line.strip()}”: {error}") from error
    return Ignored(tuple(patterns))


def _cleaned(line: str) -> str:
    """The pattern in a line; "" where there is none."""
    if line.startswith("#"):
        return ""
    text = line.strip()
    takes_back = text.startswith("!")
    if takes_back:
        text = text[1:].strip()
        if not text:
            raise BadPattern("“!” alone takes nothing back")
    if not text:
        return ""
    return ("!" if takes_back else "") + clean_path(text)


def clean_path(text: str) -> str:
    """As Go's filepath.Clean, then without a leading slash; “/” alone stays."""
    cleaned = posixpath.normpath(text)
    if cleaned.startswith("//"):  # POSIX lets two slashes at the beginning mean something; Go doesn't
        cleaned = cleaned[1:]
    return cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned


def _pattern(text: str) -> Pattern:
    takes_back = text.startswith("!")
    text = text.removeprefix("!")
    return Pattern(text, takes_back, _test(text))


def _test(text: str) -> Test:
    """The quickest way to match this pattern; the three shapes without a regular expression mean just what they say."""
    plain = not re.search(r"[*?\[\]\\]", text)
    if plain:
        return lambda path: path == text
    if text.endswith("**") and not re.search(r"[*?\[\]\\]", text[:-2]) and text != "**":
        return lambda path: path.startswith(text[:-2])
    if text.startswith("**") and not re.search(r"[*?\[\]\\]", text[2:]):
        end = text[2:]
        return lambda path: path.endswith(end) or path == end.removeprefix("/")
    pieces = _pieces(text)
    if sum(piece in (_STAR, _DEEP, _FOLDERS) for piece in pieces) > _STARS:
        tokens = [token for piece in pieces for token in _TOKENS.get(piece) or (wildcards.one(piece),)]
        return lambda path: wildcards.matches(tokens, path)
    whole = re.compile("".join(pieces), re.DOTALL)
    return lambda path: whole.fullmatch(path) is not None


def _pieces(text: str) -> list[str]:
    """The pattern as pieces of a regular expression for the whole path: each star, and each letter or class."""
    found, at = list[str](), 0
    while at < len(text):
        letter = text[at]
        if text.startswith("**", at):
            at += 2
            if text.startswith("/", at):
                at += 1
            found.append(_FOLDERS if at < len(text) else _DEEP)
            continue
        if letter == "[":
            piece, at = _letters(text, at)
            found.append(piece)
            continue
        if letter == "\\":
            at += 1
            if at == len(text):
                raise BadPattern("a “\\” at the end escapes nothing")
            found.append(re.escape(text[at]))
        elif letter in "*?":
            found.append(_STAR if letter == "*" else "[^/]")
        else:
            found.append(re.escape(letter))
        at += 1
    return found


def _letters(text: str, at: int) -> tuple[str, int]:
    """A class such as `[a-z]` or `[^0-9]`, and where the pattern goes on. As in Go: “^” negates, “!” doesn't."""
    begin = at
    at += 1
    negated = text.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while at < len(text) and (text[at] != "]" or not ranges):
        low, at = _letter(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _letter(text, at + 1)
        if high < low:
            raise BadPattern(f"“{low}-{high}” runs backwards")
        ranges.append(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}")
    if at >= len(text):
        raise BadPattern(f"“{text[begin:]}” has no closing bracket")
    return f"[{'^' if negated else ''}{''.join(ranges)}]", at + 1


def _letter(text: str, at: int) -> tuple[str, int]:
    if at < len(text) and text[at] == "\\":
        at += 1
    elif at < len(text) and text[at] in "-]":
        raise BadPattern("“-” and “]” within brackets need a “\\” in front")
    if at >= len(text):
        raise BadPattern("it has no closing bracket")
    return text[at], at + 1
