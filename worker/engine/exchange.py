"""Where no restart policy can be changed: the proven container gives way to its twin, which has the Release's own policy.

The twin is the same image and the same settings; it is judged once more before the old version goes.
"""

from worker.engine.candidate import create_candidate, start, sweep_stale
from worker.engine.events import Line
from worker.engine.fixed_policy import is_fixed
from worker.engine.inventory import Inventory, Owned
from worker.engine.judging import prove
from worker.engine.run import Run, Steps, attempt
from worker.engine.strategy import inherited, replacement
from worker.engine.takeover import held_inventory


def exchange(run: Run) -> Steps:
    """Nothing where the candidate has its Release's policy already, or can be given it."""
    inventory = held_inventory(run.host, run.identity, run.incumbent_id) if is_fixed(run) else None
    trial = _named(inventory, run.candidate) if inventory is not None else None
    if inventory is None or trial is None or trial.has_wanted_policy:
        return
    carried = inherited(trial.container, run.image, run.spec.container)
    in_the_way = run.strategy == "stop-first" or replacement(run.spec.container, sorted(carried))[0] == "stop-first"
    yield Line(
        f"{run.server} can't change the restart policy of a container that exists: {trial.name} is proven, and gives way to "
        f'a twin that is made with "{run.spec.container.restart}".'
    )
    yield from create_candidate(run, inventory, carried, final=True)
    yield from sweep_stale(run)
    if in_the_way:
        yield from _stop(run, trial)
    yield from start(run)
    run.heard = 0
    run.recent.clear()
    proof = yield from prove(run)
    yield from run.close_gap(proof.proven_at)
    if not in_the_way:
        yield from _stop(run, trial)


def _named(inventory: Inventory, name: str) -> Owned | None:
    return next((each for each in inventory.everything if each.name == name), None)


def _stop(run: Run, trial: Owned) -> Steps:
    """The proven one ends; it is removed with the old version, and until then tells that a deploy is at work."""
    if run.strategy == "stop-first" and run.incumbent_stopped and run.gap_since is None:
        run.gap_since = run.host.now()
        yield Line(f"Stopping {trial.name}. From here nothing serves until its twin is up.")
    attempt(
        f"{trial.name} could not be stopped on {run.server}",
        run.host.stop,
        trial.name,
        timeout=run.spec.container.stop_timeout,
    )
