"""An attempt that finds traces of one before it: the first care is that something serves."""

from datetime import datetime

from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.failure import StepFailed
from worker.engine.restore import bring_back, judge_incumbent
from worker.engine.run import Run, Steps
from worker.engine.takeover import take_over


def settle(run: Run) -> Steps:
    """Take over what an earlier attempt left. Where it had stopped the old version and nothing runs, the old one is
    started at once: a pull may take long, and a person may have cancelled.
    """
    yield from run.touch()
    yield Line("An earlier attempt or deploy was interrupted here: taking over what it left.", level="warn")
    inventory = take_over(run.host, run.identity, run.incumbent_id)
    run.know_incumbent(inventory)
    old = inventory.incumbent
    if old is None or not inventory.stopped_by_deploy:
        return
    run.gap_since = stopped_at(run, old.container.finished_at)
    if any(each.running for each in inventory.everything):
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


def stopped_at(run: Run, finished: str) -> float | None:
    """When the old container stopped, on our clock, by the server's own; None where its times aren't known."""
    try:
        ended = datetime.fromisoformat(_short(finished))
        server_now = datetime.fromisoformat(_short(run.host.facts().server_time))
        return run.host.now() - max(0.0, (server_now - ended).total_seconds())
    except (HostError, ValueError, TypeError):  # not told, not a time, or one with and one without a zone
        return None


def _short(moment: str) -> str:
    """RFC 3339 with nanoseconds as Python reads it: six decimals at most."""
    head, dot, tail = moment.partition(".")
    digits = tail.rstrip("Z").partition("+")[0].partition("-")[0]
    return f"{head}{dot}{digits[:6]}{tail[len(digits) :]}"
