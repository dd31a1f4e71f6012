"""The last event of a Target: what happened, on which server, why probably, and what to do next. Pure."""

from worker.engine.events import Ended, Verdict
from worker.engine.failure import StepFailed
from worker.engine.restore import Restored
from worker.engine.run import Run


def succeeded(run: Run) -> Ended:
    """The intended image was seen running and healthy."""
    return Ended(
        Verdict.SUCCEEDED,
        what=f"Release {run.identity.release} of {run.identity.placement_name} serves on {run.server}.",
        serving_release=run.identity.release,
        remains=tuple(run.notes),
    )


def too_late(run: Run) -> Ended:
    """Cancelled past the point of no return."""
    return Ended(
        Verdict.SUCCEEDED,
        what=f"Release {run.identity.release} of {run.identity.placement_name} serves on {run.server}: the cancel "
        "came too late.",
        why="The old version had been removed already when the cancel arrived.",
        remedy="Roll back to the release before, if that is what you want.",
        serving_release=run.identity.release,
        remains=tuple(run.notes),
    )


def after_failure(run: Run, failure: StepFailed | None, restored: Restored | None) -> Ended:
    """A failure, or a cancel (`failure` None). `restored` None: nothing had been changed."""
    ended = _unchanged(run, failure) if restored is None else _changed(run, failure, restored)
    if failure is None:
        return ended
    return Ended(
        ended.verdict,
        ended.what,
        ended.why,
        ended.remedy,
        failure.step,
        failure.exit_code,
        ended.serving_release,
        ended.remains,
    )


def _unchanged(run: Run, failure: StepFailed | None) -> Ended:
    serving = run.incumbent_release if run.incumbent_served and not run.incumbent_paused else None
    still = f"release {serving} runs there as before" if serving else "nothing of it ran there before"
    if run.incumbent_paused:
        still = (
            f"release {run.incumbent_release} is there as before, paused: it answers nobody until somebody continues it"
        )
    if failure is None:
        return Ended(
            Verdict.CANCELLED_UNTOUCHED,
            what=f"Cancelled before anything was changed on {run.server}; {still}.",
            serving_release=serving,
        )
    return Ended(
        Verdict.FAILED_UNTOUCHED,
        what=f"{failure.what} Nothing was changed on {run.server}; {still}.",
        why=failure.why,
        remedy=failure.remedy,
        serving_release=serving,
    )


def _changed(run: Run, failure: StepFailed | None, restored: Restored) -> Ended:
    remains = tuple(run.notes)
    if restored.unproven:
        return _attention(run, failure, restored.unproven)
    if restored.found_idle:
        state = _idle(run)
        if failure is None:
            return Ended(Verdict.CANCELLED_RESTORED, what=f"Cancelled. {state}", remains=remains)
        return Ended(
            Verdict.FAILED, what=f"{failure.what} {state}", why=failure.why, remedy=failure.remedy, remains=remains
        )
    serves = f"Release {restored.serving} serves on {run.server}, as before."
    if failure is None:
        return Ended(
            Verdict.CANCELLED_RESTORED, what=f"Cancelled. {serves}", serving_release=restored.serving, remains=remains
        )
    return Ended(
        Verdict.FAILED_RESTORED,
        what=f"{failure.what} {serves}",
        why=failure.why,
        remedy=failure.remedy,
        serving_release=restored.serving,
        remains=remains,
    )


def _idle(run: Run) -> str:
    if run.incumbent:
        return f"{run.incumbent} was not running before, and nothing serves on {run.server} now."
    return f"Nothing served on {run.server} before, and nothing serves there now."


def _attention(run: Run, failure: StepFailed | None, unproven: str) -> Ended:
    first = failure.what if failure else "Cancelled."
    return Ended(
        Verdict.NEEDS_ATTENTION,
        what=f"{first} It is not proven that anything serves on {run.server}: {unproven}",
        why=failure.why if failure else "The old version could not be seen serving again.",
        remedy=f"Look at {run.server} now: `docker ps -a --filter label=estiva.placement={run.identity.placement}` "
        "shows what is there; "
        "then deploy a release that is known to work.",
        remains=tuple(run.notes),
    )
