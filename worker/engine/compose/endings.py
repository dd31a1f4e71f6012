"""The last event of a Target: what happened, on which server, why probably, and what to do next. Pure."""

from worker.engine.compose.run import ComposeRun
from worker.engine.events import Ended, Verdict
from worker.engine.failure import StepFailed


def succeeded(run: ComposeRun) -> Ended:
    """The intended images were seen running and healthy."""
    return Ended(
        Verdict.SUCCEEDED,
        what=f"Release {run.identity.release} of {run.identity.placement_name} serves on {run.server}.",
        serving_release=run.identity.release,
        remains=tuple(run.notes),
    )


def after_failure(run: ComposeRun, failure: StepFailed | None, *, serving: int | None, unproven: str) -> Ended:
    """A failure, or a cancel (`failure` None). `unproven` says why it isn't proven that anything serves."""
    verdict, state = _verdict(run, cancelled=failure is None, serving=serving, unproven=unproven)
    first = failure.what if failure is not None else "Cancelled."
    why = failure.why if failure else ("The old version could not be seen serving again." if unproven else "")
    remedy = failure.remedy if failure else ""
    if unproven:
        remedy = (
            f"Look at {run.server} now: `docker ps -a --filter label=com.docker.compose.project={run.spec.project}` shows "
            "what is there; then deploy a release that is known to work."
        )
    return Ended(
        verdict,
        f"{first} {state}",
        why,
        remedy,
        failure.step if failure else None,
        failure.exit_code if failure else None,
        serving if not unproven else None,
        tuple(run.notes),
    )


def _verdict(run: ComposeRun, *, cancelled: bool, serving: int | None, unproven: str) -> tuple[Verdict, str]:
    if unproven:
        return Verdict.NEEDS_ATTENTION, f"It is not proven that all of it serves on {run.server}: {unproven}"
    if not run.mutated:
        still = f"release {serving} runs there as before" if serving else "nothing of it ran there before"
        verdict = Verdict.CANCELLED_UNTOUCHED if cancelled else Verdict.FAILED_UNTOUCHED
        return verdict, f"Nothing was changed on {run.server}; {still}."
    if serving:
        verdict = Verdict.CANCELLED_RESTORED if cancelled else Verdict.FAILED_RESTORED
        return verdict, f"Release {serving} serves on {run.server}, as before."
    verdict = Verdict.CANCELLED_RESTORED if cancelled else Verdict.FAILED
    return verdict, f"Nothing served on {run.server} before, and nothing serves there now."
