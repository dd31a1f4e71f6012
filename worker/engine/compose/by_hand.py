"""Which services somebody changed by hand since they were left: Compose itself doesn't see it, and would leave them so."""

from worker.engine.compose.left import compared, read_all
from worker.engine.compose.sight import Sight
from worker.engine.compose.spec import ComposeSpec
from worker.engine.container_host import ContainerHost


def changed_by_hand(spec: ComposeSpec, host: ContainerHost, sight: Sight) -> frozenset[str]:
    """By name. What this Target has made itself is as it is to be."""
    own = str(spec.identity.target)
    there = {
        name: [each for each in several if each.labels.get("estiva.target") != own]
        for name, several in sight.services.items()
        if spec.left.get(name)
    }
    now = read_all(host, (each for several in there.values() for each in several), spec.left_key)
    return frozenset(
        name
        for name, several in there.items()
        if any(differs for _, differs in compared(spec.left[name], [now[each.id] for each in several]))
    )
