"""`RoomDockerHost`: the server room's door to a real server, through the Docker Engine API over SSH."""

from typing import Any

from worker.connections import inspected
from worker.connections.docker import DockerHost
from worker.connections.engine_errors import translated
from worker.connections.log_stream import LogStream
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import Conflict, HostError, HostLost, NotFound
from worker.room.machine import machine
from worker.room.server_room import Listing, Machine, Usage


class RoomDockerHost(DockerHost):
    """Implements `worker.room.server_room.ServerRoom`."""

    def listing(self) -> Listing:
        """The sizes last: an engine may count for long, and what it lists is known by then."""
        with translated(self._session):
            containers = self._api.containers(all=True)
            images = [inspected.listed_image(each) for each in self._api.images()]
            volumes = self._api.volumes().get("Volumes") or []
            networks = self._api.networks()
        return Listing(containers, images, volumes, networks, self._usage())

    def _usage(self) -> Any:
        try:
            with translated(self._session):
                return self._api.df()
        except (HostError, HostLost):
            if not self._session.alive:
                raise
            return None  # it counts for somebody else already, or longer than we wait

    def running(self, *, stopped: bool = False) -> Any:
        """One call."""
        with translated(self._session):
            return self._api.containers(all=stopped)

    def restart(self, name: str, *, timeout: int) -> None:
        """As one call of the engine."""
        self._even_if_paused(name, lambda: self._api.restart(name, timeout=timeout))

    def follow_from(self, name: str, *, tail: int, since: int) -> LogStream:
        """On a channel of its own."""
        with translated(self._session):
            return self._log_stream(name, f"follow=1&timestamps=1&tail={tail:d}&since={since:d}")

    def usage(self, name: str) -> Usage | None:
        """One sample, without the engine's own second one, which would take a second."""
        try:
            with translated(self._session):
                # engines before API 1.41 don't know `one-shot`, and wait
                newer = [int(part) for part in self._api.api_version.split(".")] >= [1, 41]
                found = self._api.stats(name, stream=False, one_shot=True if newer else None)
        except (NotFound, Conflict):
            return None
        memory, cpu = found.get("memory_stats") or {}, (found.get("cpu_stats") or {}).get("cpu_usage") or {}
        if not memory.get("usage"):
            return None
        details = memory.get("stats") or {}
        cache = details.get("inactive_file", details.get("total_inactive_file", 0))  # cgroup v2, v1
        return Usage(
            cpu=int(cpu.get("total_usage") or 0),
            memory=max(0, int(memory["usage"]) - int(cache)),
            limit=int(memory.get("limit") or 0),
        )

    def machine(self) -> Machine:
        """By reading three files."""
        return ask_machine(self._session)


def ask_machine(session: SshSession) -> Machine:
    """What the server says of itself; nothing where it runs no command for us."""
    try:
        said = session.run(["cat", "/proc/loadavg", "/proc/meminfo", "/sys/devices/system/cpu/online"])
    except (ChannelRefused, TimeoutError):
        return Machine()
    return machine(said.stdout)  # also where `cat` ended badly, since one of them wasn't there
