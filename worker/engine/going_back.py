"""The way back: after a failure or a cancel the server is put as it was, and the verdict says what was seen."""

from collections.abc import Generator

from worker.engine.endings import after_failure, too_late
from worker.engine.errors import HostError
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.forward import change
from worker.engine.inventory import Inventory
from worker.engine.restore import PAUSES, Restored, restore
from worker.engine.run import Run, Steps, step
from worker.engine.server_clock import on_our_clock
from worker.engine.settle import gap_before
from worker.engine.takeover import held_inventory


def go_back(run: Run, failure: StepFailed | None) -> Steps:
    """After a failure, or a cancel (`None`): restore what was changed, and say how it ended."""
    if not run.mutated and not (yield from _needs_care(run)):
        yield after_failure(run, failure, None)
    elif failure is None and run.past_return:
        yield from _finish(run)
    else:
        yield from _restore(run, failure)


def _needs_care(run: Run) -> Generator[Event, None, bool]:
    """Nothing was changed by this attempt; was something left half done by one before?"""
    inventory = yield from _seen(run)
    if inventory is None:
        return run.spec.touched  # unknown: restoring will find out, or say that nothing is proven
    run.know_incumbent(inventory)
    run.past_return = inventory.past_return(run.identity)
    if inventory.incumbent is not None and inventory.stopped_by_deploy:
        run.gap_since = on_our_clock(run.host, inventory.incumbent.container.finished_at)
        run.gap_is_whole = True
    yield from gap_before(inventory)
    return inventory.needs_care


def _seen(run: Run) -> Generator[Event, None, Inventory | None]:
    for pause in PAUSES:
        try:
            return held_inventory(run.host, run.identity)
        except HostError as error:
            yield Line(f"{run.server} could not be looked at once more: {error.message}", level="warn")
            run.host.wait(pause)
    return None


def _restore(run: Run, failure: StepFailed | None) -> Steps:
    outcome: list[Restored] = []
    try:
        yield from step(run, "restore", _restoring(run, outcome))
    except StepFailed as trouble:
        outcome = outcome or [Restored(unproven=f"{trouble.what} {trouble.why}".strip())]
    yield after_failure(run, failure, outcome[0])


def _restoring(run: Run, outcome: list[Restored]) -> Generator[Event, None, str]:
    yield from run.touch()
    yield Line(f"Putting {run.server} back as it was.")
    restored = yield from restore(run)
    outcome.append(restored)
    if restored.unproven:
        raise StepFailed(restored.unproven)
    return "nothing served before" if restored.found_idle else f"release {restored.serving} serves"


def _finish(run: Run) -> Steps:
    """Cancelled when an earlier attempt had removed the old version already: the way out is forward."""
    yield Line("The cancel came too late: the old version has been removed, so the deploy is finished.", level="warn")
    try:
        run.image = run.host.local_image(run.spec.image.image_id or run.spec.image.reference)
        yield from change(run)
    except StepFailed as failure:
        yield from _restore(run, failure)
        return
    yield too_late(run)
