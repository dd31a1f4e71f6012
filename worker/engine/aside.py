"""Start-first: the old version gives up its names before it is told to end, so that nobody new comes while it finishes what it began.

Docker's name server answers with the addresses of all that bear a name, and knows no way of taking it from a container that goes
on serving, but one: to leave the network, and to join it again without names at the very same address. What was being asked
goes on after a moment, since nothing of its connection changed. That a container can be given an address is only so in
networks whose subnet was given: those that Estiva makes (`KEPT_LABEL`). In any other the old one keeps its names to its end.

The names are kept on the container itself, under a prefix, for a worker that comes after one that died here, and goes back.
"""

from contextlib import suppress

from worker.engine.container_host import Container
from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.fixed_policy import facts_of
from worker.engine.inventory import Owned, as_recorded
from worker.engine.options import NetworkSpec
from worker.engine.run import Run, Steps
from worker.engine.second_look import still_as_proven

KEPT_LABEL = "estiva.addresses"  # on a network: its containers can be given addresses
KEPT = "kept"
_PREFIX = "formerly-"
_LINGER = 1.2  # seconds: for what was asked, and who found the address just before; what got lost is sent again after 1
_GLANCE = 0.15  # seconds: how often the new one is looked at meanwhile, since nobody else is found by the names


def step_aside(run: Run, old: Container) -> Steps:
    """What both versions are called, the new one alone is called now; a moment later the old one has nothing left to do.

    No refusal here keeps a deploy from success: the old one ends then while it is still found by its names. `StepFailed` as
    soon as the new one is seen not to be as it was proven.
    """
    shared = {
        network.name: names
        for network in run.spec.container.networks
        if (names := sorted(set(network.aliases) & set(old.network_aliases.get(network.name, ()))))
    }
    if not shared:
        return
    for network, names in shared.items():
        try:
            yield from _leave_names(run, old, network, names)
        except HostError as error:
            yield Line(f"{old.name} could not give up its names in {network}: {error.message}", level="warn")
    _linger(run)


def _linger(run: Run) -> None:
    until = run.host.now() + _LINGER
    while (left := until - run.host.now()) > 0:
        run.host.wait(min(_GLANCE, left))
        with suppress(HostError):  # whoever stops the old one looks once more, and takes no refusal for an answer
            still_as_proven(run, run.host.container(run.candidate))


def names_back_at_once(run: Run, name: str) -> Steps:
    """The new one went wrong before the old one was stopped: nobody finds either until the old one is called that again.

    What is refused here is tried again by the restoration, which looks at everything.
    """
    try:
        old = run.host.container(name)
        if old is not None:
            yield from names_back(run, Owned(as_recorded(old, run.identity)))
    except HostError as error:
        yield Line(f"{name} could not have its names back yet: {error.message}", level="warn")


def _leave_names(run: Run, old: Container, network: str, names: list[str]) -> Steps:
    address = old.networks.get(network)
    if not address or not run.host.keeps_addresses(network):
        return
    run.host.disconnect_network(network, old.name)
    run.host.connect_network(network, old.name, [f"{_PREFIX}{name}" for name in names], ipv4=address)
    yield Line(f"{old.name} is not found as {', '.join(names)} on {network} any more; it finishes what it began.")


def names_back(run: Run, old: Owned) -> Steps:
    """Before the old version is to serve again: the names that it gave up. One that was never stopped keeps its address."""
    container = old.container
    for network, aliases in container.network_aliases.items():
        names = [each.removeprefix(_PREFIX) for each in aliases if each.startswith(_PREFIX)]
        if names:
            address = container.networks.get(network, "") if container.running else ""
            kept = address if address and run.host.keeps_addresses(network) else ""  # for what it is being asked
            run.host.disconnect_network(network, old.name)
            run.host.connect_network(network, old.name, names, ipv4=kept)
            yield Line(f"{old.name} answers as {', '.join(names)} on {network} again.")
    for spec in _lost(run, container):
        try:
            run.host.connect_network(spec.name, old.name, spec.aliases)
        except HostError as error:  # somebody may have removed that network: whether it serves is judged next
            yield Line(f"{old.name} could not join network {spec.name} again: {error.message}", level="warn")
        else:
            yield Line(f"{old.name} joined network {spec.name} again.")


def _lost(run: Run, container: Container) -> list[NetworkSpec]:
    """Where a worker died between leaving and joining: nobody wrote down there what the old one was called."""
    joined = run.spec.incumbent_networks
    if not joined and not container.networks:
        joined = run.spec.container.networks  # its own aren't on record; it would be reached by nobody
    if container.network_mode not in {each.name for each in joined}:
        return []
    return [each for each in joined if each.name not in container.networks]


def kept_addresses(run: Run) -> dict[str, str]:
    """The label for a network that is made now. Not for podman, whose networks' ways are others."""
    return {} if facts_of(run).product == "Podman" else {KEPT_LABEL: KEPT}
