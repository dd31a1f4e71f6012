"""What a pasted snippet comes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.utils.translation import gettext as _t

Fate = Literal["used", "not_understood", "left_out", "shell"]
"""What became of a word: it is in the result, it is listed, or it is the shell's own (operators, comments, prompts)."""

MOST_CHARACTERS: Final = 20_000
_MOST_NOTES: Final = 200


@dataclass(frozen=True, slots=True)
class Note:
    """Something written (`text`, as it stands) and why it isn't in the settings; `line` counts from 1."""

    text: str
    why: str
    line: int = 0


def bearable(notes: Sequence[Note]) -> tuple[Note, ...]:
    """As many as a person may read; the last says how many more there are, and from which line on."""
    if len(notes) <= _MOST_NOTES:
        return tuple(notes)
    kept, rest = notes[: _MOST_NOTES - 1], notes[_MOST_NOTES - 1 :]
    why = _t("And %(count)s more like these from here on. Paste only the lines that matter.") % {"count": len(rest)}
    return (*kept, Note("…", why, rest[0].line))


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable. `needs_value`: the shell would have put something in, which is known to nobody here."""

    name: str
    value: str
    is_secret: bool
    needs_value: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """A `docker build` of the snippet. `args` are name and value, the value None where only the name was given."""

    tags: tuple[str, ...] = ()
    context: str = ""
    dockerfile: str = ""
    target: str = ""
    platform: str = ""
    args: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Repository:
    """A `git clone` of the snippet."""

    url: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Accounted:
    """A piece of the text, by its place, and what became of it. All of them together hold every visible character."""

    start: int
    end: int
    fate: Fate


@dataclass(frozen=True, slots=True)
class RunLine:
    """What was read.

    `image` is as written ("" where there is none) and need not be valid; `settings` always is what
    `container_settings.normalise` takes, and holds only what was said. `build` is the one whose result `image` is.
    """

    image: str = ""
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    builds: tuple[Build, ...] = ()
    repository: Repository | None = None
    not_understood: tuple[Note, ...] = ()
    left_out: tuple[Note, ...] = ()
    account: tuple[Accounted, ...] = ()

    @property
    def build(self) -> Build | None:
        """The build that makes the image, else None."""
        wanted = _tagged(self.image)
        return next((each for each in self.builds if self.image and wanted in map(_tagged, each.tags)), None)


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
