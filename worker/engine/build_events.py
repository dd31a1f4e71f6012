"""What is asked of a builder and what it says while it builds: the words between `build.py` and `worker.connections`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from worker.engine.spec import Secret


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """Who we are for a registry."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build. `build_id` is what it is cancelled by, unique on the builder.

    `dockerfile` is a path in the context. `secrets` are by the id that the Dockerfile mounts them under. `labels` are the
    image's. `pull`: bases are looked up in their registries even where the builder has an image of that name. `memory`
    (bytes) and `cpus` bound what runs inside the build, as far as the builder can hold it; `deadline` is in seconds.
    `registry_auth` is by the registry's host name (`docker.io` for Docker Hub).
    """

    build_id: str
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    no_cache: bool = False
    memory: int | None = None
    cpus: float | None = None
    deadline: float = 1800.0
    registry_auth: Mapping[str, RegistryAuth] = field(default_factory=dict)
    pull: bool = False


@dataclass(frozen=True, slots=True)
class VertexStarted:
    """A part of the build begins; `name` is BuildKit's, such as `[2/5] RUN make`."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class VertexEnded:
    """It is over, after `seconds` of work. `error` is empty where it went well.

    `cached`: nothing had to be done; most such parts never were said to begin.
    """

    id: str
    name: str
    seconds: float
    cached: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class VertexLine:
    """One line that a part wrote, without its newline."""

    id: str
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class VertexProgress:
    """How far a transfer inside a part is, in bytes; `total` 0 means unknown."""

    id: str
    label: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ContextSent:
    """So many bytes of the context have gone to the builder; `complete` with the last."""

    done: int
    complete: bool


@dataclass(frozen=True, slots=True)
class BuilderNote:
    """What the builder's side has to say about this build, such as limits that it can't hold."""

    text: str
    level: Literal["info", "warn"] = "info"


@dataclass(frozen=True, slots=True)
class BuildDone:
    """The builder has the image. The last event of a build that went well."""

    image_id: str


BuildEvent = VertexStarted | VertexEnded | VertexLine | VertexProgress | ContextSent | BuilderNote | BuildDone
