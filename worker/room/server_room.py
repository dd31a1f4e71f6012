"""The door to a server for the server room: what `ContainerHost` promises, and a little more.

`worker.connections` ships `room.RoomDockerHost` and `fake_room.FakeRoom`. Errors are those of `worker.engine.errors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from worker.engine.container_host import ContainerHost, Follow


@dataclass(frozen=True, slots=True)
class Listing:
    """The Engine API's own lists. `usage` is `/system/df`; None where the engine took too long to count."""

    containers: Sequence[Mapping[str, Any]]
    images: Sequence[Mapping[str, Any]]
    volumes: Sequence[Mapping[str, Any]]
    networks: Sequence[Mapping[str, Any]]
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one container takes: CPU time in nanoseconds since it began, memory in bytes (`limit` 0: none is set)."""

    cpu: int
    memory: int
    limit: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The server itself: memory in bytes, the load over a minute, how many processors; None where it lets us run no command."""

    memory_total: int | None = None
    memory_free: int | None = None
    load: float | None = None
    cores: int | None = None


class ServerRoom(ContainerHost, Protocol):
    """A server for the length of one Operation."""

    def listing(self) -> Listing: ...

    def running(self, *, stopped: bool = False) -> Sequence[Mapping[str, Any]]:
        """The running containers alone, as the engine lists them; those that don't run, too, where that is asked."""
        ...

    def restart(self, name: str, *, timeout: int) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds, then a start; returns when it is started."""
        ...

    def follow_from(self, name: str, *, tail: int, since: int) -> Follow:
        """What it wrote, the last `tail` lines of those since `since` (seconds since the epoch, 0: all), and goes on
        writing. Each line begins with its time (RFC 3339) and a blank."""
        ...

    def usage(self, name: str) -> Usage | None:
        """Of a running container; None when it doesn't run or is gone."""
        ...

    def machine(self) -> Machine: ...
