"""`FakeBuildHost`: the engine's door to an in-memory builder: builds as they are scripted, in virtual time.

Faults, cancels and the journal are those of `FakeConnection`: a build is the calls `build_begin`, `build_part` and `build`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from worker.connections.fake import FakeHost, FakeImage
from worker.connections.fake_container import stamp
from worker.connections.fake_images import familiar, repository_of
from worker.engine.build_events import (
    BuildDone,
    BuildEvent,
    BuildRequest,
    ContextSent,
    RegistryAuth,
    VertexEnded,
    VertexLine,
    VertexStarted,
)
from worker.engine.container_host import LocalImage, Platform, PullProgress, RemoteImage
from worker.engine.errors import HostError, NotFound


@dataclass(frozen=True, slots=True)
class FakePart:
    """One part of a build. With `error` the build fails there, in these words of BuildKit."""

    name: str
    lines: tuple[str, ...] = ()
    seconds: float = 1.0
    cached: bool = False
    error: str = ""


@dataclass(slots=True)
class FakeBuilds:
    """What a builder does, and what it was asked; shared by whoever is connected to it.

    `error` fails a build before its first part, as a Dockerfile that can't be read does. `running` are the ids of builds
    that go on: of those that were ended, none is left.
    """

    parts: tuple[FakePart, ...] = (FakePart("[1/2] FROM base"), FakePart("[2/2] RUN make", ("made",)))
    error: str = ""
    platform: Platform | None = None  # of the images; None: as asked, else the server's
    size: int = 20_000_000
    requests: list[BuildRequest] = field(default_factory=list)
    contexts: list[bytes] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)  # by cancel_build
    tagged: dict[str, str] = field(default_factory=dict)  # image ID -> when it last got a tag


class FakeBuildHost(FakeHost):
    """Implements `worker.engine.build_host.BuildHost` on a `FakeServer`."""

    builds: FakeBuilds

    @classmethod
    def on(cls, host: FakeHost, builds: FakeBuilds | None = None) -> "FakeBuildHost":
        """A connection of its own to the same server, with the same signals."""
        made = cls(host.server, host.signals)
        made.builds = builds or FakeBuilds()
        return made

    def remote_image(self, reference: str, auth: RegistryAuth | None = None) -> RemoteImage:
        """What the registry offers, to anybody."""
        return super().remote_image(reference)

    def tag(self, image: str, tag: str) -> None:
        """One more local reference; the image counts as used now."""
        super().tag(image, tag)
        self.builds.tagged[image] = stamp(self.server.now)

    def local_images(self, reference_filter: str) -> Sequence[LocalImage]:
        """Images with a tag that matches."""
        found = super().local_images(reference_filter)
        return [replace(each, tagged_at=self.builds.tagged.get(each.id, "")) for each in found]

    def build(self, request: BuildRequest, context: Iterator[bytes]) -> Iterator[BuildEvent]:
        """As scripted in `builds`."""
        self._call("build_begin", (request,), lambda: self.builds.running.add(request.build_id))
        self.builds.requests.append(request)
        try:
            yield from self._go_on(request, context)
        finally:
            self.builds.running.discard(request.build_id)

    def _go_on(self, request: BuildRequest, context: Iterator[bytes]) -> Iterator[BuildEvent]:
        until, received = self.now() + request.deadline, b""
        for piece in context:
            received += piece
            yield ContextSent(len(received), complete=False)
        self.builds.contexts.append(received)
        yield ContextSent(len(received), complete=True)
        if self.builds.error:
            raise HostError(f"Server {self.server.name}: {self.builds.error}")
        for number, part in enumerate(self.builds.parts):
            yield from self._part(request, part, f"sha256:{number:064d}", until)
        yield BuildDone(self._call("build", (request,), lambda: self._store(request, received)))

    def _part(self, request: BuildRequest, part: FakePart, name: str, until: float) -> Iterator[BuildEvent]:
        if part.cached and not request.no_cache:
            yield VertexEnded(name, part.name, 0.0, cached=True)
            return
        yield VertexStarted(name, part.name)
        self._call("build_part", (part.name,), lambda: None)
        yield from (VertexLine(name, "stdout", line) for line in part.lines)
        self.wait(part.seconds)
        if self.now() > until:
            raise HostError(
                f"Server {self.server.name}: the build took longer than {request.deadline:g} s and was ended."
            )
        yield VertexEnded(name, part.name, part.seconds, cached=False, error=part.error)
        if part.error:
            raise HostError(f"Server {self.server.name}: {part.error}")

    def _store(self, request: BuildRequest, received: bytes) -> str:
        asked = Platform(*request.platform.split("/")[:2]) if request.platform else self.server.platform
        content = repr((received, request.args, request.target, sorted(request.labels.items()), self.builds.parts))
        image_id = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        made = FakeImage(image_id, digest="", size=self.builds.size, platforms=(self.builds.platform or asked,))
        self.server.images.local.setdefault(image_id, made)
        for tag in request.tags:
            self.server.images.tag(image_id, tag)
        return image_id

    def push(self, reference: str, *, auth: RegistryAuth | None, deadline: float) -> Iterator[PullProgress]:
        """Push a local tag; from then on the registry has it, and the image bears its digest."""
        image = self._call("push_begin", (reference,), lambda: self.server.images.find(reference))
        if image is None:
            raise NotFound(f"An image does not exist locally with the tag: {reference}", status=404)
        yield PullProgress(image.size, image.size, 1, 1, "Pushed")
        self._call("push", (reference,), lambda: self._publish(image, reference))

    def _publish(self, image: FakeImage, reference: str) -> None:
        image.digest = image.digest or "sha256:" + hashlib.sha256(f"manifest|{image.id}".encode()).hexdigest()
        pinned = f"{repository_of(reference)}@{image.digest}"
        image.digests.add(pinned)
        self.server.images.published |= {familiar(reference): image, pinned: image}

    def cancel_build(self, build_id: str) -> None:
        """End that build, if it goes on."""

        def end() -> None:
            self.builds.running.discard(build_id)
            self.builds.ended.append(build_id)

        self._call("cancel_build", (build_id,), end)
