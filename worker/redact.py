"""Masking of secrets before anything is stored or sent.

A secret shows up in more forms than the one it was typed in: in a basic-auth header it is base64 at any alignment, in
an address URL-encoded, in a dump hex, in a structured log JSON-escaped. All of these are looked for, as plain text,
in one pass; every character that belongs to any of them is masked, also where two forms overlap.

Not looked for: base64 broken into lines, compressed or encrypted forms. Of a base64 character that holds bits of the
secret and of its neighbour, up to four bits of the secret at each end may stay.
"""

import json
import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final
from urllib.parse import quote, quote_plus

MARK: Final = "[redacted]"
MIN_LENGTH: Final = 6

_UNICODE_ESCAPE: Final = re.compile(r"\\u[0-9a-f]{4}")
_PERCENT: Final = re.compile(r"%[0-9A-F]{2}")
_URLSAFE: Final = str.maketrans("+/", "-_")
# What encoders leave alone: Python's quote, a path, JavaScript's encodeURIComponent and encodeURI.
_LEFT_ALONE: Final = ("", "/", "!'()*", ";/?:@&=+$,#!'()*")
_GO_JSON: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_DOTNET_JSON: Final = _GO_JSON | str.maketrans({"'": "\\u0027", "+": "\\u002b", "`": "\\u0060"})


def too_short(value: str) -> bool:
    """Whether this value is never masked: it would black out half the log. The form that takes a secret says so."""
    return len(value) < MIN_LENGTH or value.isspace()


def forms_of(secret: str) -> set[str]:
    """Every text that gives this secret away, each at least MIN_LENGTH characters; empty for one too short."""
    forms: set[str] = set()
    for value in _values(secret):
        forms |= {repr(value)[1:-1]} | _base64_forms(value) | _hex_forms(value) | _url_forms(value) | _json_forms(value)
        # Raw, a value of several lines is masked line by line; as a whole only where a short line would stay visible.
        if "\n" not in value or any(line.strip() and too_short(line) for line in value.split("\n")):
            forms.add(value)
    return {form for form in forms if not too_short(form)}


class Masker:
    """Masks a fixed set of secrets: `mask` for whole texts, `stream` (or `feed` and `flush`) for text in chunks."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: list[str] = sorted(set[str]().union(*(forms_of(secret) for secret in secrets)))
        self._pattern = re.compile(_pattern(self._forms, depth=3)) if self._forms else None
        self._first = re.compile(f"[{re.escape(''.join({form[0] for form in self._forms}))}]") if self._forms else None
        self._longest = max(map(len, self._forms), default=0)
        self._across_lines = any("\n" in form for form in self._forms)
        self._stream = MaskedStream(self)

    def mask(self, text: str) -> str:
        """The text with every secret replaced by MARK; the same text, byte for byte, where there is none."""
        if self._pattern is None or self._pattern.search(text) is None:
            return text
        pieces: list[str] = []
        done = 0
        for start, end in self.spans(text):
            pieces += (text[done:start], _mark(text[start:end]))
            done = end
        return "".join(pieces) + text[done:]

    def stream(self) -> "MaskedStream":
        """A new stream with a tail of its own: one for each source, say stdout and stderr of a container."""
        return MaskedStream(self)

    def feed(self, text: str) -> str:
        """`MaskedStream.feed` of the one stream that belongs to this masker."""
        return self._stream.feed(text)

    def flush(self) -> str:
        """`MaskedStream.flush` of the one stream that belongs to this masker."""
        return self._stream.flush()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each stretch to mask, in order; overlapping forms make one stretch."""
        if self._pattern is None:
            return
        start = end = 0
        found = self._pattern.search(text)
        while found:
            # Another form may begin inside this one: "secretAB" and "ABtoken" in "secretABtoken".
            if found.start() >= end:
                if end:
                    yield start, end
                start = found.start()
            end = max(end, found.end())
            found = self._pattern.search(text, found.start() + 1)
        if end:
            yield start, end

    def unfinished(self, text: str) -> int:
        """Where the longest tail begins that could still become a secret; the text's length where there is none."""
        size = len(text)
        if self._first is None:
            return size
        start = max(0, size - self._longest + 1)
        if not self._across_lines:
            start = max(start, text.rfind("\n") + 1)
        for candidate in self._first.finditer(text, start):
            tail = text[candidate.start() :]
            # Sorted, the forms that continue a tail stand right behind it.
            behind = bisect_right(self._forms, tail)
            if behind < len(self._forms) and self._forms[behind].startswith(tail):
                return candidate.start()
        return size


