"""`deploy`: one Target from beginning to end. Read it as a runbook."""

from collections.abc import Iterator

from worker.engine.container_host import ContainerHost, EngineFacts
from worker.engine.endings import succeeded
from worker.engine.errors import Cancelled
from worker.engine.events import Event
from worker.engine.failure import StepFailed
from worker.engine.forward import change
from worker.engine.full_disk import tell_of_what
from worker.engine.going_back import go_back
from worker.engine.hook import after, before, tidy
from worker.engine.opening import look_first
from worker.engine.pull import pull
from worker.engine.run import Run, step
from worker.engine.spec import DeploySpec


def deploy(spec: DeploySpec, host: ContainerHost, facts: EngineFacts | None = None) -> Iterator[Event]:
    """Bring a Release to a server. The last event is `Ended`. `facts` are what its engine said of itself a moment ago.

    `HostLost` and `LeaseLost` come out of the generator: nothing more can be said, and a later attempt with a higher
    fence takes over from whatever state the server is in. `Cancelled` and refusals of the server don't: the old
    version is brought back first.
    """
    run = Run(spec, host, facts=facts)
    try:
        yield from step(run, "preflight", look_first(run))
        yield from step(run, "pull", pull(run))
        if spec.before:
            yield from step(run, "before", before(run))
        yield from change(run)  # replace, health, verify, cleanup
        if spec.after:
            yield from step(run, "after", after(run))
        yield succeeded(run)  # on record once we come back from here
    except Cancelled:
        host.shield()
        yield from go_back(run, None)
    except StepFailed as failure:
        host.shield()
        tell_of_what(run, failure)
        yield from go_back(run, failure)
    else:
        tidy(run)
