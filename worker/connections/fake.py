"""`FakeHost`: the engine's door to an in-memory server, with a journal of calls and faults on demand.

Ships beside the real adapters so that the engine's logic can be tried in milliseconds: states, ports, restart policies
and time are kept by `FakeServer`; what happens to the connection is scripted on `FakeConnection`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from worker.connections import fake_podman
from worker.connections.fake_connection import CHANGING, Call, FakeConnection
from worker.connections.fake_container import FakeContainer, stamp
from worker.connections.fake_images import Behaviour, FakeImage, FakeImages
from worker.connections.fake_server import EVERYWHERE, FakeServer
from worker.engine.aside import KEPT, KEPT_LABEL
from worker.engine.container_host import (
    Container,
    EngineFacts,
    LocalImage,
    LogLine,
    Probe,
    PublishedPort,
    PullProgress,
    RemoteImage,
)
from worker.engine.errors import HostError, NotFound

__all__ = ["CHANGING", "Behaviour", "Call", "FakeFollow", "FakeHost", "FakeImage", "FakeImages", "FakeServer"]

_HERE = (*EVERYWHERE, "127.0.0.1", "localhost", "::1")


class FakeFollow:
    """A container's output from its beginning, as virtual time lets it be written."""

    def __init__(self, server: FakeServer, found: FakeContainer) -> None:
        self._server, self._found, self._read, self._closed = server, found, 0, False
        self.arrived = 0

    def available(self) -> Sequence[LogLine]:
        """The lines since the last call."""
        if self._closed:
            return ()
        self._found.write_until(self._server.now)
        fresh = self._found.log[self._read :]
        self._read += len(fresh)
        self.arrived += sum(len(each.text) + 1 for each in fresh)
        return fresh

    @property
    def ended(self) -> bool:
        """Closed, or the container no longer runs."""
        alive = self._found.status in ("running", "paused", "restarting") and self._found.id in self._server.containers
        return self._closed or not alive

    def close(self) -> None:
        """Stop following."""
        self._closed = True


