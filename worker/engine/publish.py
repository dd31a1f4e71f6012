"""The built image goes to a registry, so that every server pulls it by its digest."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from worker.engine.build_events import RegistryAuth
from worker.engine.container_host import LocalImage, PullProgress
from worker.engine.errors import HostError
from worker.engine.events import Event, Line, Progress, StepEnded, StepStarted

_SPACING = 0.1  # seconds between two updates


class PushHost(Protocol):
    """What of a builder a push needs."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def tag(self, image: str, tag: str) -> None: ...

    def local_image(self, reference: str) -> LocalImage | None: ...

    def push(self, reference: str, *, auth: RegistryAuth | None, deadline: float) -> Iterator[PullProgress]: ...


@dataclass(frozen=True, slots=True)
class Published:
    """Where servers find it: `repository@digest`."""

    repository: str
    digest: str


def publish(
    host: PushHost, image_id: str, repository: str, tag: str, *, auth: RegistryAuth | None = None, deadline: float
) -> Generator[Event, None, Published]:
    """The step `publish`. A refusal comes out as HostError with the step closed; so does a push after which the engine
    knows no digest."""
    yield StepStarted("publish")
    reference, shown_at = f"{repository}:{tag}", float("-inf")
    try:
        host.tag(image_id, reference)
        yield Line(f"Pushing {reference}.")
        for progress in host.push(reference, auth=auth, deadline=deadline):
            if host.now() - shown_at >= _SPACING:
                shown_at = host.now()
                yield Progress("publish", progress.done, progress.total, progress.status)
        digest = _digest(host.local_image(image_id), repository)
    except HostError as error:
        yield StepEnded("publish", "bad", error.message)
        raise
    yield Line(f"Pushed, digest {digest}.", level="good")
    yield StepEnded("publish", "good", f"{repository}@{digest[:19]}…")
    return Published(repository, digest)


def _digest(image: LocalImage | None, repository: str) -> str:
    """The engine notes a digest for each repository that took the image; short and full names of one are the same."""
    wanted = repository.removeprefix("docker.io/").removeprefix("library/")
    for each in image.repo_digests if image else ():
        name, _, digest = each.partition("@")
        if name.removeprefix("docker.io/").removeprefix("library/") == wanted:
            return digest
    raise HostError(
        f"{repository} took the image, but the engine knows no digest of it.",
        why="Somebody removed the tag at the same moment.",
        remedy="Deploy again.",
    )
