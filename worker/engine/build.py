"""One build Target: from a commit's context to an image on the builder that was seen there.

The steps `build`, `publish` (where somebody gives one) and `cleanup`; reaching the builder and reading the repository come
before, and are the caller's.
"""

from collections.abc import Callable, Generator, Iterator

from worker.engine.build_bases import resolve_bases
from worker.engine.build_cleanup import clean_up
from worker.engine.build_events import BuildRequest
from worker.engine.build_failure import diagnosed
from worker.engine.build_host import BuildHost
from worker.engine.build_log import BuildLog, settled, size_words
from worker.engine.build_making import Making, rfc3339
from worker.engine.build_spec import BuildSpec
from worker.engine.container_host import EngineFacts, LocalImage
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Built, Ended, Event, Line, Verdict
from worker.engine.failure import StepFailed
from worker.engine.podman import podman_builder
from worker.engine.run import Steps, step

Publish = Callable[[Built], Generator[Event, None, str]]
_LITTLE_ROOM = 1 << 30  # bytes on the builder's disk below which a warning is due
_EARLIER = 3  # attempts before this one whose builds are ended, should they still go on


def build(
    spec: BuildSpec,
    host: BuildHost,
    context: Iterator[bytes],
    *,
    context_size: int = 0,
    publish: Publish | None = None,
) -> Iterator[Event]:
    """Build the image, or find it built. `Built` tells what there is, the last event is `Ended`.

    `context` is a tar, read only when something has to be built; what it raises comes out as it is, the step left
    open. So do `HostLost` and `LeaseLost`. `publish` is a step's body: it gets what was built.
    """
    making = Making(spec, host, BuildLog(context_size))
    try:
        yield from step(making, "build", make_image(making, context))
        if making.built is not None:
            yield making.built
            if publish is not None:
                yield from step(making, "publish", publish(making.built))
        yield from step(making, "cleanup", clean_up(making))
        yield _succeeded(making)
    except Cancelled:
        host.shield()
        yield _cancelled(making)
    except StepFailed as failure:
        host.shield()
        yield _failed(making, failure)


def make_image(making: Making, context: Iterator[bytes]) -> Generator[Event, None, str]:
    """The body of the step `build`; sets `making.built`."""
    spec, host = making.spec, making.host
    facts = host.facts()
    making.platform = spec.platform or f"{facts.os_type}/{facts.architecture}"
    yield from _look_first(making, facts)
    yield from resolve_bases(making, facts)
    key = spec.reuse_key(making.bases)
    found = _reusable(making, spec.build_tag(key))
    if isinstance(found, LocalImage):
        yield Line(
            f"This commit was built before with the same Dockerfile, arguments and base images: {spec.build_tag(key)} "
            f"is on {spec.server} and is used again.",
            level="good",
        )
        host.tag(found.id, spec.build_tag(key))  # used last, so dropped last
        making.built = _as_built(making, found, key, reused=True)
        return "the image of an earlier build is used again"
    yield Line(found)
    begun = host.now()
    yield from _run(making, _request(spec, facts, pull=making.pulled), context)
    seconds = host.now() - begun
    making.bases = tuple(settled(dict(making.bases), making.log.bases).items())
    key = spec.reuse_key(making.bases)  # a tag may have moved between the look and the build
    image = yield from _seen(making)
    host.tag(image.id, spec.build_tag(key))
    making.built = _as_built(making, image, key, reused=False)
    log = making.log
    cached = f", {log.cached} of {log.cached + log.worked} parts from the cache" if log.cached else ""
    yield Line(f"Built {image.id[:19]}… in {seconds:.1f} s{cached}; {size_words(image.size)}.", level="good")
    return f"built in {seconds:.1f} s{cached}"


