"""The images of the in-memory server: what a registry offers, what is local, how containers made from them behave."""

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from worker.engine.container_host import LocalImage, LogLine, Platform, RemoteImage
from worker.engine.errors import HostError, NotFound


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a container does once it runs. All times are seconds since its start.

    `healthy_after` None: it never becomes healthy (HTTP says 503, the image's own check "unhealthy").
    `healthy_until`: from then on it is unhealthy. `exits_after` None: it runs on.
    `listens_after` None: nothing listens, ever.
    """

    healthy_after: float | None = 0.0
    healthy_until: float | None = None
    unhealthy_after: float = 3.0  # when the image's own check gives up
    exits_after: float | None = None
    exit_code: int = 0
    oom_killed: bool = False
    ignores_term: bool = False
    stop_seconds: float = 0.1
    stop_exit_code: int = 0
    port: int = 5000
    listens_after: float | None = 0.0
    hangs: bool = False  # accepts a request and never answers
    start_error: str = ""  # starting fails with these words of the engine
    output: tuple[tuple[float, LogLine], ...] = ()
    last_words: tuple[LogLine, ...] = ()  # said when SIGTERM arrives

    def healthy_at(self, age: float) -> bool:
        """Is a container of this age healthy?"""
        if self.healthy_after is None or age < self.healthy_after:
            return False
        return self.healthy_until is None or age < self.healthy_until


@dataclass(slots=True)
class FakeImage:
    """An image, local or in the registry. `id` and `digest` are derived from name and content."""

    id: str
    digest: str
    size: int = 10_000_000
    platforms: tuple[Platform, ...] = (Platform("linux", "amd64"),)
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ("5000/tcp",)
    has_healthcheck: bool = False
    behaviour: Behaviour = field(default_factory=Behaviour)
    commands: Mapping[tuple[str, ...], Behaviour] = field(default_factory=dict)  # what other commands than its own do
    pull_seconds: float = 1.0
    tags: set[str] = field(default_factory=set)  # local references: name:tag
    digests: set[str] = field(default_factory=set)  # local references: name@sha256:…

    def as_local(self) -> LocalImage:
        """As the engine would show it."""
        return LocalImage(
            id=self.id,
            repo_digests=tuple(sorted(self.digests)),
            repo_tags=tuple(sorted(self.tags)),
            size=self.size,
            os=self.platforms[0].os,
            architecture=self.platforms[0].architecture,
            volumes=self.volumes,
            exposed_ports=self.exposed_ports,
            has_healthcheck=self.has_healthcheck,
        )


def familiar(reference: str) -> str:
    """The form Docker shows: no `docker.io/library/`, and `:latest` where neither tag nor digest is given."""
    for prefix in ("docker.io/library/", "docker.io/"):
        reference = reference.removeprefix(prefix)
    if "@" in reference or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"


def repository_of(reference: str) -> str:
    """The familiar name without tag and digest."""
    name = familiar(reference).partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


class FakeImages:
    """The images on the server and in the one registry that it reaches."""

    def __init__(self) -> None:
        self.local: dict[str, FakeImage] = {}
        self.published: dict[str, FakeImage] = {}
        self.built: dict[str, FakeImage] = {}  # by ID: what the builder has and no registry
        self.registry_error: HostError | None = None  # what every question to the registry meets

    def publish(self, name: str, tag: str = "latest", content: str = "", **fields: object) -> str:
        """Push an image; the answer is its `name@sha256:…`. The same content gives the same digest."""
        repository = repository_of(name)
        seed = f"{repository}|{content or tag}"
        image = FakeImage(id=_sha(f"id|{seed}"), digest=_sha(f"digest|{seed}"), **fields)  # type: ignore[arg-type]
        reference = f"{repository}@{image.digest}"
        self.published[f"{repository}:{tag}"] = image
        self.published[reference] = image
        return reference

    def build(self, content: str, **fields: object) -> str:
        """Have an image on the builder, in no registry; its ID."""
        image = FakeImage(id=_sha(f"id|{content}"), digest=_sha(f"digest|{content}"), **fields)  # type: ignore[arg-type]
        self.built[image.id] = image
        return image.id

    def at_builder(self, image_id: str) -> FakeImage:
        """What the builder has under an ID; `NotFound` as it says it."""
        image = self.built.get(image_id)
        if image is None:
            raise NotFound(f"Image {image_id} is not on the builder any more, where it was built.", status=404)
        return image

    def remote(self, reference: str) -> FakeImage:
        """What the registry has under a reference; `NotFound` as a registry says it."""
        if self.registry_error is not None:
            raise self.registry_error
        image = self.published.get(familiar(reference))
        if image is None:
            raise NotFound(f"manifest for {familiar(reference)} not found: manifest unknown", status=404)
        return image

    def remote_facts(self, reference: str) -> RemoteImage:
        """Digest and platforms, as `/distribution` answers."""
        image = self.remote(reference)
        return RemoteImage(digest=image.digest, platforms=image.platforms)

    def store(self, reference: str) -> FakeImage:
        """End of a pull: the image is local, under its digest and, if a tag was asked for, under that."""
        image = self.remote(reference)
        held = self.local.setdefault(image.id, image)
        held.digests.add(f"{repository_of(reference)}@{image.digest}")
        if "@" not in reference:
            self._move_tag(familiar(reference), held)
        return held

    def find(self, reference: str) -> FakeImage | None:
        """By ID, tag or name@digest."""
        if reference in self.local:
            return self.local[reference]
        known = familiar(reference)
        return next((image for image in self.local.values() if known in image.tags | image.digests), None)

    def matching(self, reference_filter: str) -> list[LocalImage]:
        """Images with a tag like `name:*`."""
        every = self.local.values()
        return [each.as_local() for each in every if fnmatch.filter(each.tags, reference_filter)]

    def tag(self, reference: str, tag: str) -> None:
        """Give a local image one more tag; `NotFound` without it."""
        image = self.find(reference)
        if image is None:
            raise NotFound(f"No such image: {reference}", status=404)
        self._move_tag(familiar(tag), image)

    def _move_tag(self, tag: str, image: FakeImage) -> None:
        for other in self.local.values():
            other.tags.discard(tag)
        image.tags.add(tag)

    def remove(self, reference: str, used_ids: Iterable[str]) -> bool:
        """Drop one reference, and the image with its last one; False when absent or when a container needs it."""
        image = self.find(reference)
        if image is None:
            return False
        known, name = familiar(reference), repository_of(reference)
        gone = {known}
        if "@" not in known and not any(repository_of(tag) == name for tag in image.tags - {known}):
            gone |= {
                digest for digest in image.digests if repository_of(digest) == name
            }  # Docker drops these with the last tag
        if not (image.tags | image.digests) - gone:
            if image.id in set(used_ids):
                return False
            del self.local[image.id]
        image.tags -= gone
        image.digests -= gone
        return True

    def prune(self, used_ids: Iterable[str]) -> None:
        """What somebody's `docker image prune` does: images without a tag go, unless a container uses them."""
        used = set(used_ids)
        for image in [each for each in self.local.values() if not each.tags and each.id not in used]:
            del self.local[image.id]
            image.digests.clear()


def _sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
