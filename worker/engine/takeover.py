"""Becoming the only one who can change a Placement's containers: everything gets a name with our fence.

A worker that lost its lease without knowing it still addresses the old names, and meets 404 or 409. One thing it can
still do is create a container under a name of its own fence, so one looks again after the first change, and sweeps.
"""

from collections.abc import Generator, Mapping
from contextlib import suppress

from worker.engine.container_host import ContainerHost
from worker.engine.errors import Conflict, HostError, NewerFence, NotFound
from worker.engine.events import Event
from worker.engine.inventory import Inventory, labels_of, lower_fences, take_inventory
from worker.engine.names import fence_of, fenced
from worker.engine.spec import Identity
from worker.engine.strangers import name_taken

_ROUNDS = 20  # each round lost means that another worker renamed at the same moment: it does so a few times at most


def take_over(host: ContainerHost, identity: Identity, incumbent_id: str = "") -> Generator[Event, None, Inventory]:
    """Rename what is there to our fence; the inventory afterwards. `LeaseLost` when a newer holder was here."""
    refused: set[str] = set()
    for _ in range(_ROUNDS):
        inventory = held_inventory(host, identity, incumbent_id)
        incumbent_id = incumbent_id or (inventory.incumbent.container.id if inventory.incumbent else "")
        lower = lower_fences(inventory.everything, identity.fence)
        if not lower:
            return inventory
        taken = set(inventory.names) | refused
        for each in lower:
            wanted = fenced(identity.placement_name, each.release, identity.fence, taken)
            taken.add(wanted)
            try:
                host.rename(each.name, wanted)
            except NotFound:
                continue  # somebody else renamed or removed it meanwhile: the next round sees
            except Conflict:
                refused.add(wanted)  # held by a container that isn't ours
                yield name_taken(host, identity, wanted)
    raise HostError(
        f"The containers of {identity.placement_name} keep being renamed by somebody else.",
        why="Another worker with an older claim seems to be at work on the same server.",
        remedy="Wait a minute and deploy again.",
    )


def held_inventory(host: ContainerHost, identity: Identity, incumbent_id: str = "") -> Inventory:
    """Look, and make sure that nobody newer holds this Placement on this server: else `LeaseLost`."""
    inventory = take_inventory(host, identity, incumbent_id)
    fences = {each.name: each.fence for each in inventory.everything}
    if any(fence > identity.fence for fence in fences.values()):
        raise _newer(fences, identity)
    return inventory


def _newer(fences: Mapping[str, int], identity: Identity) -> NewerFence:
    name, highest = max(fences.items(), key=lambda each: each[1])
    return NewerFence(f"{name} bears a newer fence than {identity.fence}.", highest)


def sweep(host: ContainerHost, identity: Identity, own: str) -> list[str]:
    """Remove what a stale holder created since we took over; the names removed.

    If it turns out that we are the stale one, our own container `own` goes (its name bears our fence: a newer holder
    who adopted it has renamed it), and `LeaseLost` is raised.
    """
    fences = {name: fence_of(name) for name in host.names(labels_of(identity))}
    if any(fence > identity.fence for fence in fences.values()):
        discard(host, own)
        raise _newer(fences, identity)
    stale = [name for name, fence in fences.items() if fence < identity.fence]
    return [name for name in stale if discard(host, name)]


def discard(host: ContainerHost, name: str) -> bool:
    """Remove a container; False when it wasn't there any more."""
    with suppress(NotFound):
        host.remove(name)
        return True
    return False


def fresh_name(inventory: Inventory, identity: Identity, refused: set[str]) -> str:
    """A name for our candidate that nothing of ours and nothing in `refused` has."""
    return fenced(identity.placement_name, identity.release, identity.fence, set(inventory.names) | refused)
