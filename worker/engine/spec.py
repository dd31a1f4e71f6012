"""What one Target is to become, frozen: the engine's whole input.

`worker.brief` makes these from database rows; nothing here knows a row. Durations are seconds, sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from worker.engine.options import NetworkSpec, Options

HealthKind = Literal["image", "http", "tcp", "command", "running"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that prints as `[redacted]` wherever it is shown by accident; `reveal()` says that it's meant."""

    _value: str

    def reveal(self) -> str:
        """The plain value."""
        return self._value

    def __repr__(self) -> str:
        return "[redacted]"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class PortSpec:
    """One published port. `host_port` None lets the engine choose a free one."""

    container_port: int
    host_port: int | None = None
    host_address: str = "0.0.0.0"  # noqa: S104 - Docker's own default, shown to the user
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A named volume mounted at `path`."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """When a container counts as healthy: `passes` good answers in a row, with an unchanged restart count.

    `image` follows the image's own HEALTHCHECK; `command` has Docker run these words in the container instead; `http`
    expects a status between the two bounds; `tcp` a port that accepts; `running` that the container runs for
    `run_seconds`. Failures within `start_period` are not counted; `deadline` is measured from the container's start and
    ends the wait.
    """

    kind: HealthKind = "running"
    path: str = "/"
    port: int | None = None
    status_min: int = 200
    status_max: int = 399
    interval: float = 1.0
    timeout: float = 3.0
    passes: int = 2
    start_period: float = 0.0
    deadline: float = 60.0
    run_seconds: float = 5.0
    command: tuple[str, ...] = ()
    no_image_check: bool = False  # Docker doesn't run the image's own
    retries: int | None = None  # failures in a row until Docker calls it unhealthy


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything about the container but its name and its image."""

    environment: tuple[tuple[str, str | Secret], ...] = ()
    ports: tuple[PortSpec, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    restart: str = "unless-stopped"
    restart_retries: int = 0
    memory: int | None = None
    cpus: float | None = None
    stop_timeout: int = 10
    user: str = ""
    network: str | None = None
    network_aliases: tuple[str, ...] = ()
    health: HealthSpec = field(default_factory=HealthSpec)
    options: Options = field(default_factory=Options)

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """Every network that it joins by name, `network`, in which it begins, first."""
        if self.network is None:
            return ()
        listed = {each.name: each for each in self.options.networks}
        own = listed.pop(self.network, NetworkSpec(self.network))
        aliases = tuple(dict.fromkeys((*own.aliases, *self.network_aliases)))
        return (replace(own, aliases=aliases), *listed.values())


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What is to run. `reference` is what is pulled (`name@sha256:…`); `tag` is shown only.

    `image_id` is set for an image built without a registry: then `reference` only names it for people. `arrives`: it needs
    not be on the server or in a registry yet; it comes from where it is built, and in a Plan it may be unknown.
    """

    reference: str
    digest: str | None
    tag: str | None = None
    image_id: str | None = None
    arrives: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """A container that was changed or made by hand and taken over: the record's word counts for it, not these labels of it."""

    container_id: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose container it is. The labels `estiva.*` carry these, the name carries release and fence."""

    installation: str
    placement: int
    placement_name: str  # "app-environment", already fit for a container name
    release: int  # the Release's number within its Placement
    deployment: int
    target: int
    fence: int
    incumbent_target: int | None = None  # the Target that last ended well here, as recorded
    adopted: Adopted | None = None

    @property
    def container_name(self) -> str:
        """`app-production-r12.f7`."""
        return f"{self.placement_name}-r{self.release}.f{self.fence}"

    @property
    def kept_tag(self) -> str:
        """The local tag that keeps this Release's image from being pruned."""
        return f"estiva/{self.installation}/{self.placement_name}:{self.release}"

    def labels(self) -> dict[str, str]:
        """The labels on every container of ours."""
        return {
            "estiva.installation": self.installation,
            "estiva.placement": str(self.placement),
            "estiva.release": str(self.release),
            "estiva.deployment": str(self.deployment),
            "estiva.target": str(self.target),
        }


@dataclass(frozen=True, slots=True)
class DeploySpec:
    """One Target: bring this image with these settings to this host.

    `incumbent_health` is how the version that serves now is judged when it has to be restored; None means "running".
    `incumbent_networks` are those that it joined, as its Release says; none where that isn't known.
    `keep_releases` are the numbers of the Releases whose images stay (this one and its forerunners). `touched` says that
    an earlier attempt of this Target had begun to change the server (`Mutated`): where the server then can't be looked
    at, nothing is claimed to be as before. `before` and `after` are commands that run in containers of their own, for at
    most `hook_deadline` seconds each: the one before anything is changed, the other once the new version serves. `give_up`:
    go no further, but put back what the attempts before have changed, where the old version is still there. `heard` says
    how many of its first lines each container, by its ID, has in the log already.
    """

    identity: Identity
    image: ImageSpec
    container: ContainerSpec
    incumbent_health: HealthSpec | None = None
    keep_releases: tuple[int, ...] = ()
    pull_deadline: float = 1800.0
    host_name: str = ""
    touched: bool = False
    give_up: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    hook_deadline: float = 600.0
    incumbent_networks: tuple[NetworkSpec, ...] = ()
    heard: Mapping[str, int] = field(default_factory=dict)
