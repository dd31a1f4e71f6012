"""Handing over, and seeing with fresh eyes that what runs is what was meant."""

from collections.abc import Generator

from worker.engine.aside import names_back_at_once, step_aside
from worker.engine.at_once import at_once
from worker.engine.container_host import Container, ContainerHost, LocalImage
from worker.engine.errors import NotFound
from worker.engine.events import Event, Line, Observed
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import is_fixed
from worker.engine.found import found_settings
from worker.engine.inventory import Owned, as_recorded
from worker.engine.run import Run, Steps, attempt
from worker.engine.second_look import seen, still_as_proven, still_serves
from worker.engine.takeover import held_inventory


def verify(run: Run) -> Generator[Event, None, str]:
    """Retire the old container, then inspect the new one afresh. Only after this a deploy has succeeded."""
    yield from _retire(run)
    container = seen(run)
    yield observed_of(container, run.identity.release, run.image, run.spec.image.digest)
    yield Line(f"{container.name} runs release {run.identity.release}, image {container.image_id[:19]}….", level="good")
    return "the intended image was seen running"


def _retire(run: Run) -> Steps:
    """The old one must not come back after a reboot; where both ran side by side it is stopped now, without a gap.

    Handing over takes a moment, in which the new one can end: then the old one, which serves, isn't stopped. What remains
    is the time that one call takes, from the last look to the stop.
    """
    if not run.incumbent:
        return
    try:
        if not is_fixed(run):
            doing = f"The restart policy of {run.incumbent} could not be set"
            attempt(doing, run.host.set_restart_policy, run.incumbent, "no")
        old, now = at_once(
            run.host, lambda: run.host.container(run.incumbent), lambda: run.host.container(run.candidate)
        )
        if old is not None and old.running:
            still_as_proven(run, now)
            yield from _hand_over(run, old)
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


def _hand_over(run: Run, old: Container) -> Steps:
    """The last moment in which the old one, which serves, can stay."""
    try:
        if old.up:
            yield from step_aside(run, old)
        still_serves(run)
    except StepFailed:
        yield from names_back_at_once(run, old.name)
        raise


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
