"""The local tags that keep the images of a Compose application's Releases from being pruned."""

import hashlib
import re
from collections.abc import Iterator

from worker.engine.compose.run import ComposeRun
from worker.engine.container_host import LocalImage
from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.run import Steps
from worker.engine.spec import Identity

_PLAIN = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


def kept_tag(identity: Identity, service: str) -> str:
    """`estiva/INSTALLATION/app-production/web:12`: one for each service and Release."""
    return f"{_stem(identity)}/{_fit(service)}:{identity.release}"


def drop_old_images(run: ComposeRun) -> Steps:
    """Drop the tags of Releases that aren't kept; Docker keeps what is in use. A refusal is said, and nothing more."""
    try:
        for image in run.host.local_images(f"{_stem(run.identity)}/*:*"):
            yield from _drop(run, image)
    except HostError as error:
        yield Line(f"Old images could not be tidied on {run.server}: {error.message}", level="warn")


def _drop(run: ComposeRun, image: LocalImage) -> Steps:
    old = list(_old_tags(run, image))
    dropped = [tag for tag in old if run.host.remove_image(tag)]
    if dropped and not set(image.repo_tags) - set(dropped):
        for digest in image.repo_digests:
            run.host.remove_image(digest)
    if dropped:
        yield Line(f"Dropped the image {', '.join(tag.rpartition('/')[2] for tag in dropped)}.")


def _old_tags(run: ComposeRun, image: LocalImage) -> Iterator[str]:
    """A number above all kept ones belongs to somebody newer."""
    keep = {*run.spec.keep_releases, run.identity.release}
    if run.spec.previous is not None:
        keep.add(run.spec.previous.release)
    for tag in image.repo_tags:
        number = tag.rpartition(":")[2]
        ours = tag.startswith(f"{_stem(run.identity)}/") and number.isdigit()
        if ours and int(number) not in keep and int(number) < max(keep):
            yield tag


def _stem(identity: Identity) -> str:
    return identity.kept_tag.rpartition(":")[0]


def _fit(service: str) -> str:
    """A service's name as part of an image's; what doesn't fit becomes a hash, so that no two are alike."""
    if _PLAIN.fullmatch(service):
        return service
    return f"s-{hashlib.sha256(service.encode()).hexdigest()[:16]}"
