"""The new version, looked at once more: is what runs what was meant, and still well?"""

from worker.engine.container_host import Container
from worker.engine.failure import StepFailed
from worker.engine.judging import asked_of
from worker.engine.probing import Answer, ask
from worker.engine.run import Run
from worker.engine.takeover import held_inventory

_AGAIN = 0.2  # seconds: one question that got lost on the way condemns nobody


def seen(run: Run) -> Container:
    """A fresh look at the candidate, compared with what was intended."""
    container = _there(run, run.host.container(run.candidate))
    wrong = differences(run, container)
    if wrong:
        raise StepFailed(
            f"What runs on {run.server} is not what was meant: {'; '.join(wrong)}.",
            why="The container changed after it was proven.",
            remedy="Look at its last lines in the log, then deploy again.",
            exit_code=_exit_code(container),
        )
    return container


def still_as_proven(run: Run, now: Container | None) -> Container:
    """While the old version still can stay: `StepFailed` where the candidate, as it was looked at just now, isn't any more."""
    container = _there(run, now)
    wrong = differences(run, container)
    if container.health == "unhealthy" and run.spec.container.health.kind in ("image", "command"):
        wrong.append("its own health check says that it is unhealthy")
    if wrong:
        raise _not_any_more(run, "; ".join(wrong), _exit_code(container))
    return container


def still_serves(run: Run) -> None:
    """The same, and it answers what its health check asks: the last word before the old version is stopped."""
    answer = _asked(run)
    if not answer.ok:
        run.host.wait(_AGAIN)
        answer = _asked(run)
    if not answer.ok:
        raise _not_any_more(run, f"its health check got {answer.text}", None)


def _asked(run: Run) -> Answer:
    container, watched = still_as_proven(run, run.host.container(run.candidate)), asked_of(run)
    if watched.health.kind not in ("http", "tcp"):
        return Answer(ok=True, text="")  # the look itself has told
    return ask(run.host, container, watched.health, watched.port, watched.network, reaches=watched.reaches)


def _there(run: Run, container: Container | None) -> Container:
    if container is None:
        held_inventory(run.host, run.identity, run.incumbent_id)
        raise StepFailed(
            f"{run.candidate} is not on {run.server} any more.", why="Somebody removed it.", remedy="Deploy again."
        )
    return container


def _exit_code(container: Container) -> int | None:
    return None if container.running else container.exit_code


def _not_any_more(run: Run, wrong: str, exit_code: int | None) -> StepFailed:
    return StepFailed(
        f"{run.candidate} was proven, but did not stay well on {run.server}: {wrong}. The old version was not stopped.",
        why="It changed between its proof and the moment when the old version was to end.",
        remedy="Look at its last lines in the log, then deploy again.",
        exit_code=exit_code,
    )


def differences(run: Run, container: Container) -> list[str]:
    """What of it isn't what was meant, or isn't as it was proven, in words."""
    wrong = []
    if not container.up:
        wrong.append(f"the container is {container.status}")
    if run.image is None or container.image_id != run.image.id:
        wrong.append(f"its image is {container.image_id}")
    labels = dict(container.labels)
    wrong += [
        f"its label {name} is {labels.get(name)!r}"
        for name, value in run.identity.labels().items()
        if name != "estiva.deployment" and labels.get(name) != value
    ]
    if container.restart_count != run.proven_restarts:
        wrong.append("it was restarted since it was proven")
    if container.restart_policy != run.spec.container.restart:
        wrong.append(f"its restart policy is {container.restart_policy}")
    return wrong
