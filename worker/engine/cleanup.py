"""After success: the old container and what failed deploys left go, and images of Releases that aren't kept.

Nothing here fails a deploy that was seen to succeed: what can't be removed is said, and tried again by the next one.
"""

from collections.abc import Callable, Generator
from typing import ParamSpec, TypeVar

from worker.engine.at_once import at_once
from worker.engine.container_host import LocalImage
from worker.engine.errors import HostError
from worker.engine.events import Event, Line
from worker.engine.inventory import Owned
from worker.engine.run import Run, Steps
from worker.engine.takeover import discard, held_inventory

_PAUSES = (0.5, 2.0)  # seconds before a removal is tried again
_T = TypeVar("_T")
_P = ParamSpec("_P")


def clean_up(run: Run) -> Generator[Event, None, str]:
    """Remove every other container of this Placement, volumes never; then old images of ours."""
    inventory, images = at_once(
        run.host,
        lambda: held_inventory(run.host, run.identity, run.incumbent_id),
        lambda: _old_images(run),
    )
    removed = 0
    for each in inventory.everything:
        if each.name != run.candidate:
            removed += yield from remove_container(run, each)
    if isinstance(images, HostError):
        yield Line(f"Old images could not be listed: {images.message}", level="warn")
    else:
        for image, tags in images:
            yield from drop_image(run, image, tags)
    return f"{removed} container{'' if removed == 1 else 's'} removed"


def remove_container(run: Run, each: Owned) -> Generator[Event, None, bool]:
    """Remove one, trying again a few times: it may run, and be reached. Else it is noted as something that remains."""
    for pause in (*_PAUSES, 0.0):
        try:
            discard(run.host, each.name)
        except HostError as error:
            yield Line(f"{each.name} could not be removed from {run.server}: {error.message}", level="warn")
            run.host.wait(pause)
            continue
        yield Line(f"Removed {each.name}; its volumes stay.")
        return True
    run.notes.append(f"container {each.name} ({each.container.status})")
    return False


def _tidily(
    run: Run, doing: str, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> Generator[Event, None, _T | None]:
    try:
        return call(*args, **kwargs)
    except HostError as error:
        yield Line(f"{doing}: {error.message}", level="warn")
        return None


def _old_images(run: Run) -> list[tuple[LocalImage, list[str]]] | HostError:
    """Images with tags of ours for Releases that aren't kept. A number above all kept ones belongs to somebody newer.

    A refusal is an answer here: it spoils nothing else.
    """
    prefix = run.identity.kept_tag.rpartition(":")[0] + ":"
    keep = {*run.spec.keep_releases, run.identity.release}
    found = []
    try:
        images = run.host.local_images(prefix + "*")
    except HostError as error:
        return error
    for image in images:
        numbers = {tag: tag.removeprefix(prefix) for tag in image.repo_tags if tag.startswith(prefix)}
        old = [
            tag
            for tag, number in numbers.items()
            if number.isdigit() and int(number) not in keep and int(number) < max(keep)
        ]
        if old:
            found.append((image, old))
    return found


def drop_image(run: Run, image: LocalImage, tags: list[str]) -> Steps:
    """Drop our tags; the pulled digest too, where our tags were the image's last. Docker refuses what is in use."""
    dropped: dict[str, None] = {}  # in their order
    for tag in tags:
        if (yield from _tidily(run, f"The tag {tag} could not be removed", run.host.remove_image, tag)):
            dropped[tag] = None
    left = set(image.repo_tags) - dropped.keys()
    if not left:
        repository = run.spec.image.reference.partition("@")[0]
        for digest in image.repo_digests:
            if digest.partition("@")[0] == repository:
                yield from _tidily(run, f"{digest} could not be removed", run.host.remove_image, digest)
    if dropped:
        yield Line(f"Dropped the image of release {', '.join(tag.rpartition(':')[2] for tag in dropped)}.")
