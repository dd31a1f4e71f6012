"""The new container: adopted from an earlier attempt or created, started, and given its place once it is proven."""

from collections.abc import Generator, Mapping

from worker.engine.container_body import container_body
from worker.engine.diagnosis import port_is_taken, start_failed
from worker.engine.errors import Conflict, HostError
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.health import Proof
from worker.engine.inventory import ADOPTABLE, Inventory, Owned
from worker.engine.judging import prove
from worker.engine.ports import holders
from worker.engine.run import Run, Steps, attempt
from worker.engine.takeover import discard, fresh_name, sweep

_NAMES_TRIED = 5


def adopt_or_create(run: Run, inventory: Inventory, carried: Mapping[str, str]) -> Steps:
    """Sets `run.candidate`: what an earlier attempt of this Target made, if it still fits; else one that isn't started."""
    mine = inventory.mine
    if mine is not None and _fits(run, mine):
        run.candidate = mine.name
        again = "; what it has written since its start follows once more" if mine.running else ""
        yield Line(f"Going on with {mine.name}, which an earlier attempt made{again}.")
        return
    if mine is not None:
        yield Line(f"Removing {mine.name}, which an earlier attempt left ({mine.container.status}).")
        discard(run.host, mine.name)
    yield from _create(run, inventory, carried)


def _fits(run: Run, mine: Owned) -> bool:
    intended = run.image is not None and mine.container.image_id == run.image.id
    return intended and (mine.container.status in ADOPTABLE or run.past_return)


def _create(run: Run, inventory: Inventory, carried: Mapping[str, str]) -> Steps:
    host, container = run.host, run.spec.container
    labels = {"estiva.installation": run.identity.installation}
    if container.network is not None:
        network = container.network
        attempt(f"Network {network} could not be made on {run.server}", host.ensure_network, network, labels)
    for volume in container.volumes:
        attempt(
            f"Volume {volume.name} could not be made on {run.server}",
            host.ensure_volume,
            volume.name,
            labels,
        )
    body = container_body(run.spec, carried, with_aliases=run.strategy == "stop-first")
    refused: set[str] = set()
    while True:
        name = fresh_name(inventory, run.identity, refused)
        try:
            host.create(name, body)
        except Conflict as error:
            refused.add(name)
            if len(refused) >= _NAMES_TRIED:
                raise StepFailed.of(error, f"No name was free for the new container on {run.server}") from error
            continue
        except HostError as error:
            raise StepFailed.of(error, f"The new container could not be created on {run.server}") from error
        run.candidate = name
        yield Line(f"Created {name}.")
        return


def start(run: Run) -> Steps:
    """Start it. What a stale worker may have made under an older fence goes first; if it held a port, one tries again."""
    yield from sweep_stale(run)
    try:
        run.host.start(run.candidate)
    except HostError as error:
        if not port_is_taken(error.message) or not sweep(run.host, run.identity, run.candidate):
            raise _start_failed(run, error) from error
        try:
            run.host.start(run.candidate)
        except HostError as again:
            raise _start_failed(run, again) from again
    yield Line(f"Started {run.candidate}.")
    yield from _join_network(run)


def sweep_stale(run: Run) -> Steps:
    """Look again, and remove what a worker that lost its lease created since."""
    for name in sweep(run.host, run.identity, run.candidate):
        yield Line(f"Removed {name}: made by a worker that had lost its lease.", level="warn")


def _join_network(run: Run) -> Steps:
    """An attempt that ended between leaving and joining left the container without its network."""
    network = run.spec.container.network
    container = run.host.container(run.candidate)
    if network is None or container is None or network in container.networks:
        return
    attempt(f"{run.candidate} could not join {network}", run.host.connect_network, network, run.candidate, ())
    yield Line(f"{run.candidate} joined network {network}.")


def _start_failed(run: Run, error: HostError) -> StepFailed:
    held: list[str] = []
    if port_is_taken(error.message):
        published = run.host.all_published_ports()
        held = [
            f"{name} (port {port.host_port})" for port in run.spec.container.ports for name in holders(port, published)
        ]
    return start_failed(error.message, run.server, run.image, held)


def promote(run: Run) -> Generator[Event, None, Proof | None]:
    """Give the proven container its Release's restart policy and its aliases.

    Aliases can't be added in place: it leaves the network and joins again, gets another address, and is judged again.
    Answers with that second proof, or None where there was none to make.
    """
    spec = run.spec.container
    doing = f"The restart policy of {run.candidate} could not be set"
    attempt(doing, run.host.set_restart_policy, run.candidate, spec.restart, spec.restart_retries)
    network = spec.network
    container = run.host.container(run.candidate)
    if network is None or not spec.network_aliases or container is None:
        return None
    if set(spec.network_aliases) <= set(container.network_aliases.get(network, ())):
        return None
    doing = f"{run.candidate} could not be given its alias on {network}"
    if network in container.networks:
        attempt(doing, run.host.disconnect_network, network, run.candidate)
    attempt(doing, run.host.connect_network, network, run.candidate, spec.network_aliases)
    yield Line(
        f"{run.candidate} answers as {', '.join(spec.network_aliases)} on {network} now; judging it again at its new "
        "address."
    )
    return (yield from prove(run))
