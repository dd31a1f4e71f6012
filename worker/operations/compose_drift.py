"""Where a Compose application on a server differs from the record, service by service. Pure but for the one look."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from worker.engine.compose.sight import ONE_OFF, SERVICE, of_project, release_of
from worker.engine.container_host import Container, ContainerHost

_LONGEST: Final = 290  # of what a seat keeps


def compose_containers(server: ContainerHost, project: str) -> list[Container]:
    """Everything of the project, ours or not; what was run by hand beside it is nobody's service."""
    found = of_project(server, project)
    return [each for each in found if each.labels.get(ONE_OFF, "").lower() != "true"]


def compose_drift_words(
    observed: Mapping[str, Any], release: int, whose: Mapping[str, str], containers: Sequence[Container]
) -> str:
    """What differs from what was seen at the end of the last deploy; "" when nothing does. `whose` are our labels."""
    ours = [each for each in containers if whose.items() <= dict(each.labels).items()]
    recorded: dict[str, list[Mapping[str, Any]]] = {}
    for each in observed.get("containers", []):
        recorded.setdefault(each["service"], []).append(each)
    if not recorded:
        return ""
    if not ours:
        return f"Release {release} is on record, but no container of it is there."
    said = []
    for name, before in recorded.items():
        now = [each for each in ours if each.labels.get(SERVICE) == name]
        said += _service(name, before, now)
    others = [each.name for each in containers if each not in ours or each.labels.get(SERVICE, "") not in recorded]
    if others:
        said.append(f"{', '.join(sorted(others))} {'is' if len(others) == 1 else 'are'} there besides")
    return _sentence(said) if said else ""


def compose_status(containers: Sequence[Container]) -> str:
    """All that the words are made of: the same words may be said of another image, or be cut before what is new."""
    rows = [
        f"{each.id} {each.image_id} {each.status if each.running else 'down'} {each.health == 'unhealthy'}"
        for each in containers
    ]
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
        stopped = [each for each in now if not each.running or each.status == "restarting"]
        said += [f"{name} is {each.status}" for each in stopped[:1]]
        said += [f"{name} is unhealthy" for each in now if each.health == "unhealthy"][:1]
    return said


def _sentence(said: Sequence[str]) -> str:
    text = f"{'; '.join(said)}."
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
