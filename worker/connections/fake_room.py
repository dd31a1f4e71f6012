"""`FakeRoom`: the server room's door to the in-memory server."""

from collections.abc import Mapping
from typing import Any

from worker.connections.fake import FakeFollow, FakeHost
from worker.connections.fake_container import FakeContainer, stamp
from worker.engine.container_host import LogLine
from worker.room.server_room import Listing, Machine, Usage


class FakeRoomFollow(FakeFollow):
    """As `FakeFollow`, each line with its time before it."""

    def available(self) -> list[LogLine]:
        """The lines since the last call."""
        moment = stamp(self._server.now)
        return [LogLine(line.stream, f"{moment} {line.text}") for line in super().available()]


class FakeRoom(FakeHost):
    """Implements `worker.room.server_room.ServerRoom` on a `FakeServer`."""

    def listing(self) -> Listing:
        """Containers and images of the server; volumes and networks by name."""

        def look() -> Listing:
            server = self.server
            images = [
                {"Id": each.id, "RepoTags": sorted(each.tags), "RepoDigests": sorted(each.digests), "Size": each.size}
                for each in server.images.local.values()
            ]
            volumes = [{"Name": name, "Labels": labels, "Driver": "local"} for name, labels in server.volumes.items()]
            networks = [
                {"Name": name, "Labels": labels, "Driver": "bridge"} for name, labels in server.networks.items()
            ]
            usage = {"LayersSize": sum(each.size for each in server.images.local.values())}
            return Listing([_listed(each) for each in server.containers.values()], images, volumes, networks, usage)

        return self._call("listing", (), look)

    def running(self, *, stopped: bool = False) -> list[Mapping[str, Any]]:
        """Those that run, or all."""
        every = self.server.containers
        return self._call("running", (), lambda: [_listed(each) for each in every.values() if stopped or each.running])

    def restart(self, name: str, *, timeout: int) -> None:
        """Stop, then start."""

        def again() -> None:
            self.server.stop(name, timeout)
            self.server.start(name)

        self._call("restart", (name, timeout), again)

    def follow_from(self, name: str, *, tail: int, since: int) -> FakeFollow:
        """From the beginning, whatever was asked: virtual time has no epoch."""
        return self._call(
            "follow_from", (name, tail, since), lambda: FakeRoomFollow(self.server, self.server.find(name))
        )

    def usage(self, name: str) -> Usage | None:
        """Half of one processor, and a tenth of a gigabyte."""

        def look() -> Usage | None:
            found = next((each for each in self.server.containers.values() if name in (each.id, each.name)), None)
            if found is None or not found.running:
                return None
            return Usage(cpu=int(found.age(self.server.now) * 500_000_000), memory=100_000_000, limit=1_000_000_000)

        return self._call("usage", (name,), look)

    def machine(self) -> Machine:
        """Half full, half busy."""
        return self._call("machine", (), lambda: Machine(8_000_000_000, 4_000_000_000, 0.5))


def _listed(found: FakeContainer) -> Mapping[str, Any]:
    return {
        "Id": found.id,
        "Names": [f"/{found.name}"],
        "Image": str(found.body.get("Image", "")),
        "ImageID": found.image.id,
        "Labels": dict(found.body.get("Labels") or {}),
        "State": found.status,
        "Status": found.status.capitalize(),
        "Ports": [
            {"IP": address, "PublicPort": outer, "PrivatePort": inner, "Type": protocol}
            for address, outer, inner, protocol in found.published
        ],
        "Mounts": [{"Type": each.kind, "Name": each.name} for each in found.mounts],
        "NetworkSettings": {"Networks": {name: {} for name in found.networks}},
    }
