"""Starting the old version again where the disk has no room even for that: what the new one brought goes first.

A disk can fill between the moment the new container was made and the one when it was to start, with the old one stopped. An engine
writes some files at each start. What is ours to give is the new container, and its image where nobody else has it.
"""

from contextlib import suppress

from worker.engine.cleanup import drop_image
from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import hold
from worker.engine.inventory import Owned
from worker.engine.run import Run, Steps, attempt
from worker.engine.takeover import discard


def start_again(run: Run, old: Owned, mine: Owned | None) -> Steps:
    """Start the old version, under the policy that a reboot starts; `mine` makes room where there is none."""
    try:
        _start(run, old)
    except StepFailed as failure:
        if mine is None or not is_full(failure):
            raise
        yield Line(
            f"The disk of {run.server} is full: removing what the new version brought, for the old one to start.",
            level="warn",
        )
        yield from _make_room(run, old, mine)
        _start(run, old)
    yield Line(f"Started {old.name} again.")


def is_full(failure: StepFailed) -> bool:
    """Whether this is what it failed of."""
    return "no space left" in failure.what.lower()


def _start(run: Run, old: Owned) -> None:
    if old.container.restart_policy != "always":
        hold(run, old, "always")
    attempt(f"The old version {old.name} could not be started again on {run.server}", run.host.start, old.name)


def _make_room(run: Run, old: Owned, mine: Owned) -> Steps:
    """While it is there the new container tells that the old one was stopped by us; so that it can go now, this attempt has seen it."""
    attempt(f"{mine.name} could not be removed", discard, run.host, mine.name)
    if mine.container.image_id == old.container.image_id:
        return
    with suppress(HostError):  # the container's own room may be enough
        image = run.host.local_image(mine.container.image_id)
        if image is not None:
            yield from drop_image(run, image, [run.identity.kept_tag])
