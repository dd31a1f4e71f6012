"""Going back: after a failure or a cancel the old version serves again, and is seen to."""

from collections.abc import Generator
from dataclasses import dataclass, replace

from worker.engine.aside import names_back
from worker.engine.cleanup import remove_container
from worker.engine.container_host import Container
from worker.engine.errors import HostError, NotFound
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import hold, is_fixed
from worker.engine.full_disk import start_again
from worker.engine.health import Proof, Watched, watch
from worker.engine.inventory import Inventory, Owned, as_recorded
from worker.engine.judging import tcp_ports
from worker.engine.replace import stop_leftovers
from worker.engine.rootless import addresses_reach
from worker.engine.run import Run, Steps, attempt
from worker.engine.spec import HealthSpec
from worker.engine.takeover import discard, take_over
from worker.engine.verify import observed_owned

_LAST_LINES = 50
PAUSES = (0.5, 2.0, 5.0)  # seconds before a restoration is tried again
_GLANCE = 1.0  # seconds: enough for one that was never stopped


@dataclass(frozen=True, slots=True)
class Restored:
    """How it went. `serving` is the Release that was seen serving; `unproven` says why nothing is proven to serve."""

    serving: int | None = None
    unproven: str = ""
    found_idle: bool = False  # nothing served when we came


def restore(run: Run) -> Generator[Event, None, Restored]:
    """Bring the server back to what it was.

    Everything is decided by what is found, so after a refusal it is simply done again, a few times: an engine that is
    short of breath must not leave a server with nothing. The last refusal is raised: then nothing is proven.
    """
    for pause in PAUSES:
        try:
            return (yield from _restore_once(run))
        except (HostError, StepFailed) as trouble:
            yield Line(f"{trouble} Trying again in {pause:g} s.", level="warn")
            run.host.wait(pause)
    return (yield from _restore_once(run))


def _restore_once(run: Run) -> Generator[Event, None, Restored]:
    inventory = yield from take_over(run.host, run.identity, run.incumbent_id)
    run.know_incumbent(inventory)
    if run.past_return and inventory.mine is not None:
        return Restored(unproven=f"{_no_way_back(run)}, so {inventory.mine.name} was left as it is.")
    if inventory.mine is not None:
        yield from last_words(run, inventory.mine)
    old = inventory.incumbent
    if old is None and run.incumbent_served:
        left = f"{inventory.mine.name} was left as it is" if inventory.mine else "nothing of it is there"
        return Restored(unproven=f"The old version was removed while this went on, and {left}.")
    if old is None or not run.incumbent_served:
        yield from _leave_idle(run, inventory)
        return Restored(found_idle=True)
    yield from bring_back(run, inventory, old)
    yield from names_back(run, old)
    proof = yield from judge_incumbent(run, old)
    yield from _policy_back(run, old)
    yield from _remove_others(run, inventory)
    if not proof.proven:
        return Restored(unproven=_why_unproven(old, proof))
    yield observed_owned(run.host, _fresh(run, old))
    return Restored(serving=old.release)


def _no_way_back(run: Run) -> str:
    if run.identity.incumbent_target is not None:
        return "The old version had been removed before"
    return "An earlier attempt had proven this version, and no older one is there"


def last_words(run: Run, mine: Owned) -> Steps:
    """The failed container's exit code and last lines, unless they are in the log already."""
    container = mine.container
    if container.status == "created":
        return
    if not run.recent:
        for line in attempt("Its last lines could not be read", run.host.logs, mine.name, tail=_LAST_LINES):
            yield Line(line.text, stream=line.stream)
    if not container.running:
        memory = ", out of memory" if container.oom_killed else ""
        yield Line(f"{mine.name} had exited with code {container.exit_code}{memory}.", level="bad")


def _leave_idle(run: Run, inventory: Inventory) -> Steps:
    """Nothing served when we came: what we made goes, what was there is left as it was found."""
    for each in inventory.everything:
        if each.target == run.identity.target:
            yield from remove_container(run, each)
    if inventory.incumbent is not None:
        yield from _policy_back(run, inventory.incumbent)
        yield Line(
            f"{inventory.incumbent.name} is left as it was found ({inventory.incumbent.container.status}).",
            level="warn",
        )


def bring_back(run: Run, inventory: Inventory, old: Owned) -> Steps:
    """Stop the new one, start the old one. The new one is removed last: while it is there, it shows that the old one
    was stopped by us, should this attempt be interrupted as well.
    """
    mine = inventory.mine
    if old.awake:
        return
    run.incumbent_stopped = True
    if mine is not None and mine.running:
        try:
            run.host.stop(mine.name, timeout=run.spec.container.stop_timeout)
        except HostError as error:
            yield Line(f"{mine.name} could not be stopped ({error.message}): removing it.", level="warn")
            attempt(f"{mine.name} could not be removed", run.host.remove, mine.name)
    if mine is not None and mine.container.restart_policy != "no" and is_fixed(run):
        attempt(f"{mine.name} could not be removed", discard, run.host, mine.name)  # a reboot would start it as well
    yield from stop_leftovers(run, inventory)
    yield from start_again(run, old, mine)


def judge_incumbent(run: Run, old: Owned) -> Generator[Event, None, Proof]:
    """Is the old version well, by its own Release's health check? Closes the gap from its first good answer."""
    health = run.spec.incumbent_health or HealthSpec()
    if not run.incumbent_stopped:
        health = replace(health, run_seconds=min(health.run_seconds, _GLANCE))
    now = _fresh(run, old)
    port = health.port or _port(run, now)
    reaches = addresses_reach(run.facts, now.container.network_mode == "host")
    watched = Watched(old.name, health, port, _network(now.container), audible=False, step=run.step, reaches=reaches)
    proof = yield from watch(run.host, watched)
    if proof.proven:
        yield from run.close_gap(proof.proven_at)
        yield Line(f"{old.name} (release {old.release}) serves on {run.server}.", level="good")
    return proof


def _port(run: Run, old: Owned) -> int | None:
    """The port its own Release's check asks, by its label; else the first that it publishes or its image declares."""
    published = [inner for _, _, inner, protocol in old.container.published if protocol == "tcp"]
    declared = tcp_ports(run.host.local_image(old.container.image_id)) if not published else []
    return old.health_port or next(iter([*published, *declared]), None)


def _network(container: Container) -> str | None:
    return next((name for name, address in container.networks.items() if address), None)


def _policy_back(run: Run, old: Owned) -> Steps:
    policy, retries = old.wanted_policy
    if _fresh(run, old).container.restart_policy != policy:
        hold(run, old, policy, retries)
    yield from ()


def _remove_others(run: Run, inventory: Inventory) -> Steps:
    for each in inventory.everything:
        if inventory.incumbent is None or each.name != inventory.incumbent.name:
            yield from remove_container(run, each)


def _fresh(run: Run, old: Owned) -> Owned:
    container = run.host.container(old.name)
    if container is None:
        raise NotFound(
            f"{old.name} is gone from {run.server}.", status=404, why="Somebody removed it.", remedy="Deploy again."
        )
    return Owned(as_recorded(container, run.identity))


def _why_unproven(old: Owned, proof: Proof) -> str:
    if proof.container is None:
        return f"{old.name} has vanished."
    if not proof.alive:
        return f"{old.name} exited with code {proof.container.exit_code}."
    return f"{old.name} runs, but is not healthy: {proof.answer}."
