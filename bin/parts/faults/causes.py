"""What people are told of a failure, held against all causes it could have had: the right one's words are there, and no other's.

Nothing here knows Estiva: the patterns are written from what a person has to learn, each so that only its own cause's text matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PARTS: Final = ("what", "why", "remedy")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f…]+")
Outcome = Mapping[str, Any]


@dataclass(frozen=True)
class Cause:
    """Why something failed. Each pattern has to be found in the part of the outcome that bears its name."""

    name: str
    what: str
    why: str
    remedy: str

    def missing(self, outcome: Outcome) -> list[str]:
        """The parts that don't say what they have to."""
        return [part for part in PARTS if not re.search(getattr(self, part), _text(outcome, part), re.DOTALL)]


class Told:
    """What was told so far, of causes of which no two may be told alike."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        self._causes = causes
        self._said: dict[str, Cause] = {}

    def wrong(self, cause: Cause, outcome: Outcome, *names: str) -> Iterator[str]:
        """What is wrong with an outcome that this cause had; `names` are words that would differ anyway, such as the application's."""
        for part in cause.missing(outcome):
            yield f"{cause.name}: its {part} is told as: {_text(outcome, part) or 'nothing'}"
        for other in self._causes:
            if other != cause and not other.missing(outcome):
                yield f"{cause.name} is told as if it were: {other.name}"
        said = _bare(outcome, names)
        known = self._said.setdefault(said, cause)
        if known != cause:
            yield f"{cause.name} is told in the same words as {known.name}: {said}"


def _text(outcome: Outcome, part: str) -> str:
    return str(outcome.get(part) or "")


def _bare(outcome: Outcome, names: Sequence[str]) -> str:
    said = _DIGEST.sub("DIGEST", " ".join(_text(outcome, part) for part in PARTS))
    for name in sorted(names, key=len, reverse=True):
        said = said.replace(name, "NAME")
    return said
