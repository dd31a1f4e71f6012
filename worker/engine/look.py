"""What a server runs for a Placement right now: for drift, and for the pages. Changes nothing."""

from dataclasses import dataclass

from worker.engine.container_host import Container, ContainerHost, LocalImage
from worker.engine.events import Observed
from worker.engine.inventory import take_inventory
from worker.engine.spec import Identity
from worker.engine.verify import observed_of


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen. `observed` is what serves or would; None when nothing of the Placement is there.

    `health` is the image's own word ("" where it has no check). `others` are further containers of the Placement, by
    name: left by deploys that never ended. `policy_held` says that a deploy holds the restart policy, or somebody
    changed it.
    """

    observed: Observed | None
    running: bool = False
    status: str = ""
    health: str = ""
    restart_count: int = 0
    target: int | None = None
    fence: int = 0
    policy_held: bool = False
    others: tuple[str, ...] = ()
    container: Container | None = None
    image: LocalImage | None = None


def look(identity: Identity, host: ContainerHost) -> Sight:
    """Look once. `identity.target` plays no part: every container of the Placement counts alike."""
    nobody = Identity(
        identity.installation,
        identity.placement,
        identity.placement_name,
        identity.release,
        identity.deployment,
        target=-1,
        fence=identity.fence,
        incumbent_target=identity.incumbent_target,
        adopted=identity.adopted,
    )
    inventory = take_inventory(host, nobody)
    serving = inventory.incumbent
    if serving is None:
        return Sight(None)
    container = serving.container
    image = host.local_image(container.image_id)
    return Sight(
        observed=observed_of(container, serving.release, image),
        running=container.up,
        status=container.status,
        health=container.health,
        restart_count=container.restart_count,
        target=serving.target,
        fence=max(each.fence for each in inventory.everything),
        policy_held=not serving.has_wanted_policy,
        others=tuple(each.name for each in inventory.leftovers),
        container=container,
        image=image,
    )
