"""The one door between the engine and a server.

`worker.connections` ships two implementations: `docker.DockerHost` (Engine API over SSH) and `fake.FakeHost` (stateful, in memory).
Every call has a deadline and raises only the errors of `worker.engine.errors`: `HostError`/`NotFound`/`Conflict` when the server said no,
`HostLost` when nothing is known, `Cancelled` once when somebody asked to stop, `LeaseLost` when this worker is no longer the holder.
Containers are always addressed **by name**: names bear the fence, so a stale holder's calls meet 404 or 409.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What `/version` and `/info` say."""

    engine_version: str
    api_version: str
    os_type: str  # "linux" or "windows"
    architecture: str  # Docker's words: "amd64", "arm64", …
    root_folder: str
    server_time: str  # RFC 3339, the server's own clock
    containers_running: int = 0
    images: int = 0
    live_restore: bool = False
    absent: frozenset[str] = frozenset()  # what the engine says its kernel can't: "SwapLimit", "PidsLimit", …
    runtimes: tuple[str, ...] = ()
    log_drivers: tuple[str, ...] = ()
    product: str = "Docker"  # or "Podman"
    rootless: bool = False
    lacks: frozenset[str] = frozenset()
    """What podman's service has not: the calls "update" and "distribution", "timers" that run a container's own health check,
    "names" of containers that others in the network find, and "boot", the service that starts containers after a reboot.
    """

    @property
    def name(self) -> str:
        """For people: product and version."""
        return f"{self.product} {self.engine_version}" + (", rootless" if self.rootless else "")


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform that an image exists for."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A registry's answer for a reference, obtained through the server's engine (`/distribution/{name}/json`)."""

    digest: str
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image on the server. `repo_digests` are `name@sha256:…`."""

    id: str
    repo_digests: tuple[str, ...]
    repo_tags: tuple[str, ...]
    size: int
    os: str
    architecture: str
    volumes: tuple[str, ...] = ()  # paths the image declares with VOLUME
    exposed_ports: tuple[str, ...] = ()  # "5000/tcp"
    has_healthcheck: bool = False
    tagged_at: str = ""  # RFC 3339: when it was last given a tag here, else when it was made
    config: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the engine's own JSON


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount of an existing container. `name` is empty for a bind."""

    kind: Literal["volume", "bind", "tmpfs", "other"]
    name: str
    source: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Container:
    """An existing container, as inspected."""

    id: str
    name: str
    image_id: str
    image: str  # the reference it was created from
    labels: Mapping[str, str]
    status: str  # created running paused restarting exited dead removing
    running: bool
    exit_code: int
    oom_killed: bool
    error: str
    health: str  # "" (no check), starting, healthy, unhealthy
    restart_count: int
    restart_policy: str
    restart_retries: int
    started_at: str
    finished_at: str
    networks: Mapping[str, str]  # network name -> IP address ("" while not running)
    network_aliases: Mapping[str, tuple[str, ...]]
    network_mode: str
    published: tuple[tuple[str, int, int, str], ...]  # (host address, host port, container port, protocol)
    mounts: tuple[Mount, ...]
    environment: tuple[str, ...] = ()
    health_log: tuple[str, ...] = ()  # last outputs of the image's own check
    created_at: str = ""
    passed_at: str = field(
        default="", compare=False
    )  # the first good answer to the image's own check that the engine still tells of
    inspected: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the engine's own JSON

    @property
    def paused(self) -> bool:
        """Frozen by somebody's `docker pause`: its processes are there, `running` says so too, and none of them does anything."""
        return self.status == "paused"

    @property
    def up(self) -> bool:
        """It runs, and does something: neither paused nor waiting to be started again."""
        return self.running and self.status not in ("paused", "restarting")


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One step of a pull: bytes over all layers known so far."""

    done: int
    total: int
    layers_done: int
    layers: int
    status: str = ""


class PublishedPort(NamedTuple):
    """A port of the server that a running container holds. Its labels come in the same answer: its name may be another by now."""

    address: str
    port: int
    protocol: str
    name: str  # of the container
    labels: Mapping[str, str] = MappingProxyType({})


class LogLine(NamedTuple):
    """A line a container wrote; `text` has no newline, invalid UTF-8 already replaced."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A health probe's answer: `status` for HTTP (0 otherwise), `ok` False with a `problem` when nothing answered.

    `unreachable` says that the address itself can't be reached from the server (no route, forwarding forbidden):
    nothing is known of who listens there, and another way may work. A refused or silent port is not unreachable.
    """

    ok: bool
    status: int = 0
    problem: str = ""
    unreachable: bool = False


class Follow(Protocol):
    """A container's output as it comes. `arrived` counts its bytes, those of a line that has no end yet as well."""

    arrived: int

    def available(self) -> Sequence[LogLine]:
        """The lines that arrived since the last call, at once; empty when there are none. Never blocks."""
        ...

    @property
    def ended(self) -> bool:
        """The stream is over (container gone or connection lost); not a proof of anything."""
        ...

    def close(self) -> None:
        """Stop following."""
        ...


