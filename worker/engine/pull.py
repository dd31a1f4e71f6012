"""The image comes to the server, and it is the one that was meant."""

from collections.abc import Generator, Iterator

from worker.engine.container_host import LocalImage, PullProgress
from worker.engine.errors import NotFound
from worker.engine.events import Event, Line, Progress
from worker.engine.failure import StepFailed
from worker.engine.run import Run, attempt

_PROGRESS_SPACING = 0.1  # seconds: ten updates a second are enough for an eye, and spare the recorder


def pull(run: Run) -> Generator[Event, None, str]:
    """Pull, or receive from the builder, unless the image is here already; check what came, and give it the local tag that keeps it. Sets
    `run.image`.
    """
    spec, host = run.spec, run.host
    wanted = spec.image.image_id or spec.image.reference
    image = host.local_image(wanted)
    if image is not None and (
        spec.image.image_id or (_has_digest(image, spec.image.digest) and _fits(image, _platform(run)))
    ):
        yield Line(f"{_shown(run)} is on {run.server} already: nothing to pull.")
        message = "already on the server"
    else:
        message = yield from (_receive(run, spec.image.image_id) if spec.image.image_id else _fetch(run))
        image = host.local_image(wanted)
    run.image = _checked(run, image)
    attempt(f"The image could not be tagged on {run.server}", host.tag, wanted, run.identity.kept_tag)
    return message


def _fetch(run: Run) -> Generator[Event, None, str]:
    yield Line(f"Pulling {_shown(run)} on {run.server}.")
    pulling = run.host.pull(
        run.spec.image.reference, platform=run.spec.container.options.platform or None, deadline=run.spec.pull_deadline
    )
    return (yield from _watch(run, pulling, "pulled"))


def _receive(run: Run, image_id: str) -> Generator[Event, None, str]:
    """An image that no registry has comes from the server where it was built, through the worker."""
    receiving = run.host.receive_image(image_id, deadline=run.spec.pull_deadline)
    try:
        for announced in receiving:
            yield Line(f"{_shown(run)} is not on {run.server} yet: {announced.status}.")
            break
        return (yield from _watch(run, receiving, "received"))
    except NotFound as error:
        raise StepFailed(
            f"Image {image_id} is not on {run.server} any more.",
            why="It was built without a registry, so it can't be pulled again; somebody removed it from the server. "
            f"{error.message} {error.why}".rstrip(),
            remedy="Build and deploy it again.",
        ) from error


def _watch(run: Run, steps: Iterator[PullProgress], done: str) -> Generator[Event, None, str]:
    begun = run.host.now()
    last: PullProgress | None = None
    shown_at = float("-inf")
    notable = ""
    for progress in steps:
        last = progress
        if run.host.now() - shown_at >= _PROGRESS_SPACING:
            shown_at = run.host.now()
            yield _progress(progress)
        if progress.status != notable and _notable(progress.status):
            notable = progress.status
            yield Line(notable)
    if last is not None:
        yield _progress(last)
    seconds = run.host.now() - begun
    size = f", {_readable(last.total)}" if last is not None and last.total else ""
    yield Line(f"{done.capitalize()} in {seconds:.1f} s{size}.", level="good")
    return f"{done} in {seconds:.1f} s"


def _checked(run: Run, image: LocalImage | None) -> LocalImage:
    """The local image, proven to be the intended one: end of a pull isn't success."""
    if image is None:
        raise StepFailed(
            f"{run.spec.image.reference} is not on {run.server} after the pull.",
            why="The pull ended early, or somebody pruned the server's images at the same moment.",
            remedy="Deploy again.",
        )
    if not run.spec.image.image_id and not _has_digest(image, run.spec.image.digest):
        raise StepFailed(
            f"The image on {run.server} does not carry the digest {run.spec.image.digest}.",
            why=f"The engine knows it as {', '.join(image.repo_digests) or 'an image without a digest'}.",
            remedy="Remove that image on the server and deploy again; if it stays so, the registry or a mirror serves "
            "something else.",
        )
    platform = _platform(run)
    if not _fits(image, platform):
        chosen = run.spec.container.options.platform
        raise StepFailed(
            f"The image is built for {image.os}/{image.architecture}, but "
            f"{'the settings ask for' if chosen else f'{run.server} is'} {platform}.",
            why="Its program can't run on this server's processor.",
            remedy=f"Build and push the image for {platform}, then deploy that.",
        )
    if run.spec.container.health.kind == "image" and not image.has_healthcheck:
        raise StepFailed(
            "The health check is set to the image's own, but the image declares none.",
            why="There is no HEALTHCHECK in the Dockerfile it was built from.",
            remedy="Choose another health check in the settings (HTTP path, TCP port or running time), or add "
            "HEALTHCHECK to the image.",
        )
    return image


def _platform(run: Run) -> str:
    """What the image has to be built for: the platform chosen, else the server's own."""
    facts = run.facts or run.host.facts()
    return run.spec.container.options.platform or f"{facts.os_type}/{facts.architecture}"


def _fits(image: LocalImage, platform: str) -> bool:
    """A variant (`linux/arm/v7`) isn't known of a local image."""
    return platform.split("/")[:2] == [image.os, image.architecture]


def _has_digest(image: LocalImage, digest: str | None) -> bool:
    return digest is None or any(each.endswith(f"@{digest}") for each in image.repo_digests)


def _shown(run: Run) -> str:
    """The image as a person calls it, with enough of the digest to tell it from others."""
    image = run.spec.image
    name = image.reference.partition("@")[0]
    tagged = f"{name}:{image.tag}" if image.tag else name
    identity = image.digest or image.image_id
    return f"{tagged} ({identity[:19]}…)" if identity else tagged


def _notable(status: str) -> bool:
    words = ("retrying", "waiting", "verifying checksum failed", "rate", "warning")
    return any(each in status.lower() for each in words) and status.lower() != "waiting"


def _progress(now: PullProgress) -> Progress:
    return Progress("pull", now.done, now.total, f"{now.layers_done} of {now.layers} layers", "bytes")


def _readable(size: int) -> str:
    """Bytes for people: `312 kB`, `1.2 GB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