class MaskedStream:
    """Masks text that comes in chunks, as if it had come in one: holds back only what could still become a secret.

    Not for several threads at once.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""
        self._masked = 0  # how much of what is held belongs to a stretch whose MARK is already out
        self._shown = False  # that much is out as it is: `let_go`

    def feed(self, text: str) -> str:
        """What can be said by now; the rest comes with a later feed or the flush."""
        text = self._held + text
        return self._release(text, self._masker.unfinished(text))

    def flush(self) -> str:
        """What was held back. Only at the source's end: a secret that goes on after it is not recognized."""
        return self._release(self._held, len(self._held))

    @property
    def is_holding(self) -> bool:
        """Something waits for what follows it."""
        return len(self._held) > self._masked

    def let_go(self, most: int) -> str:
        """What is held back, where that is at most so many characters; "" for more.

        For a person who types: they see what they typed. Should it become a secret after all, the rest of that is masked.
        """
        if not self.is_holding or len(self._held) > most:
            return ""
        said, self._masked, self._shown = self._held[self._masked :], len(self._held), True
        return said

    def _release(self, text: str, until: int) -> str:
        pieces: list[str] = []
        done, shown = self._masked, self._shown
        for start, end in self._masker.spans(text):
            if start >= until:
                break
            if start < done:
                # This goes on from a stretch whose mark is out: only further lines get one.
                mark = _mark(text[done:end])
                pieces.append(mark if shown else mark.removeprefix(MARK))
            else:
                pieces += (text[done:start], _mark(text[start:end]))
            done, shown = max(done, end), False
        pieces.append(text[done:until])
        self._held, self._masked = text[until:], max(0, done - until)
        self._shown = shown and done > until
        return "".join(pieces)


def _mark(masked: str) -> str:
    """One mark a line, so that masking never changes the number of lines."""
    return "\n".join([MARK] * (masked.count("\n") + 1))


def _values(secret: str) -> Iterator[str]:
    """The secret, and each line of one with several lines; all without white space around them too. Each once."""
    lines = secret.split("\n")
    for value in dict.fromkeys((secret, secret.strip(), *lines, *(line.strip() for line in lines))):
        if not too_short(value):
            yield value


def _base64_forms(value: str) -> set[str]:
    """For each alignment the characters that depend on nothing else, also with the end that a last value has."""
    data = _bytes(value)
    forms: set[str] = set()
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode("ascii")
        first = -(-before * 8 // 6)
        certain = (before + len(data)) * 8 // 6
        forms |= {encoded[first:certain], encoded[first:].rstrip("="), encoded[first:]}
    in_an_address = {form.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D") for form in forms}
    return forms | in_an_address | {form.translate(_URLSAFE) for form in forms}


def _hex_forms(value: str) -> set[str]:
    encoded = _bytes(value).hex()
    return {encoded, encoded.upper()}


def _url_forms(value: str) -> set[str]:
    forms = {quote(value, safe=safe, errors="surrogatepass") for safe in _LEFT_ALONE}
    forms |= {quote_plus(value, safe=safe, errors="surrogatepass") for safe in ("", "*")}
    forms |= {form.replace("~", "%7E") for form in forms}
    return forms | {_PERCENT.sub(_lower, form) for form in forms}


def _json_forms(value: str) -> set[str]:
    """As Python, JavaScript, Go, .NET and PHP (`\\/`) write it, and each once more inside another JSON string."""
    plain = {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    plain |= {form.translate(_GO_JSON) for form in plain}
    plain |= {form.replace('\\"', "\\u0022").translate(_DOTNET_JSON) for form in plain}
    plain |= {form.replace("/", "\\/") for form in plain}
    plain |= {_UNICODE_ESCAPE.sub(_upper_digits, form) for form in plain}
    return plain | {json.dumps(form, ensure_ascii=False)[1:-1] for form in plain}


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _lower(found: re.Match[str]) -> str:
    return found.group().lower()


def _upper_digits(found: re.Match[str]) -> str:
    return "\\u" + found.group()[2:].upper()


def _pattern(forms: Iterable[str], depth: int) -> str:
    """A pattern for the longest of these (sorted) forms, branched by their first characters for speed."""
    if depth == 0:
        return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return "|".join(
        f"{re.escape(character)}(?:{_pattern([form[1:] for form in group], depth - 1)})"
        for character, group in groupby(forms, key=itemgetter(0))
    )
