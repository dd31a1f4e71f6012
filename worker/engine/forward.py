"""The way forward, from the first change on the server to the last."""

from collections.abc import Generator

from worker.engine.candidate import promote
from worker.engine.cleanup import clean_up
from worker.engine.events import Event, Gap
from worker.engine.exchange import exchange
from worker.engine.judging import prove
from worker.engine.replace import replace
from worker.engine.run import Run, Steps, step
from worker.engine.verify import verify


def change(run: Run) -> Steps:
    """Replace, prove, verify, clean up."""
    yield from step(run, "replace", replace(run))
    yield from step(run, "health", _prove_and_promote(run))
    yield from step(run, "verify", verify(run))
    yield from step(run, "cleanup", clean_up(run))


def _prove_and_promote(run: Run) -> Generator[Event, None, str]:
    """Once the new one is proven and has its place a cancel comes too late: going on costs less than going back."""
    proof = yield from prove(run)
    if run.strategy == "stop-first":
        run.host.shield()
    yield from run.close_gap(proof.proven_at)
    yield from exchange(run)
    yield from promote(run)
    run.host.shield()
    if run.strategy == "start-first" and run.incumbent_served and not (run.incumbent_stopped or run.incumbent_paused):
        yield Gap(0.0)
    return f"healthy after {proof.waited:.1f} s"
