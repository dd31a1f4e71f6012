"""All images come to the server before anything is stopped, and they are the ones that were meant."""

from collections.abc import Generator, Iterator

from worker.engine.compose.images import kept_tag
from worker.engine.compose.model import Model
from worker.engine.compose.names import BUILT, shown
from worker.engine.compose.run import ComposeRun
from worker.engine.container_host import LocalImage, PullProgress
from worker.engine.errors import NotFound
from worker.engine.events import Event, Line, Progress
from worker.engine.failure import StepFailed
from worker.engine.run import attempt

_PROGRESS_SPACING = 0.1  # seconds


def pull(run: ComposeRun, model: Model) -> Generator[Event, None, str]:
    """Pull what lacks; check what came, and give each the local tag that keeps it. Sets `run.image_ids`."""
    pulled = yield from fetch(run, model)
    for service, body in model.services.items():
        reference = str(body["image"])
        image = _checked(run, service, reference)
        run.image_ids[service] = image.id
        tag = kept_tag(run.identity, service)
        attempt(f"The image of {service} could not be tagged on {run.server}", run.host.tag, reference, tag)
    return f"{pulled} pulled" if pulled else "all images are on the server already"


def fetch(run: ComposeRun, model: Model) -> Generator[Event, None, int]:
    """Bring every image that isn't there; how many came."""
    references = dict.fromkeys(str(body["image"]) for body in model.services.values())
    lacking = [each for each in references if run.host.local_image(each) is None]
    for number, reference in enumerate(lacking, 1):
        yield Line(f"Pulling {shown(reference)} on {run.server} ({number} of {len(lacking)}).")
        begun, last = run.host.now(), float("-inf")
        for progress in _coming(run, reference):
            if run.host.now() - last >= _PROGRESS_SPACING or progress.done == progress.total:
                last = run.host.now()
                yield Progress(run.step, progress.done, progress.total, f"{shown(reference)}", "bytes")
        yield Line(f"Pulled {shown(reference)} in {run.host.now() - begun:.1f} s.", level="good")
    return len(lacking)


def _coming(run: ComposeRun, reference: str) -> Iterator[PullProgress]:
    deadline = run.spec.pull_deadline
    if not reference.startswith(BUILT):
        return run.host.pull(reference, platform=None, deadline=deadline)
    try:
        return run.host.receive_image(reference, deadline=deadline)
    except NotFound as error:
        raise StepFailed(
            f"The built image {shown(reference)} is not on {run.server}, and no builder has it.",
            why=error.message,
            remedy="Build and deploy it again.",
        ) from error


def _checked(run: ComposeRun, service: str, reference: str) -> LocalImage:
    image = run.host.local_image(reference)
    if image is None:
        raise StepFailed(
            f"The image of {service}, {shown(reference)}, is not on {run.server} after the pull.",
            why="Somebody pruned the server's images at the same moment.",
            remedy="Deploy again.",
        )
    facts = run.facts or run.host.facts()
    if (image.os, image.architecture) != (facts.os_type, facts.architecture):
        raise StepFailed(
            f"The image of {service} is built for {image.os}/{image.architecture}, but {run.server} is "
            f"{facts.os_type}/{facts.architecture}.",
            why="Its program can't run on this server's processor.",
            remedy=f"Build and push it for {facts.os_type}/{facts.architecture}, then deploy that.",
        )
    return image
