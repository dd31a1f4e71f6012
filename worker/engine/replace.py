"""Putting the new container in the old one's place, up to the moment it is to be judged."""

from collections.abc import Generator

from worker.engine.at_once import at_once
from worker.engine.candidate import adopt_or_create, start, sweep_stale
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import fit, hold, is_fixed
from worker.engine.inventory import Inventory
from worker.engine.run import Run, Steps, attempt
from worker.engine.strategy import inherited, replacement
from worker.engine.takeover import discard, take_over


def replace(run: Run) -> Generator[Event, None, str]:
    """Take over, create, make way where both can't run at once, start."""
    yield from run.touch()
    fit(run)
    inventory = yield from take_over(run.host, run.identity, run.incumbent_id)
    run.know_incumbent(inventory)
    carried = inherited(inventory.incumbent.container if inventory.incumbent else None, run.image, run.spec.container)
    yield from _choose(run, inventory, carried)
    yield from _make(run, inventory, carried)
    yield from sweep_stale(run)
    if run.strategy == "stop-first":
        yield from _make_way(run, inventory)
    yield from start(run)
    return "started" if run.strategy == "start-first" or not run.incumbent else "old version stopped, new one started"


def _choose(run: Run, inventory: Inventory, carried: dict[str, str]) -> Steps:
    """Start-first or stop-first, said with the reasons."""
    run.strategy, reasons = replacement(run.spec.container, sorted(carried))
    if inventory.incumbent is None:
        yield Line(f"Nothing of {run.identity.placement_name} is on {run.server}: this is the first version.")
        return
    if not run.incumbent_served:
        run.strategy = "stop-first"
        state = inventory.incumbent.container.status
        yield Line(
            f"The old version {run.incumbent} was not running when we came ({state}): nothing serves at the moment.",
            level="warn",
        )
        return
    if run.incumbent_paused:
        yield Line(f"The old version {run.incumbent} is paused by hand: nothing serves at the moment.", level="warn")
    yield Line(f"{run.strategy.capitalize()}: {'; '.join(reasons)}.")


def _make(run: Run, inventory: Inventory, carried: dict[str, str]) -> Steps:
    """The new one. Where the old one has to stop for it, that gets the policy "always" meanwhile: an engine that restarts
    starts a container that was stopped by hand under that policy only, and then something serves again.
    """
    old = inventory.incumbent
    if run.strategy != "stop-first" or old is None or not old.running:
        yield from adopt_or_create(run, inventory, carried)
        return
    said: list[Event] = []
    try:
        at_once(
            run.host, lambda: said.extend(adopt_or_create(run, inventory, carried)), lambda: hold(run, old, "always")
        )
    except (Cancelled, HostError, StepFailed) as trouble:
        yield from said
        if run.candidate and not isinstance(trouble, Cancelled):
            yield from sweep_stale(run)  # was it a newer holder who took the old one's name away?
        raise
    yield from said


def _make_way(run: Run, inventory: Inventory) -> Steps:
    """Stop what could collide."""
    old = inventory.incumbent
    if old is not None and old.running:
        grace = old.stop_timeout(run.spec.container.stop_timeout)
        serves = "Nothing serves" if run.incumbent_paused else "From here nothing serves"
        yield Line(f"Stopping {old.name} (it gets {grace} s). {serves} until the new version is up.")
        run.incumbent_stopped = True
        if (
            run.gap_since is None and not run.incumbent_paused
        ):  # else it has been longer than anybody here could measure
            run.gap_since = run.host.now()
        doing = f"The old container {old.name} could not be stopped on {run.server}"
        attempt(doing, run.host.stop, old.name, timeout=grace)
    yield from stop_leftovers(run, inventory)


def stop_leftovers(run: Run, inventory: Inventory) -> Steps:
    """Containers of earlier, failed deploys may hold the port or write to the volume; they were never proven."""
    for each in inventory.leftovers:
        if each.container.restart_policy != "no" and is_fixed(run):
            attempt(f"{each.name} could not be removed", discard, run.host, each.name)
            yield Line(f"Removed {each.name}, left by an earlier deploy: a reboot would start it.")
        elif each.running:
            hold(run, each, "no")
            doing = f"{each.name}, left by an earlier deploy, could not be stopped"
            attempt(doing, run.host.stop, each.name, timeout=each.stop_timeout(run.spec.container.stop_timeout))
            yield Line(f"Stopped {each.name}, left by an earlier deploy.")
