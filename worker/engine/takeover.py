"""Becoming the only one who can change a Placement's containers: everything gets a name with our fence.

A worker that lost its lease without knowing it still addresses the old names, and meets 404 or 409. One thing it can
still do is create a container under a name of its own fence, so one looks again after the first change, and sweeps.
"""

from contextlib import suppress

from worker.engine.container_host import ContainerHost
from worker.engine.errors import Conflict, HostError, LeaseLost, NewerFence, NotFound
from worker.engine.inventory import Inventory, higher_fence, lower_fences, take_inventory
from worker.engine.names import fenced
from worker.engine.spec import Identity

_ROUNDS = 20  # each round lost means that another worker renamed at the same moment: it does so a few times at most


def take_over(host: ContainerHost, identity: Identity, incumbent_id: str = "") -> Inventory:
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
    raise HostError(
        f"The containers of {identity.placement_name} keep being renamed by somebody else.",
        why="Another worker with an older claim seems to be at work on the same server.",
        remedy="Wait a minute and deploy again.",
    )


def held_inventory(host: ContainerHost, identity: Identity, incumbent_id: str = "") -> Inventory:
    """Look, and make sure that nobody newer holds this Placement on this server: else `LeaseLost`."""
    inventory = take_inventory(host, identity, incumbent_id)
    newer = higher_fence(inventory.everything, identity.fence)
    if newer is not None:
        highest = max(each.fence for each in inventory.everything)
        raise NewerFence(f"{newer.name} bears a newer fence than {identity.fence}.", highest)
    return inventory


def sweep(host: ContainerHost, identity: Identity, own: str) -> list[str]:
    """Remove what a stale holder created since we took over; the names removed.

    If it turns out that we are the stale one, our own container `own` goes (its name bears our fence: a newer holder
    who adopted it has renamed it), and `LeaseLost` is raised.
    """
    try:
        inventory = held_inventory(host, identity)
    except LeaseLost:
        discard(host, own)
        raise
    stale = lower_fences(inventory.everything, identity.fence)
    return [each.name for each in stale if discard(host, each.name)]


def discard(host: ContainerHost, name: str) -> bool:
    """Remove a container; False when it wasn't there any more."""
    with suppress(NotFound):
        host.remove(name)
        return True
    return False


def fresh_name(inventory: Inventory, identity: Identity, refused: set[str]) -> str:
    """A name for our candidate that nothing of ours and nothing in `refused` has."""
    return fenced(identity.placement_name, identity.release, identity.fence, set(inventory.names) | refused)
