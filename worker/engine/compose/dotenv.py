"""Files of variables (`.env`, `env_file`), by Compose's rules. Pure."""

import re
from collections.abc import Callable

from worker.engine.compose.interpolate import interpolate

_ENTRY = re.compile(r"(?:export[ \t]+)?(?P<name>[^\s=:#'\"]+)[ \t]*(?P<sign>[=:])?[ \t]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "'": "'"}


class BadFile(ValueError):
    """Not a file of variables; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")


def read_dotenv(text: str, lookup: Callable[[str], str | None]) -> dict[str, str]:
    """The variables in their order. `lookup` knows those outside; one that stands earlier in the file goes before them.

    Single quotes are literal, double quotes know escapes and variables, a name alone takes the value from outside (and
    is left out when there is none).
    """
    found: dict[str, str] = {}
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    at = 0

    def known(name: str) -> str | None:
        return found[name] if name in found else lookup(name)

    while at < len(text):
        if text[at] in " \t\n":
            at += 1
            continue
        if text[at] == "#":
            at = _end_of_line(text, at)
            continue
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise BadFile(text.count("\n", 0, at) + 1, "a name and = are expected here.")
        if entry["sign"] is None:
            value = lookup(entry["name"])
            if value is not None:
                found[entry["name"]] = value
            at = _rest(text, entry.end())
            continue
        found[entry["name"]], at = _value(text, entry.end(), known)
    return found


def _value(text: str, at: int, lookup: Callable[[str], str | None]) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote not in ("'", '"') or not quote:
        end = _end_of_line(text, at)
        bare = re.split(r"(?:^|[ \t]+)#", text[at:end], maxsplit=1)[0].strip()
        return interpolate(bare, lookup), end
    end = at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" and quote == '"' else 1
    if end >= len(text):
        raise BadFile(text.count("\n", 0, at) + 1, f"the quote {quote} is never closed.")
    inner = text[at + 1 : end]
    if quote == '"':
        inner = interpolate(inner.replace("\\$", "$$"), lookup)
        inner = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), inner)
    return inner, _rest(text, end + 1)


def _rest(text: str, at: int) -> int:
    """Behind a value only blanks or a comment may stand."""
    end = _end_of_line(text, at)
    rest = text[at:end].strip()
    if rest and not rest.startswith("#"):
        raise BadFile(text.count("\n", 0, at) + 1, "something stands behind the value.")
    return end


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end == -1 else end