def _look_first(making: Making, facts: EngineFacts) -> Steps:
    spec, host = making.spec, making.host
    if facts.os_type != "linux":
        raise StepFailed(
            f"{spec.server} runs an engine for {facts.os_type} containers.",
            why="Estiva builds Linux images.",
            remedy="Choose a Linux server as the builder.",
        )
    for lack in podman_builder(facts, spec.server):
        raise StepFailed(lack.message, why="Podman builds by another way, which Estiva doesn't go.", remedy=lack.remedy)
    if not spec.dockerfile_text.strip():
        raise StepFailed(
            f"{spec.dockerfile} is empty.",
            why="The Dockerfile has no instruction that a build can begin from.",
            remedy="Begin it with FROM and the image to build on, commit and push.",
        )
    for fence in range(max(1, spec.identity.fence - _EARLIER), spec.identity.fence):
        host.cancel_build(spec.identity.build_id(fence))
    free = host.disk_free(facts.root_folder)
    if free is not None and free[0] < _LITTLE_ROOM:
        yield Line(f"Only {size_words(free[0])} are free at {facts.root_folder} on {spec.server}.", level="warn")


def _reusable(making: Making, tag: str) -> LocalImage | str:
    """The image of an earlier build, or why there is none to use."""
    spec = making.spec
    if spec.no_cache:
        return "Building anew, without the cache, as was asked."
    if not all(identity for _, identity in making.bases):
        return "Building: without its base images' digests it can't be told whether an earlier build is the same."
    image = making.host.local_image(tag)
    if image is None:
        return f"Building {spec.commit[:7]} on {spec.server}."
    if spec.platform and not _fits(image, spec.platform):
        return f"Building: {tag} is for {image.os}/{image.architecture}."
    return image


def _request(spec: BuildSpec, facts: EngineFacts, *, pull: bool) -> BuildRequest:
    return BuildRequest(
        build_id=spec.identity.build_id(),
        dockerfile=spec.dockerfile,
        target=spec.target,
        args=spec.args,
        secrets=spec.secrets,
        platform=spec.platform,
        labels=spec.labels(rfc3339(facts.server_time)),
        no_cache=spec.no_cache,
        memory=spec.memory,
        cpus=spec.cpus,
        deadline=spec.deadline,
        registry_auth=spec.registry_auth,
        pull=pull,
    )


def _run(making: Making, request: BuildRequest, context: Iterator[bytes]) -> Steps:
    try:
        for event in making.host.build(request, context):
            yield from making.log.take(event, making.host.now())
    except HostError as error:
        yield from making.log.opening()
        raise diagnosed(making, error) from error


def _seen(making: Making) -> Generator[Event, None, LocalImage]:
    """The image, looked at on the builder: the end of a build isn't success."""
    spec, image = making.spec, making.host.local_image(making.log.image_id)
    if image is None:
        raise StepFailed(
            f"The image {making.log.image_id} is not on {spec.server} after the build.",
            why="Somebody pruned the builder's images at the same moment.",
            remedy="Deploy again.",
        )
    if not _fits(image, making.platform):
        said = f"The image is built for {image.os}/{image.architecture}, not for {making.platform}."
        if spec.platform:
            raise StepFailed(
                said,
                why="The Dockerfile names a platform of its own (FROM --platform=…).",
                remedy="Take that out of the last stage, or set the platform in the build settings to what is meant.",
            )
        yield Line(f"{said} It won't run on {spec.server} itself.", level="warn")
    return image


def _as_built(making: Making, image: LocalImage, key: str, *, reused: bool) -> Built:
    platform = f"{image.os}/{image.architecture}"
    return Built(image.id, image.size, platform, making.bases, reused, making.spec.build_tag(key))


def _fits(image: LocalImage, platform: str) -> bool:
    return [image.os, image.architecture] == platform.split("/")[:2]


def _succeeded(making: Making) -> Ended:
    spec = making.spec
    image = making.built.image_id[:19] if making.built is not None else ""
    how = "is used again" if making.built is not None and making.built.reused else "is built"
    return Ended(Verdict.SUCCEEDED, what=f"The image {image}… of {spec.commit[:7]} {how} on {spec.server}.")


def _cancelled(making: Making) -> Ended:
    if making.built is None:
        what = f"Cancelled: the build on {making.spec.server} was ended, and nothing it started runs any more."
    else:
        what = f"Cancelled after the image was built; it stays on {making.spec.server} for the next time."
    return Ended(Verdict.CANCELLED_UNTOUCHED, what=what)


def _failed(making: Making, failure: StepFailed) -> Ended:
    return Ended(
        Verdict.FAILED_UNTOUCHED,
        what=failure.what,
        why=failure.why,
        remedy=failure.remedy,
        failed_step=failure.step,
        exit_code=failure.exit_code,
    )
