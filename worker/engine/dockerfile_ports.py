"""Which ports the image of a Dockerfile says it listens on. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from worker.engine.dockerfile import expand, instructions, with_defaults

_PORT: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp))?", re.IGNORECASE | re.ASCII)
_MOST: Final = 20

Port = tuple[int, str]


@dataclass(slots=True)
class _Stage:
    known: dict[str, str] = field(default_factory=dict)
    ports: dict[Port, None] = field(default_factory=dict)


def exposed_ports(dockerfile_text: str) -> list[Port]:
    """(port, tcp or udp) of the last stage and of those it begins from, in their order, each once, at most twenty.

    Base images aren't asked. What only a build could put in is left out, as are long ranges.
    """
    stages: dict[str, _Stage] = {}
    before: dict[str, str] = {}  # ARGs above the first FROM
    stage: _Stage | None = None
    for each in instructions(dockerfile_text):
        if each.word == "FROM":
            words = [word for word in each.rest.split() if not word.startswith("--")]
            base = stages.get(expand(words[0], before).lower()) if words else None
            stage = _Stage(dict(base.known), dict(base.ports)) if base else _Stage()
            if len(words) > 2 and words[1].lower() == "as":
                stages[words[2].lower()] = stage
        elif each.word == "ARG" and stage is None:
            before = with_defaults(each.rest, before, {})
        elif each.word == "ARG" and stage is not None:
            declared = {name: before[name] for name in each.rest.split() if name in before}
            stage.known = with_defaults(each.rest, {**stage.known, **declared}, {})
        elif each.word == "ENV" and stage is not None:
            stage.known = _set(each.rest, stage.known)
        elif each.word == "EXPOSE" and stage is not None:
            for word in each.rest.split():
                stage.ports.update(dict.fromkeys(_ports(expand(word, stage.known))))
    return list(stage.ports)[:_MOST] if stage else []


def _set(rest: str, known: dict[str, str]) -> dict[str, str]:
    """`ENV NAME=value …`, or as of old `ENV NAME value`."""
    name, _, value = rest.partition(" ")
    return with_defaults(rest, known, {}) if "=" in name else {**known, name: expand(value.strip(), known)}


def _ports(word: str) -> list[Port]:
    found = _PORT.fullmatch(word)
    if found is None:
        return []
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= 65535 or last - first >= _MOST:
        return []
    return [(number, (found[3] or "tcp").lower()) for number in range(first, last + 1)]
