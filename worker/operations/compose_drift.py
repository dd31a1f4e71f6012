"""Where a Compose application on a server differs from the record, service by service. Pure but for the one look."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.engine.compose.left import Changed, Left, compared
from worker.engine.compose.sight import ONE_OFF, SERVICE, of_project, release_of
from worker.engine.container_host import Container, ContainerHost
from worker.operations.compose_pieces import Change, pieces, said_of

_LONGEST: Final = 290  # of what a seat keeps


@dataclass(frozen=True, slots=True)
class ComposeDrift:
    """`words` are "" where nothing differs; `changes` as a Plan's; `status` tells it from others of the same words."""

    words: str
    changes: list[Change]
    status: str


def compose_containers(server: ContainerHost, project: str) -> list[Container]:
    """Everything of the project, ours or not; what was run by hand beside it is nobody's service."""
    found = of_project(server, project)
    return [each for each in found if each.labels.get(ONE_OFF, "").lower() != "true"]


def compose_drift(
    observed: Mapping[str, Any],
    release: int,
    whose: Mapping[str, str],
    containers: Sequence[Container],
    now: Mapping[str, Left],
) -> ComposeDrift:
    """What differs from what was seen at the end of the last deploy. `whose` are our labels; `now` is how each of ours is, by ID."""
    ours = [each for each in containers if whose.items() <= dict(each.labels).items()]
    recorded: dict[str, list[Mapping[str, Any]]] = {}
    for each in observed.get("containers", []):
        recorded.setdefault(each["service"], []).append(each)
    status = _status(containers)
    if not recorded:
        return ComposeDrift("", [], status)
    if not ours:
        return ComposeDrift(f"Release {release} is on record, but no container of it is there.", [], status)
    said: list[str] = []
    changes: list[Change] = []
    differing = []
    for name, before in recorded.items():
        there = [each for each in ours if each.labels.get(SERVICE) == name]
        said += _service(name, before, there)
        for left, differs in _by_hand(before, there, now):
            whom = name if len(there) == 1 else str(left["name"])
            said += said_of(whom, differs)
            changes += pieces(whom, differs)
            differing.append(left)
    others = [each.name for each in containers if each not in ours or each.labels.get(SERVICE, "") not in recorded]
    if others:
        said.append(f"{', '.join(sorted(others))} {'is' if len(others) == 1 else 'are'} there besides")
    return ComposeDrift(_sentence(said) if said else "", changes, _status(containers, differing))


def has_left(observed: Mapping[str, Any]) -> bool:
    """Whether it is on record how any container was left."""
    return any(each.get("left") for each in observed.get("containers", []))


def _by_hand(
    before: Sequence[Mapping[str, Any]], there: Sequence[Container], now: Mapping[str, Left]
) -> list[tuple[Left, Changed]]:
    left = [each["left"] for each in before if each.get("left")]
    return [(each, differs) for each, differs in compared(left, [now.get(one.id, {}) for one in there]) if differs]


def _status(containers: Sequence[Container], differing: Sequence[Left] = ()) -> str:
    """All that the words are made of: the same words may be said of another image, or be cut before what is new."""
    rows = [
        f"{each.id} {each.image_id} {each.status if each.running else 'down'} {each.health == 'unhealthy'}"
        for each in containers
    ]
    rows += [json.dumps(each, sort_keys=True) for each in differing]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _service(name: str, before: Sequence[Mapping[str, Any]], now: Sequence[Container]) -> list[str]:
    if not now:
        return [f"{name} is missing"]
    if len(now) != len(before):
        return [f"{name} has {len(now)} containers instead of {len(before)}"]
    said = []
    images = {each["image_id"] for each in before}
    if any(each.image_id not in images for each in now):
        said.append(f"{name} runs another image, of release {max(release_of(each) for each in now) or 'nobody knows'}")
    if all(each.get("running", True) for each in before):
        stopped = [each for each in now if not each.up]
        said += [_stopped(name, each) for each in stopped[:1]]
        said += [f"{name} is unhealthy" for each in now if each.health == "unhealthy"][:1]
    return said


def _stopped(service: str, container: Container) -> str:
    if container.paused:
        return f"{service} is paused and answers nobody (docker unpause {container.name}, or redeploy)"
    return f"{service} is {container.status}"


def _sentence(said: Sequence[str]) -> str:
    text = f"{'; '.join(said)}."
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