class FakeHost(FakeConnection):
    """Implements `worker.engine.container_host.ContainerHost` on a `FakeServer`."""

    # looking
    def facts(self, *, anew: bool = True) -> EngineFacts:
        """Version and platform. What is known already is asked of nobody."""
        server = self.server

        def look() -> EngineFacts:
            docker = EngineFacts(
                engine_version="20.10.24",
                api_version="1.41",
                os_type=server.platform.os,
                architecture=server.platform.architecture,
                root_folder="/var/lib/docker",
                server_time=stamp(server.now),
                containers_running=sum(each.running for each in server.containers.values()),
                images=len(server.images.local),
            )
            return fake_podman.facts(docker) if server.podman else docker

        known = self.server.known_facts
        if not anew and known is not None:
            return known
        found: EngineFacts = self._call("facts", (), look)
        self.server.known_facts = (
            None if server.podman else replace(found, server_time="", containers_running=0, images=0)
        )
        return found

    def disk_free(self, path: str) -> tuple[int, int] | None:
        """As set in `server.disk`."""
        return self._call("disk_free", (path,), lambda: self.server.disk)

    def files_free(self, path: str) -> tuple[int, int] | None:
        """As set in `server.files`."""
        return self._call("files_free", (path,), lambda: self.server.files)

    def remote_image(self, reference: str) -> RemoteImage:
        """What the registry offers."""

        def ask() -> RemoteImage:
            fake_podman.refuse_unknown_call(self.server.podman)
            return self.server.images.remote_facts(reference)

        return self._call("remote_image", (reference,), ask)

    def local_image(self, reference: str) -> LocalImage | None:
        """By ID, tag or name@digest."""

        def look() -> LocalImage | None:
            image = self.server.images.find(reference)
            return image.as_local() if image else None

        return self._call("local_image", (reference,), look)

    def local_images(self, reference_filter: str) -> Sequence[LocalImage]:
        """Images with a tag that matches; `*` stands for anything but a slash."""
        return self._call("local_images", (reference_filter,), lambda: self.server.images.matching(reference_filter))

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """Those that carry all the labels."""

        def look() -> list[Container]:
            every = [each.inspected(self.server.now) for each in self.server.containers.values()]
            return [each for each in every if labels.items() <= dict(each.labels).items()]

        return self._call("containers", (dict(labels),), look)

    def names(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Of those that carry all the labels."""

        def look() -> list[str]:
            every = self.server.containers.values()
            return [each.name for each in every if labels.items() <= each.body.get("Labels", {}).items()]

        return self._call("names", (dict(labels),), look)

    def all_published_ports(self) -> Sequence[PublishedPort]:
        """Of every running container."""

        def look() -> list[PublishedPort]:
            running = [each for each in self.server.containers.values() if each.running]
            return [
                PublishedPort(host, port, protocol, each.name, dict(each.body.get("Labels") or {}))
                for each in running
                for host, port, _, protocol in each.published
            ]

        return self._call("all_published_ports", (), look)

    def container(self, name: str) -> Container | None:
        """Inspect by name."""

        def look() -> Container | None:
            try:
                return self.server.find(name).inspected(self.server.now)
            except NotFound:
                return None

        return self._call("container", (name,), look)

    def logs(self, name: str, *, tail: int) -> Sequence[LogLine]:
        """The last lines."""
        return self._call("logs", (name,), lambda: self.server.find(name).log[-tail:] if tail else [])

    def follow(self, name: str) -> FakeFollow:
        """From the beginning."""
        return self._call("follow", (name,), lambda: FakeFollow(self.server, self.server.find(name)))

    def probe_http(self, address: str, port: int, path: str, *, timeout: float) -> Probe:
        """200 when the container that listens there is healthy, 503 when it isn't."""
        return self._call("probe_http", (address, port, path), lambda: self._probe(address, port, timeout, http=True))

    def probe_tcp(self, address: str, port: int, *, timeout: float) -> Probe:
        """Does something listen there?"""
        return self._call("probe_tcp", (address, port), lambda: self._probe(address, port, timeout, http=False))

    def _probe(self, address: str, port: int, timeout: float, *, http: bool) -> Probe:
        if not self.server.forwards_tcp:
            return Probe(ok=False, problem="sshd forbids forwarding to TCP addresses", unreachable=True)
        if address in _HERE and port in self.server.foreign_ports:
            return Probe(ok=True, status=404 if http else 0)
        for each in self.server.containers.values():
            inside = address in each.addresses.values() and port == each.behaviour.port
            inside = inside or ("host" in each.networks and address in _HERE and port == each.behaviour.port)
            mapped = address in _HERE and any(
                host_port == port and inner == each.behaviour.port for _, host_port, inner, _ in each.published
            )
            if each.running and (inside or mapped):
                if each.status == "paused" and http:  # its kernel takes the connection
                    self.server.advance(timeout)
                    return Probe(ok=False, problem=f"no answer in {timeout:g} s")
                return self._answer(each, timeout, http=http)
        return Probe(ok=False, problem="connection refused")

    def _answer(self, found: FakeContainer, timeout: float, *, http: bool) -> Probe:
        rules, age = found.behaviour, found.age(self.server.now)
        if rules.listens_after is None or age < rules.listens_after:
            return Probe(ok=False, problem="connection refused")
        if not http:
            return Probe(ok=True)
        if rules.hangs:
            self.server.advance(timeout)
            return Probe(ok=False, problem=f"no answer in {timeout:g} s")
        return Probe(ok=True, status=200 if rules.healthy_at(age) else 503)

    # changing
    def pull(self, reference: str, *, platform: str | None, deadline: float) -> Iterator[PullProgress]:
        """Download in ten steps of virtual time; local at the end."""
        image = self._call("pull_begin", (reference, platform), lambda: self._pullable(reference, platform))
        yield from self._download("pull", reference, image, deadline)
        self._call("pull", (reference, platform), lambda: self.server.images.store(reference))

    def receive_image(self, image_id: str, *, deadline: float) -> Iterator[PullProgress]:
        """As a pull, from the builder's images (`server.images.built`)."""
        images = self.server.images
        image = self._call("receive_begin", (image_id,), lambda: images.at_builder(image_id))
        yield PullProgress(0, image.size, 0, 1, f"1 of 1 layers come from the builder, about {image.size / 1e6:.1f} MB")
        yield from self._download("receive", image_id, image, deadline)
        self._call("receive_image", (image_id,), lambda: images.local.setdefault(image.id, image))

    def _download(self, name: str, reference: str, image: FakeImage, deadline: float) -> Iterator[PullProgress]:
        until = self.server.now + deadline
        for tenth in range(11):
            done = image.size * tenth // 10
            yield PullProgress(done, image.size, tenth // 10, 1, "Downloading" if tenth < 10 else "Pull complete")
            self._call(f"{name}_progress", (reference, tenth), lambda: None)
            self.wait(image.pull_seconds / 10)
            if self.server.now > until:
                raise HostError(f"Bringing {reference} took longer than {deadline:g} s.")

    def _pullable(self, reference: str, platform: str | None) -> FakeImage:
        image = self.server.images.remote(reference)
        wanted = platform or str(self.server.platform)
        if not any(str(each).startswith(wanted) for each in image.platforms):
            said = f"no matching manifest for {wanted} in the manifest list entries"
            raise HostError(said, status=404, why=f"The image exists for {', '.join(map(str, image.platforms))} only.")
        return image

    def tag(self, image: str, tag: str) -> None:
        """One more local reference."""
        self._call("tag", (image, tag), lambda: self.server.images.tag(image, tag))

    def remove_image(self, reference: str) -> bool:
        """Drop one reference; False when absent or in use."""
        used = [each.image.id for each in self.server.containers.values()]
        return self._call("remove_image", (reference,), lambda: self.server.images.remove(reference, used))

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Make it unless it's there."""
        self._call("ensure_network", (name,), lambda: self.server.networks.setdefault(name, dict(labels)))

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make it unless it's there."""
        self._call("ensure_volume", (name,), lambda: self.server.volumes.setdefault(name, dict(labels)))

    def create(self, name: str, body: Mapping[str, Any]) -> Sequence[str]:
        """Create, not start."""
        self._call("create", (name, body), lambda: self.server.create(name, body))
        return ()

    def start(self, name: str) -> None:
        """Start; a running one stays as it is, a paused one goes on."""
        self._call("start", (name,), lambda: self.server.start(name))

    def stop(self, name: str, *, timeout: int) -> None:
        """Stop; a stopped one stays as it is."""
        self._call("stop", (name, timeout), lambda: self.server.stop(name, timeout))

    def rename(self, name: str, new_name: str) -> None:
        """Give another name."""
        self._call("rename", (name, new_name), lambda: self.server.rename(name, new_name))

    def remove(self, name: str) -> None:
        """Remove by force, volumes never."""
        self._call("remove", (name,), lambda: self.server.remove(name))

    def set_restart_policy(self, name: str, policy: str, retries: int = 0) -> None:
        """As `docker update --restart`."""

        def change() -> None:
            fake_podman.refuse_unknown_call(self.server.podman)
            found = self.server.find(name)
            found.policy, found.retries = policy, retries if policy == "on-failure" else 0

        self._call("set_restart_policy", (name, policy, retries), change)

    def connect_network(
        self, network: str, name: str, aliases: Sequence[str], *, ipv4: str = "", ipv6: str = ""
    ) -> None:
        """Join a network; `HostError` when it's joined already."""
        self._call(
            "connect_network",
            (network, name, tuple(aliases)),
            lambda: self.server.connect(network, name, aliases, ipv4 or ipv6),
        )

    def keeps_addresses(self, network: str) -> bool:
        """As its labels say."""
        return self._call("keeps_addresses", (network,), lambda: self.server.networks[network].get(KEPT_LABEL) == KEPT)

    def disconnect_network(self, network: str, name: str) -> None:
        """Leave a network."""
        self._call("disconnect_network", (network, name), lambda: self.server.disconnect(network, name))
