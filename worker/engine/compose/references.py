"""Which files beside them Compose files refer to. Pure."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.compose.interpolate import BadInterpolation, Lookup, interpolate
from worker.engine.compose.prepare import env_files, services_of


@dataclass(frozen=True, slots=True)
class Reference:
    """`path` as it is written, its variables put in; `what` names it for people."""

    path: str
    what: str
    required: bool = True


def references(tree: Mapping[str, Any], lookup: Lookup) -> Iterator[Reference]:
    """Files of variables, of configs and of secrets. Paths of the server itself (absolute ones) are none of these.

    A path whose variables can't be put in is left out: `prepare` says what is wrong with it.
    """
    for name, body in services_of(tree).items():
        for written, required in env_files(body.get("env_file")):
            yield from _one(written, f"env_file of {name}", required, lookup)
    for kind in ("configs", "secrets"):
        entries = tree.get(kind)
        for name, body in entries.items() if isinstance(entries, dict) else ():
            if isinstance(body, dict) and isinstance(body.get("file"), str):
                yield from _one(body["file"], f"{kind[:-1]} {name}", True, lookup)


def _one(written: str, what: str, required: bool, lookup: Lookup) -> Iterator[Reference]:
    try:
        path = interpolate(written, lookup)
    except BadInterpolation:
        return
    if path and not posixpath.isabs(path):
        yield Reference(path, what, required)
