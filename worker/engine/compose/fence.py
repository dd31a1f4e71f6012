"""Becoming the only one who can bring a project up on a server. What holds and what doesn't: see the package."""

import re
from collections.abc import Sequence

from worker.engine.compose.compose_host import ComposeHost, Resource
from worker.engine.errors import HostError, NewerFence
from worker.engine.spec import Identity


def fence_volume(identity: Identity, project: str) -> str:
    """The volume that stands for our fence."""
    return f"{_stem(identity, project)}{identity.fence}"


def fences(resources: Sequence[Resource], identity: Identity, project: str) -> dict[int, str]:
    """The fences that this project has on the server, with their volumes."""
    pattern = re.compile(re.escape(_stem(identity, project)) + r"(\d+)")
    found = ((pattern.fullmatch(each.name), each) for each in resources if each.kind == "volume")
    return {int(match[1]): each.name for match, each in found if match}


def hold(host: ComposeHost, identity: Identity, project: str) -> dict[int, str]:
    """Look, and make sure that nobody newer was here: else `NewerFence`. The fences that are there."""
    found = fences(host.resources(), identity, project)
    highest = max(found, default=0)
    if highest > identity.fence:
        raise NewerFence(f"{project} on this server bears a newer fence than {identity.fence}.", highest)
    return found


def take(host: ComposeHost, identity: Identity, project: str) -> None:
    """Make our fence the only one and wait until no earlier run is at work; `HostError` when one doesn't end."""
    hold(host, identity, project)
    host.ensure_volume(fence_volume(identity, project), _labels(identity))
    try:
        found = hold(host, identity, project)
    except NewerFence:
        host.remove_volume(fence_volume(identity, project))
        raise
    for fence, name in found.items():
        if fence < identity.fence:
            host.remove_volume(name)
    if not host.compose_end(project, identity.fence):
        raise HostError(
            f"An earlier run of Compose is still at work on {project}.",
            why="It belongs to a worker that was cut off, and it did not end when it was asked to.",
            remedy="Wait a minute and deploy again; on the server `pgrep -af 'compose.*estiva'` shows it.",
        )


def _stem(identity: Identity, project: str) -> str:
    return f"estiva-{identity.installation}-{project}.f"


def _labels(identity: Identity) -> dict[str, str]:
    return {"estiva.installation": identity.installation, "estiva.placement": str(identity.placement)}