class ContainerHost(Protocol):
    """A server with a Docker Engine, for the length of one Target or Operation."""

    # clock
    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait; raises `Cancelled` or `LeaseLost` the moment either is known."""
        ...

    def shield(self) -> None:
        """From now on `Cancelled` is not raised any more (the engine is restoring); `LeaseLost` still is."""
        ...

    def together(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        """Calls to this host that don't depend on each other, at the same time where it can: see `worker.engine.at_once`."""
        ...

    # looking
    def facts(self, *, anew: bool = True) -> EngineFacts:
        """What it says of itself. Not `anew`, what this kind of engine said on this server a moment ago will do: of what changes
        there, its clock, its containers, it tells nothing then.
        """
        ...

    def disk_free(self, path: str) -> tuple[int, int] | None:
        """(free, total) bytes of the file system that holds `path`; None where the server doesn't let us know."""
        ...

    def files_free(self, path: str) -> tuple[int, int] | None:
        """(free, total) inodes there; None where the server doesn't let us know, or its file system has no such bound."""
        ...

    def remote_image(self, reference: str) -> RemoteImage: ...

    def local_image(self, reference: str) -> LocalImage | None: ...

    def local_images(self, reference_filter: str) -> Sequence[LocalImage]:
        """Images with a tag that matches (`estiva/INSTALLATION/NAME:*`)."""
        ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """Inspected containers, running or not, that carry all these labels; one that vanishes meanwhile is left out."""
        ...

    def names(self, labels: Mapping[str, str]) -> Sequence[str]:
        """The names of the containers, running or not, that carry all these labels: one question, however many they are."""
        ...

    def all_published_ports(self) -> Sequence[PublishedPort]:
        """Of every running container on the server."""
        ...

    def container(self, name: str) -> Container | None: ...

    def logs(self, name: str, *, tail: int) -> Sequence[LogLine]: ...

    def follow(self, name: str) -> Follow: ...

    def probe_http(self, address: str, port: int, path: str, *, timeout: float) -> Probe: ...

    def probe_tcp(self, address: str, port: int, *, timeout: float) -> Probe: ...

    # changing; each is safe to repeat
    def pull(self, reference: str, *, platform: str | None, deadline: float) -> Iterator[PullProgress]: ...

    def receive_image(self, image_id: str, *, deadline: float) -> Iterator[PullProgress]:
        """Bring an image that was built without a registry from its builder, only the layers that are not here.

        The first progress announces in its `status` what comes from where. At the end the image was seen here, under the same
        ID. `NotFound` when no builder is known or it has no such image; `HostError` after `deadline` seconds.
        """
        ...

    def tag(self, image: str, tag: str) -> None: ...

    def remove_image(self, reference: str) -> bool:
        """Remove one reference (a tag or name@digest), never by force; False when absent or still in use."""
        ...

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None: ...

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None: ...

    def create(self, name: str, body: Mapping[str, Any]) -> Sequence[str]:
        """POST /containers/create with the Engine API's own JSON; what the engine remarked, such as a limit its kernel doesn't
        know. `Conflict` when the name is taken.
        """
        ...

    def start(self, name: str) -> None:
        """A running one stays as it is; one that is paused goes on."""
        ...

    def stop(self, name: str, *, timeout: int) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds; returns when it is stopped. One that is paused ends like any other."""
        ...

    def rename(self, name: str, new_name: str) -> None: ...

    def remove(self, name: str) -> None:
        """Remove a container by force, its volumes never."""
        ...

    def set_restart_policy(self, name: str, policy: str, retries: int = 0) -> None: ...

    def connect_network(
        self, network: str, name: str, aliases: Sequence[str], *, ipv4: str = "", ipv6: str = ""
    ) -> None:
        """Join a network under these aliases, at these addresses where some are given."""
        ...

    def disconnect_network(self, network: str, name: str) -> None: ...

    def keeps_addresses(self, network: str) -> bool:
        """Whether a container that left can be given its address again: see `worker.engine.aside`."""
        ...
