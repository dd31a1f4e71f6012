"""What a Dockerfile is built on. Pure; it reads what it needs and leaves judging the rest to BuildKit."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\1")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^{}]*))?\})")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,500}", re.ASCII)
_FROM_OPTION = re.compile(r"(?:^|[\s,])from=([^\s,]+)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its continuation lines joined; `line` is where it begins, counted from 1."""

    line: int
    word: str  # in capitals
    rest: str


@dataclass(slots=True)
class _Stage:
    base: str
    name: str = ""
    copies_from: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in their order: comments and the insides of heredocs left out."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = directives(text).get("escape", "\\")
    number = 0
    while number < len(lines):
        begun, joined = number, ""
        while number < len(lines):
            piece = lines[number]
            number += 1
            if piece.lstrip().startswith("#") or (joined and not piece.strip()):
                continue
            goes_on = piece.rstrip().endswith(escape)
            joined += piece.rstrip()[: -len(escape)] if goes_on else piece
            if not goes_on:
                break
        word, _, rest = joined.strip().partition(" ")
        if not word:
            continue
        yield Instruction(_first_line(lines, begun) + 1, word.upper(), rest.strip())
        if word.upper() in ("RUN", "COPY", "ADD"):
            for _, end in _HEREDOC.findall(rest):
                number = _after(lines, number, end)


def directives(text: str) -> dict[str, str]:
    """`# syntax=…` and `# escape=…`, which count only at the very top."""
    found: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        found[match[1].lower()] = match[2]
    return found


def can_be_asked(reference: str) -> bool:
    """It can be an image's name, and no path to something else of the engine's."""
    return _REFERENCE.fullmatch(reference) is not None and ".." not in reference and "//" not in reference


def base_images(dockerfile_text: str, args: Mapping[str, str], target: str = "") -> list[str]:
    """References of the images that building `target` (by default the last stage) begins from or copies from.

    In their order, each once, as written once ARGs before the first FROM are put in (`args` override their defaults);
    stages of the file and `scratch` aren't among them. What can't be put in stays as it is written.
    """
    stages = _stages(dockerfile_text, args)
    numbers = {stage.name.lower(): number for number, stage in enumerate(stages) if stage.name}
    wanted = _wanted(stages, numbers, target)
    found: dict[str, None] = {}
    for number in sorted(wanted):
        stage = stages[number]
        for source in (stage.base, *stage.copies_from):
            if _stage_number(source, numbers, number) is None and source.lower() != "scratch":
                found[source] = None
    return list(found)


def _stages(text: str, args: Mapping[str, str]) -> list[_Stage]:
    stages: list[_Stage] = []
    known: dict[str, str] = dict(args)
    for each in instructions(text):
        if each.word == "FROM":
            words = [word for word in each.rest.split() if not word.startswith("--")]
            named = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
            stages.append(_Stage(expand(words[0], known) if words else "", named))
        elif each.word == "ARG" and not stages:
            known = with_defaults(each.rest, known, args)
        elif stages and each.word in ("COPY", "RUN", "ADD"):
            flags = " ".join(takewhile(lambda word: word.startswith("--"), each.rest.split()))
            stages[-1].copies_from += _FROM_OPTION.findall(flags.replace("--from=", " from="))
    return [stage for stage in stages if stage.base]


def with_defaults(rest: str, known: Mapping[str, str], args: Mapping[str, str]) -> dict[str, str]:
    """What is known once `NAME=value …` was read too, for names that `args` don't set."""
    result = dict(known)
    for word in re.findall(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+", rest):
        name, has_default, value = word.partition("=")
        if has_default and name not in args:
            result[name] = expand(value.replace('"', "").replace("'", ""), result)
    return result


def expand(text: str, known: Mapping[str, str]) -> str:
    """The text with what is known put in; the rest stays as written."""

    def put_in(match: re.Match[str]) -> str:
        if match[0] == "\\$":
            return "$"
        value = known.get(match[1] or match[2])
        kind, word = match[3] or "", match[4] or ""
        there = bool(value) if kind.startswith(":") else value is not None
        if kind.endswith("-"):
            return value if there and value is not None else word
        if kind.endswith("+"):
            return word if there else ""
        return match[0] if value is None else value

    return _VARIABLE.sub(put_in, text.strip("\"'"))


def _wanted(stages: Sequence[_Stage], numbers: Mapping[str, int], target: str) -> set[int]:
    """The stages that have to be built; all of them for a target that isn't there: BuildKit will say so."""
    if not stages:
        return set()
    last = _stage_number(target, numbers, len(stages)) if target else len(stages) - 1
    if last is None:
        return set(range(len(stages)))
    wanted, ahead = set[int](), [last]
    while ahead:
        number = ahead.pop()
        wanted.add(number)
        sources = (stages[number].base, *stages[number].copies_from)
        found = (_stage_number(source, numbers, number) for source in sources)
        ahead += [each for each in found if each is not None and each not in wanted]
    return wanted


def _stage_number(source: str, numbers: Mapping[str, int], before: int) -> int | None:
    """The stage that a name or number means, among those before this one."""
    number = int(source) if source.isdecimal() and source.isascii() else numbers.get(source.lower())
    return number if number is not None and number < before else None


def _first_line(lines: Sequence[str], begun: int) -> int:
    while lines[begun].lstrip().startswith("#") or not lines[begun].strip():
        begun += 1
    return begun


def _after(lines: Sequence[str], number: int, end: str) -> int:
    """Behind a heredoc that ends with `end`; the file's end where it never does."""
    while number < len(lines):
        number += 1
        if lines[number - 1].lstrip("\t") == end:
            break
    return number
