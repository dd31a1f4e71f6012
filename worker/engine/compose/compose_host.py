"""The door between the engine and Compose on a server: `ContainerHost`, and what else Compose asks for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError


@dataclass(frozen=True, slots=True)
class ComposeVersion:
    """What the server answers to `docker compose version`; `version` is None when there is no Compose, `said` says why."""

    version: str | None
    said: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """(2, 26, 1) of "v2.26.1-desktop"; empty when unknown."""
        parts = (self.version or "").lstrip("v").split("-")[0].split("+")[0].split(".")
        return tuple(int(each) for each in parts) if all(each.isdigit() for each in parts) else ()


@dataclass(frozen=True, slots=True)
class Resource:
    """A network or a volume on the server, ours or not."""

    kind: Literal["network", "volume"]
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ComposeLine:
    """A line that Compose wrote while it worked."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class UpOrder:
    """One `up`. `model` is JSON and may hold secrets: it travels on standard input only, and is never shown.

    `deadline` seconds after its start the run is ended on the server itself, whoever still listens.
    """

    project: str
    fence: int
    model: str
    wait_seconds: int
    deadline: int

    def __repr__(self) -> str:
        return f"UpOrder({self.project!r}, fence={self.fence})"


class ComposeRefused(HostError):
    """Compose ended with an error; `message` is the last thing it said, `said` all of its errors.

    `kind`: "busy" (another run holds the project), "timeout" (ended on the server at its deadline), else "failed".
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Literal["failed", "busy", "timeout"] = "failed",
        said: str = "",
        why: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, why=why, remedy=remedy)
        self.kind, self.said = kind, said or message


class ComposeHost(ContainerHost, Protocol):
    """A server with a Docker Engine and, hopefully, Compose v2."""

    def compose_version(self) -> ComposeVersion: ...

    def compose_config(self, project: str, documents: str, profiles: Sequence[str]) -> str:
        """The resolved model as JSON, every `$` in it doubled. `ComposeRefused` with Compose's words when it's wrong."""
        ...

    def compose_hashes(self, project: str, model: str) -> Mapping[str, str]:
        """Compose's own hash of each service, as the label `com.docker.compose.config-hash` of its containers has it."""
        ...

    def compose_up(self, order: UpOrder) -> Iterator[ComposeLine]:
        """`up --detach --wait` under the project's lock, nothing built or pulled; ends well or with `ComposeRefused`.

        `Cancelled` comes out once the run has ended on the server too.
        """
        ...

    def compose_start(self, order: UpOrder) -> Iterator[ComposeLine]:
        """`up --detach` for a one-off run, which has a project of its own: over once it is started, or `ComposeRefused`."""
        ...

    def compose_end_start(self, project: str, below: int) -> bool:
        """As `compose_end`, of what starts one-off runs."""
        ...

    def compose_end(self, project: str, below: int) -> bool:
        """End this project's runs of fences lower than `below`; True when nobody holds the project's lock any more."""
        ...

    def resources(self) -> Sequence[Resource]:
        """Every network and volume of the server."""
        ...

    def remove_volume(self, name: str) -> bool:
        """Remove a volume that nothing uses; False when absent or in use."""
        ...
