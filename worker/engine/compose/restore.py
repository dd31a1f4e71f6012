"""Going back: after a failure or a cancel the earlier files, images and variables are brought up again, and proven."""

from collections.abc import Generator
from dataclasses import dataclass, replace

from worker.engine.compose.bring_up import bring_up
from worker.engine.compose.compose_host import ComposeRefused
from worker.engine.compose.endings import after_failure
from worker.engine.compose.health import observed, prove
from worker.engine.compose.model import Model, marked
from worker.engine.compose.preflight import as_it_ran
from worker.engine.compose.pull import fetch
from worker.engine.compose.resolving import resolve
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.settle import settle
from worker.engine.compose.sight import look
from worker.engine.compose.steps import explained, left_over
from worker.engine.errors import HostError
from worker.engine.events import Event, Line
from worker.engine.failure import StepFailed
from worker.engine.run import Steps, step
from worker.engine.spec import Identity

PAUSES = (0.5, 3.0)  # seconds before a restoration is tried again


@dataclass(frozen=True, slots=True)
class Restored:
    """How it went. `serving` is the Release that was seen serving; `unproven` says why nothing is proven to serve."""

    serving: int | None = None
    unproven: str = ""


def go_back(run: ComposeRun, failure: StepFailed | None) -> Steps:
    """After a failure, or a cancel (`None`): restore what was changed, and say how it ended."""
    if not run.mutated and not run.spec.touched:
        yield after_failure(run, failure, serving=run.serving_release, unproven="")
        return
    outcome = Restored(unproven="it could not be brought back.")
    results: list[Restored] = []
    try:
        yield from step(run, "restore", _restoring(run, results))
        outcome = results[-1]
    except StepFailed as trouble:
        outcome = Restored(unproven=f"{trouble.what} {trouble.why}".strip())
    yield after_failure(run, failure, serving=outcome.serving, unproven=outcome.unproven)


def _restoring(run: ComposeRun, results: list[Restored]) -> Generator[Event, None, str]:
    yield from run.touch()
    for pause in (*PAUSES, None):
        try:
            results.append((yield from _once(run)))
            break
        except (HostError, StepFailed) as trouble:
            if pause is None:
                raise
            yield Line(f"{trouble} Trying again in {pause:g} s.", level="warn")
            run.host.wait(pause)
    serving = results[-1].serving
    return f"release {serving} serves" if serving else "nothing served before"


def _once(run: ComposeRun) -> Generator[Event, None, Restored]:
    previous = run.spec.previous
    yield from settle(run)
    if previous is None:
        yield from _leave_idle(run)
        return Restored()
    yield Line(f"Bringing release {previous.release} back on {run.server}: its files, images and variables.")
    if run.previous is None:
        run.previous = as_it_ran(resolve(run.host, run.spec, previous).pinned, previous, look(run.host, run.spec))
    model = run.previous
    yield from fetch(run, model)
    sight = look(run.host, run.spec)
    coming = marked(model, _as_before(run, previous.release), sight.services)
    try:
        yield from bring_up(run, coming, left_over(sight, model))
    except ComposeRefused as error:
        raise (yield from explained(run, model, error)) from error
    proven = yield from prove(run, model)
    yield from run.close_gap()
    yield from observed(run, proven)
    yield Line(f"Release {previous.release} serves on {run.server} again.", level="good")
    return Restored(serving=previous.release)


def _leave_idle(run: ComposeRun) -> Steps:
    """Nothing served when we came: the containers that we made go; networks and volumes stay, and their data."""
    sight = look(run.host, run.spec)
    own = str(run.identity.target)
    made = {
        name
        for name, several in sight.services.items()
        if all(each.labels.get("estiva.target") == own for each in several)
    }
    gone = {name: image for name, image in left_over(sight, None).items() if name in made}
    if gone:
        yield Line(f"Nothing served before: removing the containers of {', '.join(sorted(gone))}; volumes stay.")
        yield from bring_up(run, Model({"services": {}}), gone)


def _as_before(run: ComposeRun, release: int) -> Identity:
    return replace(run.identity, release=release)
