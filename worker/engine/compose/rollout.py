"""`deploy_compose`: one Target from beginning to end. Read it as a runbook."""

from collections.abc import Iterator

from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.endings import succeeded
from worker.engine.compose.pull import pull
from worker.engine.compose.restore import go_back
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.spec import ComposeSpec
from worker.engine.compose.steps import clean_up, judge, look_first, replace, verify
from worker.engine.errors import Cancelled
from worker.engine.events import Event
from worker.engine.failure import StepFailed
from worker.engine.full_disk import tell_of_what
from worker.engine.run import Steps, step


def deploy_compose(spec: ComposeSpec, host: ComposeHost) -> Iterator[Event]:
    """Bring a Release of a Compose application to a server. The last event is `Ended`.

    `HostLost` and `LeaseLost` come out of the generator: a later attempt with a higher fence takes over. `Cancelled` and
    refusals of the server don't: the version before is brought back first. Nothing is ever taken down.
    """
    run = ComposeRun(spec, host)
    try:
        yield from _forward(run)
        yield succeeded(run)
    except Cancelled:
        host.shield()
        yield from go_back(run, None)
    except StepFailed as failure:
        host.shield()
        tell_of_what(run, failure)
        yield from go_back(run, failure)


def _forward(run: ComposeRun) -> Steps:
    yield from step(run, "preflight", look_first(run))
    model = run.wanted
    if model is None:
        raise StepFailed("The application was not resolved.", why="Preflight ended without a model.")
    yield from step(run, "pull", pull(run, model))
    yield from step(run, "replace", replace(run, model))
    yield from step(run, "health", judge(run, model))
    yield from step(run, "verify", verify(run, model))
    yield from step(run, "cleanup", clean_up(run, model))
