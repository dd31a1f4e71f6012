"""The door between the engine and a builder.

`worker.connections` ships two implementations: `building.DockerBuildHost` (the builder's own Docker Engine, over SSH) and
`fake_building.FakeBuildHost`. Errors and deadlines are those of `ContainerHost`.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.engine.build_events import BuildEvent, BuildRequest, RegistryAuth
from worker.engine.container_host import EngineFacts, LocalImage, PullProgress, RemoteImage


class BuildHost(Protocol):
    """A server that builds, for the length of one Target."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait; raises `Cancelled` or `LeaseLost` the moment either is known."""
        ...

    def shield(self) -> None:
        """From now on `Cancelled` is not raised any more; `LeaseLost` still is."""
        ...

    def facts(self, *, anew: bool = True) -> EngineFacts: ...

    def disk_free(self, path: str) -> tuple[int, int] | None:
        """(free, total) bytes of the file system that holds `path`; None where the server doesn't let us know."""
        ...

    def local_image(self, reference: str) -> LocalImage | None: ...

    def local_images(self, reference_filter: str) -> Sequence[LocalImage]: ...

    def remote_image(self, reference: str, auth: RegistryAuth | None = None) -> RemoteImage:
        """Asked of the registry by the builder's own engine."""
        ...

    def tag(self, image: str, tag: str) -> None: ...

    def remove_image(self, reference: str) -> bool:
        """Remove one reference, never by force; False when absent or still in use."""
        ...

    def build(self, request: BuildRequest, context: Iterator[bytes]) -> Iterator[BuildEvent]:
        """Build; the last event is `BuildDone`.

        `context` is a tar, read as fast as the builder takes it; what it raises comes out unchanged, the build is then
        ended. `HostError` with BuildKit's words when the build fails. However this ends early (`Cancelled`, deadline,
        closed generator), the builder is told to end the build and its processes are gone; after `HostLost` and
        `LeaseLost` the builder ends it by itself, when it notices that nobody listens.
        """
        ...

    def push(self, reference: str, *, auth: RegistryAuth | None, deadline: float) -> Iterator[PullProgress]:
        """Push a local tag; `HostError` with the registry's words, or after `deadline` seconds."""
        ...

    def cancel_build(self, build_id: str) -> None:
        """End a build of that id, if there is one: somebody before us may have left it."""
        ...
