"""Flags and words of one command, cut the way Docker's own command line cuts them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deployments.run_line.flags import Flags
from deployments.run_line.shell import Word

_DASHES: Final = re.compile(r"[–—]-?(?=[A-Za-z])")


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag by its long name; `words` are those it was written in, `text` only its own part of them."""

    name: str
    value: str
    words: tuple[Word, ...]
    text: str

    @property
    def unresolved(self) -> tuple[str, ...]:
        """What in it a shell would have replaced."""
        return tuple(each for word in self.words for each in word.unresolved)

    @property
    def is_on(self) -> bool:
        """For a switch."""
        return self.value.lower() not in {"false", "0", "f"}


@dataclass(slots=True)
class Parsed:
    """`unknown` are flags that no table has, `valueless` ones whose value is missing at the end."""

    flags: list[Flag] = field(default_factory=list)
    rest: list[Word] = field(default_factory=list)
    unknown: list[Word] = field(default_factory=list)
    valueless: list[Word] = field(default_factory=list)
    dashes: list[Word] = field(default_factory=list)


def parse(words: Sequence[Word], table: Flags, *, mixed: bool = False) -> Parsed:
    """Flags up to the first other word; with `mixed` also those after it, as `docker build . -t x` has them."""
    parsed = Parsed()
    number = 0
    while number < len(words):
        text = dashed(words[number])
        if text == "--":
            parsed.dashes.append(words[number])
            parsed.rest.extend(words[number + 1 :])
            break
        if not text.startswith("-") or text == "-":
            if not mixed:
                parsed.rest.extend(words[number:])
                break
            parsed.rest.append(words[number])
            number += 1
            continue
        following, after = ([*words[number + 1 : number + 3], None, None])[:2]
        if text.startswith("--"):
            number += _long(parsed, table, words[number], following, after, text)
        else:
            number += _short(parsed, table, words[number], following, text)
    return parsed


def dashed(word: Word) -> str:
    """The value, its dashes repaired: word processors and blogs make one long dash of two."""
    found = None if word.is_quoted else _DASHES.match(word.value)
    if found is None:
        return word.value
    name = word.value[found.end() :]
    is_short = len(name) == 1 or (found.group() == "–" and not re.match(r"[A-Za-z][a-z-]{2,}", name))
    return ("-" if is_short else "--") + name


def _is_flag(table: Flags, word: Word) -> bool:
    """Surely one of this command's own."""
    text = dashed(word)
    return (
        text.startswith("-") and table.long(text.partition("=")[0] if text.startswith("--") else text[:2]) is not None
    )


def _long(parsed: Parsed, table: Flags, word: Word, following: Word | None, after: Word | None, text: str) -> int:
    """Read `--name`, `--name=value` or `--name value`; returns how many words that took."""
    name, equals, value = text.partition("=")
    long = table.long(name)
    if long is None:
        parsed.unknown.append(word)
        if not equals and following is not None and after is not None and _is_flag(table, after):
            parsed.unknown.append(following)  # the image can't be here: more of Docker's flags follow it
            return 2
    elif equals or not table.takes_value[name]:
        parsed.flags.append(Flag(long, value if equals else "true", (word,), word.raw))
    elif following is None:
        parsed.valueless.append(word)
    else:
        parsed.flags.append(Flag(long, following.value, (word, following), f"{word.raw} {following.raw}"))
        return 2
    return 1


def _short(parsed: Parsed, table: Flags, word: Word, following: Word | None, text: str) -> int:
    """Read `-itd`, `-p80:80`, `-p=80:80` or `-dp 80:80`; returns how many words that took."""
    for number in range(1, len(text)):
        name, behind = f"-{text[number]}", text[number + 1 :]
        long = table.long(name)
        if long is None:
            parsed.unknown.append(word)
            return 1
        if not table.takes_value[table.short[name]]:
            value, equals = behind.removeprefix("="), behind.startswith("=")
            parsed.flags.append(Flag(long, value if equals else "true", (word,), name))
            if equals:
                return 1
        elif behind:
            shown = word.raw if number == 1 else f"{name} {behind.removeprefix('=')}"
            parsed.flags.append(Flag(long, behind.removeprefix("="), (word,), shown))
            return 1
        elif following is None:
            parsed.valueless.append(word)
            return 1
        else:
            parsed.flags.append(Flag(long, following.value, (word, following), f"{name} {following.raw}"))
            return 2
    return 1
