"""The built image goes to a registry, so that every server pulls it by its digest."""

from collections.abc import Generator, Iterator
from typing import Protocol

from worker.engine.build_events import RegistryAuth
from worker.engine.container_host import LocalImage, PullProgress
from worker.engine.errors import HostError
from worker.engine.events import Built, Event, Line, Progress, Published

_SPACING = 0.1  # seconds between two updates


class PushHost(Protocol):
    """What of a builder a push needs."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def tag(self, image: str, tag: str) -> None: ...

    def local_image(self, reference: str) -> LocalImage | None: ...

    def push(self, reference: str, *, auth: RegistryAuth | None, deadline: float) -> Iterator[PullProgress]:
        """Push a local tag; `HostError` with the registry's words, or after `deadline` seconds."""
        ...


def publish(
    host: PushHost, built: Built, repository: str, tag: str, *, auth: RegistryAuth | None = None, deadline: float
) -> Generator[Event, None, str]:
    """The body of the step `publish`; `Published` tells where the image is. HostError also where no digest came of it."""
    reference, shown_at = f"{repository}:{tag}", float("-inf")
    host.tag(built.image_id, reference)
    yield Line(f"Pushing {reference}.")
    for progress in host.push(reference, auth=auth, deadline=deadline):
        if host.now() - shown_at >= _SPACING:
            shown_at = host.now()
            yield Progress("publish", progress.done, progress.total, progress.status)
    digest = _digest(host.local_image(built.image_id), repository)
    yield Line(f"Pushed, digest {digest}.", level="good")
    yield Published(repository, digest)
    return f"{repository}@{digest[:19]}…"


def _digest(image: LocalImage | None, repository: str) -> str:
    """The engine notes a digest for each repository that took the image; short and full names of one are the same."""
    for each in image.repo_digests if image else ():
        name, _, digest = each.partition("@")
        if _short(name) == _short(repository):
            return digest
    raise HostError(
        f"{repository} took the image, but the engine knows no digest of it.",
        why="Somebody removed the tag at the same moment.",
        remedy="Deploy again.",
    )


def _short(repository: str) -> str:
    return repository.removeprefix("docker.io/").removeprefix("library/")
