"""The new container: adopted from an earlier attempt or created, started, and given its place once it is proven."""

from collections.abc import Generator, Mapping, Sequence

from worker.engine.aside import kept_addresses
from worker.engine.container_body import container_body, with_fixed_policy
from worker.engine.container_host import Container
from worker.engine.diagnosis import port_is_taken, sick_under_its_names, start_failed
from worker.engine.errors import Conflict, HostError
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import is_fixed
from worker.engine.health import Proof
from worker.engine.heard import on_record, told_before
from worker.engine.inventory import ADOPTABLE, Inventory, Owned
from worker.engine.judging import prove
from worker.engine.options import NetworkSpec
from worker.engine.ports import holders
from worker.engine.run import Run, Steps, attempt
from worker.engine.strangers import name_taken
from worker.engine.takeover import discard, fresh_name, sweep

_NAMES_TRIED = 5


def adopt_or_create(run: Run, inventory: Inventory, carried: Mapping[str, str]) -> Steps:
    """Sets `run.candidate`: what an earlier attempt of this Target made, if it still fits; else one that isn't started."""
    mine = inventory.mine
    if mine is not None and _fits(run, mine):
        run.candidate = mine.name
        again = told_before(run, mine.container, "what it has written since its start") if mine.running else ""
        run.heard = on_record(run, mine.container)
        yield Line(f"Going on with {mine.name}, which an earlier attempt made{again}.")
        return
    if mine is not None:
        yield Line(f"Removing {mine.name}, which an earlier attempt left ({mine.container.status}).")
        discard(run.host, mine.name)
    yield from create_candidate(run, inventory, carried)


def _fits(run: Run, mine: Owned) -> bool:
    intended = run.image is not None and mine.container.image_id == run.image.id
    return intended and (mine.container.status in ADOPTABLE or run.past_return)


def make_room(run: Run) -> None:
    """The networks and volumes that its containers need, where they aren't there."""
    host, container = run.host, run.spec.container
    labels = {"estiva.installation": run.identity.installation}
    for network in container.networks:
        doing = f"Network {network.name} could not be made on {run.server}"
        attempt(doing, host.ensure_network, network.name, labels | kept_addresses(run))
    special = {each.name for each in container.options.volume_options if not each.is_plain}
    for volume in container.volumes:
        if volume.name in special:
            continue  # made by the create request, which says how
        attempt(
            f"Volume {volume.name} could not be made on {run.server}",
            host.ensure_volume,
            volume.name,
            labels,
        )


def create_candidate(run: Run, inventory: Inventory, carried: Mapping[str, str], *, final: bool = False) -> Steps:
    """Make it, not started; sets `run.candidate`. `final` counts where the engine can't change a policy later: see `exchange`."""
    host = run.host
    make_room(run)
    body = container_body(run.spec, carried, with_aliases=run.strategy == "stop-first")
    refused: set[str] = set()
    if is_fixed(run):
        body = with_fixed_policy(body, run.spec.container, final=final)
        if not final and run.spec.container.restart != "no":
            refused.add(run.identity.container_name)  # its twin's
    while True:
        name = fresh_name(inventory, run.identity, refused)
        try:
            remarks = host.create(name, body)
        except Conflict as error:
            refused.add(name)
            if len(refused) >= _NAMES_TRIED:
                raise StepFailed.of(error, f"No name was free for the new container on {run.server}") from error
            yield name_taken(host, run.identity, name, fresh_name(inventory, run.identity, refused))
            continue
        except HostError as error:
            raise StepFailed.of(error, f"The new container could not be created on {run.server}") from error
        run.candidate = name
        yield Line(f"Created {name}.")
        for remark in remarks:
            yield Line(f"The engine on {run.server} remarks: {remark}", level="warn")
        return


def start(run: Run) -> Steps:
    """Start it. What a stale worker may have made under an older fence goes first; if it held a port, one tries again."""
    yield from sweep_stale(run)
    if run.spec.container.options.networks:
        yield from _join_networks(run)
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
    yield from _join_networks(run)


def sweep_stale(run: Run) -> Steps:
    """Look again, and remove what a worker that lost its lease created since."""
    for name in sweep(run.host, run.identity, run.candidate):
        yield Line(f"Removed {name}: made by a worker that had lost its lease.", level="warn")


def _join_networks(run: Run) -> Steps:
    """Those it isn't in: all but the first of a new one, or what an attempt left that ended between leaving and joining."""
    wanted = run.spec.container.networks
    container = run.host.container(run.candidate) if wanted else None
    for network in wanted:
        if container is not None and network.name not in container.networks:
            _join(run, network, with_aliases=run.strategy == "stop-first")
            yield Line(f"{run.candidate} joined network {network.name}.")


def _join(run: Run, network: NetworkSpec, *, with_aliases: bool) -> None:
    attempt(
        f"{run.candidate} could not join {network.name}",
        run.host.connect_network,
        network.name,
        run.candidate,
        network.aliases if with_aliases else (),
        ipv4=network.ipv4,
        ipv6=network.ipv6,
    )


def _start_failed(run: Run, error: HostError) -> StepFailed:
    held: list[str] = []
    if port_is_taken(error.message):
        published = run.host.all_published_ports()
        held = [
            f"{name} (port {port.host_port})" for port in run.spec.container.ports for name in holders(port, published)
        ]
    return start_failed(error, run.server, run.image, held)


def promote(run: Run) -> Generator[Event, None, Proof | None]:
    """Give the proven container its aliases, and then its Release's restart policy.

    Aliases can't be added in place: it leaves the network and joins again, gets another address, and is judged again.
    Until it is proven there, too, it isn't started anew when it ends: under its names each of its short lives would be asked.
    Answers with that second proof, or None where there was none to make.
    """
    spec = run.spec.container
    container = run.host.container(run.candidate) if spec.networks else None
    unnamed = [
        each for each in spec.networks if container is not None and not set(each.aliases) <= _aliases(container, each)
    ]
    proof = None
    if container is not None and unnamed:
        proof = yield from _named(run, container, unnamed)
    if not is_fixed(run):
        _give_policy(run)
    return proof


def _give_policy(run: Run) -> None:
    """An engine that refuses it to one that has just ended doesn't say that this is why."""
    spec = run.spec.container
    try:
        doing = f"The restart policy of {run.candidate} could not be set"
        attempt(doing, run.host.set_restart_policy, run.candidate, spec.restart, spec.restart_retries)
    except StepFailed as refused:
        now = run.host.container(run.candidate)
        if now is None or now.up:
            raise
        raise StepFailed(
            f"{run.candidate} was proven, but did not stay well on {run.server}: it exited with code {now.exit_code}.",
            why="It ended a moment after its proof.",
            remedy="Look at its last lines in the log, then deploy again.",
            exit_code=now.exit_code,
        ) from refused


def _named(run: Run, container: Container, unnamed: Sequence[NetworkSpec]) -> Generator[Event, None, Proof]:
    for network in unnamed:
        if network.name in container.networks:
            doing = f"{run.candidate} could not be given its alias on {network.name}"
            attempt(doing, run.host.disconnect_network, network.name, run.candidate)
        _join(run, network, with_aliases=True)
        yield Line(f"{run.candidate} answers as {', '.join(network.aliases)} on {network.name} now.")
    yield Line(f"Judging {run.candidate} again at its new address.")
    try:
        return (yield from prove(run))
    except StepFailed as failure:
        raise sick_under_its_names(run.candidate, failure) from failure


def _aliases(container: Container, network: NetworkSpec) -> set[str]:
    return set(container.network_aliases.get(network.name, ()))
