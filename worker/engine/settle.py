"""An attempt that finds traces of one before it: the first care is that something serves."""

from worker.engine.events import Gap, Line
from worker.engine.failure import StepFailed
from worker.engine.inventory import Inventory
from worker.engine.restore import bring_back, judge_incumbent
from worker.engine.run import Run, Steps
from worker.engine.server_clock import on_our_clock, seconds_between
from worker.engine.takeover import take_over


def gap_before(inventory: Inventory) -> Steps:
    """For how long the old version was down, where an attempt started it again and died before it could say so: by the server's
    own times, and only where it ended after this deploy had made its container.
    """
    mine, old = inventory.mine, inventory.incumbent
    if mine is None or old is None or not old.awake:
        return
    made, ended, began = mine.container.created_at, old.container.finished_at, old.container.started_at
    since_made, away = seconds_between(made, ended), seconds_between(ended, began)
    if since_made and away and since_made > 0 and away > 0:
        yield Gap(away, whole=True)


def settle(run: Run) -> Steps:
    """Take over what an earlier attempt left. Where it had stopped the old version and nothing runs, the old one is
    started at once: a pull may take long, and a person may have cancelled.
    """
    yield from run.touch()
    yield Line("An earlier attempt or deploy was interrupted here: taking over what it left.", level="warn")
    inventory = yield from take_over(run.host, run.identity, run.incumbent_id)
    run.know_incumbent(inventory)
    old = inventory.incumbent
    if old is None or not inventory.stopped_by_deploy:
        yield from gap_before(inventory)
        return
    if inventory.mine is None or not (inventory.mine.running and inventory.mine.promoted):  # else it is measured
        run.gap_since, run.gap_is_whole = on_our_clock(run.host, old.container.finished_at), True
    if any(each.awake for each in inventory.everything):
        return
    try:
        yield from bring_back(run, inventory, old)
        proof = yield from judge_incumbent(run, old)
    except StepFailed as failure:
        yield Line(f"{failure.what} Going on with the new version.", level="warn")
        return
    if not proof.proven:
        yield Line(
            f"{old.name} was started again, but is not healthy ({proof.answer}). Going on with the new version.",
            level="warn",
        )
