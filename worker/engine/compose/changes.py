"""What a deploy would change, service by service, in words. Pure; values of variables are never said."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from worker.engine.compose.model import CONFIG_LABEL, OWN_LABELS, Model
from worker.engine.compose.names import AWAITED, shown

_UNSAID = ("image", "environment", "labels", "depends_on", "command", "entrypoint")
_WORDS = {"ports": "published ports", "volumes": "mounts", "healthcheck": "health check", "deploy": "resources"}


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What becomes of one service. `reasons` in words; `before` and `after` are images."""

    service: str
    kind: Literal["added", "removed", "recreated", "unchanged"]
    reasons: tuple[str, ...] = ()
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        reasons = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.service} {_SENTENCES[self.kind]}{reasons}"


_SENTENCES = {
    "added": "is new",
    "removed": "goes; its volumes stay",
    "recreated": "is recreated",
    "unchanged": "stays as it runs",
}


def compose_changes(running: Model | None, new: Model, by_hand: Collection[str] = ()) -> list[ServiceChange]:
    """From the model that serves to the one that comes; both pinned. In the order of names.

    What somebody changed `by_hand` is made anew, whatever the models say.
    """
    before = running.services if running else {}
    found = []
    for name in sorted({*before, *new.services}):
        old, coming = before.get(name), new.services.get(name)
        if coming is None or old is None:
            kind: Literal["added", "removed"] = "removed" if coming is None else "added"
            found.append(ServiceChange(name, kind, (), _image(old), _image(coming)))
            continue
        reasons = tuple(_reasons(old, coming))
        if running is not None:
            reasons += tuple(_texts(running, new, coming))
        if name in by_hand:
            reasons += ("it was changed by hand",)
        found.append(ServiceChange(name, "recreated" if reasons else "unchanged", reasons, _image(old), _image(coming)))
    return found


def _reasons(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    if _is_awaited(new):
        yield "its image is built anew"
    elif _image(old) != _image(new):
        yield f"image {shown(_image(old))} → {shown(_image(new))}"
    yield from _pairs("variables", old.get("environment") or {}, new.get("environment") or {})
    yield from _pairs("labels", _labels(old), _labels(new))
    if any((old.get(key) or None) != (new.get(key) or None) for key in ("command", "entrypoint")):
        yield "another command"
    for key in sorted({*old, *new} - {*_UNSAID}):
        if (old.get(key) or None) != (new.get(key) or None):
            yield f"{_WORDS.get(key, key.replace('_', ' '))} changed"


def _pairs(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    """Names alone: a value may be a secret."""
    named = {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(key for key in old.keys() & new.keys() if old[key] != new[key]),
    }
    said = [f"{', '.join(names)} {how}" for how, names in named.items() if names]
    if said:
        yield f"{what}: {', '.join(said)}"


def _texts(running: Model, new: Model, body: Mapping[str, Any]) -> Iterable[str]:
    for each in body.get("configs") or []:
        source = each.get("source", "")
        old = (running.tree.get("configs") or {}).get(source)
        if old is not None and old != (new.tree.get("configs") or {}).get(source):
            yield f"the file {each.get('target', source)} changed"


def _labels(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (body.get("labels") or {}).items() if key not in (*OWN_LABELS, CONFIG_LABEL)}


def _image(body: Mapping[str, Any] | None) -> str:
    return "" if _is_awaited(body) else str((body or {}).get("image") or "")


def _is_awaited(body: Mapping[str, Any] | None) -> bool:
    return str((body or {}).get("image")).startswith(f"{AWAITED}:")
