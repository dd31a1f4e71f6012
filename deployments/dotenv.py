"""Import and export of variables as `.env` text, without ever changing a value.

There is no one `.env` format. What is read here:

- `NAME=value`, blank lines, lines beginning with `#`, an optional `export ` in front, spaces around `=`.
- Unquoted: literal up to the line's end or a `#` after a space; spaces and tabs around it are dropped.
- `'single quoted'`: literal, backslashes too, may span lines. As in a shell, it can't hold a single quote.
- `"double quoted"`: may span lines; `\\n` `\\r` `\\t` `\\"` `\\\\` `\\$` and an escaped backquote are read as such,
  any other backslash is itself.
- `$NAME` is never replaced: a value arrives as it was written. `NAME` without `=` is refused, since elsewhere it
  means "as on this machine".
- A name set twice is refused, where other readers silently let one of them win.

What is written, a shell reads to the same values, carriage returns apart. Docker Compose and python-dotenv read quotes
much alike, but not every backslash; `docker run --env-file` knows no quotes at all.

Names: what Docker accepts (not empty, no `=`, no NUL) except what no one can see or tell from syntax: white space,
invisible characters, quotes, a leading `#`. Others that most programs can't read are accepted; `unusual_name` warns.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_ORDINARY_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPORT: Final = re.compile(r"\Aexport[ \t]+")
_COMMENT: Final = re.compile(r"[ \t]+#")
_AFTER_QUOTE: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_DOUBLE_QUOTED: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_SINGLE_QUOTED: Final = re.compile(r"'([^']*)'")
_ESCAPE: Final = re.compile(r'\\([nrt"\\$`])')
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}
_NEEDS_NO_QUOTES: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
# A carriage return is escaped, since browsers and editors change the bare one.
_NEEDS_DOUBLE_QUOTES: Final = re.compile(r"['\\\r]")
_TO_ESCAPE: Final = re.compile(r'["\\$`\r]')


class Pair(NamedTuple):
    """One variable: a name and its exact value."""

    name: str
    value: str


class DotenvError(ValueError):
    """Why the text or a variable is refused; never quotes a value, since it may be a secret.

    `line` counts from 1 and is None where no text was read; `code` is stable; `message` is for the person.
    """

    def __init__(self, code: str, message: "StrPromise | str", line: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.reason = message
        self.line = line

    @property
    def message(self) -> "StrPromise | str":
        """The reason, with its line where there is one."""
        if self.line is None:
            return self.reason
        return format_lazy(_("Line {line}: {reason}"), line=self.line, reason=self.reason)

    def __str__(self) -> str:
        return str(self.message)


def parse(text: str) -> list[Pair]:
    """The variables in the order written; raises DotenvError for the first line that can't be read.

    Line breaks may be `\\r\\n`, as browsers send them; inside quotes they become `\\n`.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    pairs: list[Pair] = []
    line_of: dict[str, int] = {}
    position, line = 0, 1
    while position < len(text):
        end = _end_of_line(text, position)
        content = text[position:end].strip(" \t")
        if content and not content.startswith("#"):
            try:
                pair, end = _statement(text, position, end)
                _refuse_repeated(pair.name, line_of)
            except DotenvError as error:
                raise DotenvError(error.code, error.reason, line) from None
            pairs.append(pair)
            line_of[pair.name] = line
        line += text.count("\n", position, end) + 1
        position = end + 1
    return pairs


def dump(pairs: Iterable[tuple[str, str]]) -> str:
    """The text that `parse` reads back as exactly these pairs; DotenvError for a name or value that can't be held."""
    lines: list[str] = []
    seen: dict[str, int] = {}
    for number, (name, value) in enumerate(pairs, start=1):
        check_name(name)
        check_value(value)
        _refuse_repeated(name, seen)
        seen[name] = number
        lines.append(f"{name}={_quoted(value)}\n")
    return "".join(lines)


def check_name(name: str) -> None:
    """Raise DotenvError unless this can be a variable's name here and in Docker."""
    if not name:
        raise DotenvError("no_name", _("The variable's name is missing before “=”."))
    if "=" in name:
        raise DotenvError("name", _("A variable's name can't contain “=”."))
    if not name.isprintable() or any(character.isspace() for character in name):
        raise DotenvError("name", _("A variable's name can't contain spaces or invisible characters."))
    if name.startswith("#") or any(quote in name for quote in "'\""):
        raise DotenvError("name", _("A variable's name can't contain quotes or begin with “#”."))


def check_value(value: str) -> None:
    """Raise DotenvError for the values that no environment can hold."""
    if "\x00" in value:
        raise DotenvError(
            "nul", _("A value can't contain a NUL character: the environment of a process ends it there.")
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DotenvError("unicode", _("A value contains half a character and can't be written as UTF-8."))


def unusual_name(name: str) -> "StrPromise | str | None":
    """A warning for a name that Docker accepts but that shells and many programs can't read, else None."""
    if _ORDINARY_NAME.fullmatch(name):
        return None
    return format_lazy(
        _(
            "“{name}” reaches the container, but shells and many programs only read names made of letters, digits "
            "and “_” that don't begin with a digit."
        ),
        name=name,
    )


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _refuse_repeated(name: str, line_of: dict[str, int]) -> None:
    if name in line_of:
        raise DotenvError(
            "repeated",
            format_lazy(_("{name} is already set on line {line}; keep one."), name=name, line=line_of[name]),
        )


def _statement(text: str, start: int, end: int) -> tuple[Pair, int]:
    """The variable that begins on this line, and where its last line ends."""
    equals = text.find("=", start, end)
    if equals < 0:
        raise DotenvError("no_equals", _("There is no “=”. Write NAME=value, or NAME= for an empty value."))
    name = _EXPORT.sub("", text[start:equals].strip(" \t"), count=1)
    check_name(name)
    value, end = _value(text, equals + 1, end)
    check_value(value)
    return Pair(name, value), end


def _value(text: str, start: int, end: int) -> tuple[str, int]:
    while start < end and text[start] in " \t":
        start += 1
    if start < end and text[start] in "'\"":
        return _quoted_value(text, start)
    # The space before the value may be all there is before a comment: `NAME= # none`.
    line = text[start - 1 : end] if text[start - 1] != "=" else text[start:end]
    return _COMMENT.split(line, maxsplit=1)[0].strip(" \t"), end


def _quoted_value(text: str, start: int) -> tuple[str, int]:
    double = text[start] == '"'
    match = (_DOUBLE_QUOTED if double else _SINGLE_QUOTED).match(text, start)
    if match is None:
        raise DotenvError("unclosed", _("The quote opened here is never closed."))
    after = _AFTER_QUOTE.match(text, match.end())
    if after is None:
        raise DotenvError(
            "after_quote",
            _(
                'Something follows the closing quote. Inside double quotes write \\" for a quote; '
                "inside single quotes there can be none."
            ),
        )
    value = match.group(1)
    if double:
        value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape.group(1), escape.group(1)), value)
    return value, after.end()


def _quoted(value: str) -> str:
    """The plainest form that every reader takes for this value."""
    if _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    if not _NEEDS_DOUBLE_QUOTES.search(value):
        return f"'{value}'"
    return '"' + _TO_ESCAPE.sub(lambda found: "\\r" if found.group() == "\r" else f"\\{found.group()}", value) + '"'
