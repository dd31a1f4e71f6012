"""Handing over, and seeing with fresh eyes that what runs is what was meant."""

from collections.abc import Generator

from worker.engine.aside import step_aside
from worker.engine.container_host import Container, ContainerHost, LocalImage
from worker.engine.errors import NotFound
from worker.engine.events import Event, Line, Observed
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import is_fixed
from worker.engine.found import found_settings
from worker.engine.inventory import Owned, as_recorded
from worker.engine.run import Run, Steps, attempt
from worker.engine.takeover import held_inventory


def verify(run: Run) -> Generator[Event, None, str]:
    """Retire the old container, then inspect the new one afresh. Only after this a deploy has succeeded."""
    yield from _retire(run)
    container = _seen(run)
    yield observed_of(container, run.identity.release, run.image, run.spec.image.digest)
    yield Line(f"{container.name} runs release {run.identity.release}, image {container.image_id[:19]}….", level="good")
    return "the intended image was seen running"


def _retire(run: Run) -> Steps:
    """The old one must not come back after a reboot; where both ran side by side it is stopped now, without a gap."""
    if not run.incumbent:
        return
    try:
        if not is_fixed(run):
            doing = f"The restart policy of {run.incumbent} could not be set"
            attempt(doing, run.host.set_restart_policy, run.incumbent, "no")
        old = run.host.container(run.incumbent)
        if old is not None and old.running:
            yield from step_aside(run, old)
            yield Line(f"Stopping the old version {run.incumbent}; the new one serves.")
            run.incumbent_stopped = True
            doing = f"The old container {run.incumbent} could not be stopped on {run.server}"
            attempt(
                doing,
                run.host.stop,
                run.incumbent,
                timeout=Owned(as_recorded(old, run.identity)).stop_timeout(run.spec.container.stop_timeout),
            )
    except StepFailed as failure:
        if not isinstance(failure.__cause__, NotFound):
            raise
        held_inventory(run.host, run.identity, run.incumbent_id)  # a newer holder renamed it, or somebody removed it
        yield Line(f"{run.incumbent} is gone already: somebody removed it.", level="warn")


def _seen(run: Run) -> Container:
    """A fresh look at the candidate, compared with what was intended."""
    container = run.host.container(run.candidate)
    if container is None:
        held_inventory(run.host, run.identity, run.incumbent_id)
        raise StepFailed(
            f"{run.candidate} is not on {run.server} any more.", why="Somebody removed it.", remedy="Deploy again."
        )
    wrong = _differences(run, container)
    if wrong:
        raise StepFailed(
            f"What runs on {run.server} is not what was meant: {'; '.join(wrong)}.",
            why="The container changed after it was proven.",
            remedy="Look at its last lines in the log, then deploy again.",
            exit_code=None if container.running else container.exit_code,
        )
    return container


def _differences(run: Run, container: Container) -> list[str]:
    wrong = []
    if not container.running or container.status == "restarting":
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


def observed(host: ContainerHost, container: Container, release: int, digest: str | None) -> Observed:
    """An `Observed` of this container; where `digest` isn't known it is looked up by the image."""
    return observed_of(container, release, host.local_image(container.image_id), digest)


def observed_of(container: Container, release: int, image: LocalImage | None, digest: str | None = None) -> Observed:
    """The same, with its image at hand."""
    if digest is None:
        known = [each.rpartition("@")[2] for each in image.repo_digests] if image is not None else []
        asked = container.image.rpartition("@")[2]  # podman knows an image by its list's digest and by its own
        digest = asked if asked in known else next(iter(known), None)
    return Observed(
        container.name,
        container.id,
        container.image_id,
        digest,
        release,
        container.started_at,
        container.published,
        target=Owned(container).target,
        settings=found_settings(container, image),
    )


def observed_owned(host: ContainerHost, owned: Owned) -> Observed:
    """The same for any container of ours."""
    return observed(host, owned.container, owned.release, None)
