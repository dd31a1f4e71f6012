"""A server with a Docker Engine, in memory: containers, networks, ports, restart policies and a clock of its own.

With `podman` it answers as podman 4.3's service does, where that differs: `worker.connections.fake_podman`.
It outlives connections: several `FakeHost`s may be connected to one `FakeServer`, as two workers may be to one machine.
"""

import hashlib
import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.connections import fake_podman
from worker.connections.fake_container import FakeContainer, mounts_of
from worker.connections.fake_images import Behaviour, FakeImages
from worker.engine.container_host import EngineFacts, Platform
from worker.engine.errors import Conflict, HostError, NotFound

EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - what Docker calls every address
FIRST_FREE_PORT = 49153
LINUX = Platform("linux", "amd64")


class FakeServer:
    """The state. Time passes only through `advance`."""

    def __init__(self, name: str = "web-1", platform: Platform = LINUX, *, podman: bool = False) -> None:
        self.name, self.platform, self.podman = name, platform, podman
        self.now = 1000.0
        self.images = FakeImages()
        self.containers: dict[str, FakeContainer] = {}
        self.networks: dict[str, Mapping[str, str]] = {"bridge": {}, "host": {}, "none": {}}
        self.volumes: dict[str, Mapping[str, str]] = {}
        self.foreign_ports: set[int] = set()  # held by something that isn't a container
        self.forwards_tcp = True  # False: its sshd forbids probes
        self.disk: tuple[int, int] | None = (50_000_000_000, 100_000_000_000)
        self.files: tuple[int, int] | None = (6_000_000, 6_500_000)
        self.known_facts: EngineFacts | None = None  # what a worker has met of it
        self.reboots = 0
        self.reversed_boot = False  # podman starts by ID, and nobody knows an ID before: tests try both ways round
        self._ids = itertools.count(1)
        self._schedule: list[tuple[float, int, Callable[[], None]]] = []

    # time
    def at(self, seconds_from_now: float, action: Callable[[], None]) -> None:
        """Let something happen at a moment of virtual time."""
        heapq.heappush(self._schedule, (self.now + seconds_from_now, next(self._ids), action))

    def advance(self, seconds: float) -> None:
        """Let time pass: exits, restarts and scheduled actions happen in their order."""
        until = self.now + seconds
        while (moment := self._next_moment()) is not None and moment <= until:
            self.now = max(self.now, moment)
            self._happen()
        self.now = max(self.now, until)
        for each in self.containers.values():
            each.write_until(self.now)

    def _next_moment(self) -> float | None:
        moments = [self._schedule[0][0]] if self._schedule else []
        for each in self.containers.values():
            moments += [when for when in (each.exit_due(), each.restart_at) if when is not None]
        return min(moments, default=None)

    def _happen(self) -> None:
        for each in list(self.containers.values()):
            due = each.exit_due()
            if due is not None and due <= self.now:
                each.oom_killed = each.behaviour.oom_killed
                self._exited(each, each.behaviour.exit_code)
            elif each.restart_at is not None and each.restart_at <= self.now:
                each.restart_count += 1
                self.begin_again(each)
        while self._schedule and self._schedule[0][0] <= self.now:
            heapq.heappop(self._schedule)[2]()

    # containers
    def find(self, name: str) -> FakeContainer:
        """By name or ID; `NotFound` else."""
        for each in self.containers.values():
            if name in (each.name, each.id):
                return each
        raise NotFound(f"No such container: {name}", status=404)

    def create(self, name: str, body: Mapping[str, Any]) -> FakeContainer:
        """As `POST /containers/create`."""
        image = self.images.find(str(body.get("Image", "")))
        if image is None:
            raise NotFound(f"No such image: {body.get('Image')}", status=404)
        self._refuse_taken(name)
        number = next(self._ids)
        made = FakeContainer(hashlib.sha256(f"{name}{number}".encode()).hexdigest(), name, body, image, self.now)
        made.mounts = mounts_of(body, image, made.id)
        for mount in made.mounts:
            if mount.kind == "volume":
                self.volumes.setdefault(mount.name, {})
        host = body.get("HostConfig", {})
        mode = host.get("NetworkMode") or "default"
        wanted = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        made.networks = {"bridge" if mode in ("default", "") else mode: ()}
        made.networks |= {network: tuple((each or {}).get("Aliases") or ()) for network, each in wanted.items()}
        policy = host.get("RestartPolicy") or {}
        made.policy, made.retries = policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0)
        self.containers[made.id] = made
        return made

    def _refuse_taken(self, name: str) -> None:
        holder = next((each for each in self.containers.values() if each.name == name), None)
        if holder is not None:
            raise Conflict(f'The container name "/{name}" is already in use by container "{holder.id}".', status=409)

    def start(self, name: str) -> None:
        """Start it; a running one stays as it is, a paused one goes on."""
        found = self.find(name)
        if found.status == "paused":
            found.status = "running"
        if found.running:
            return
        found.stopped_by_hand, found.restart_at, found.restart_count = False, None, 0
        self._begin(found)

    def _begin(self, found: FakeContainer) -> None:
        missing = next((network for network in found.networks if network not in self.networks), None)
        try:
            if missing is not None:
                raise NotFound(f"network {missing} not found", status=404)
            found.published = self._bind_ports(found)
            if found.behaviour.start_error:
                raise HostError(found.behaviour.start_error, status=400)
        except HostError as error:
            found.error, found.exit_code, found.published, found.restart_at = error.message, 128, (), None
            raise
        addresses = {
            network: self._new_address(network) for network in found.networks if network not in ("host", "none")
        }
        found.began(self.now, addresses)

    def _new_address(self, network: str) -> str:
        number = next(self._ids)
        return f"172.{17 + list(self.networks).index(network)}.{number // 250}.{number % 250 + 2}"

    def begin_again(self, found: FakeContainer) -> None:
        try:
            self._begin(found)
        except HostError:
            found.status = "exited"  # nobody waits for an answer: the reason stays in its `error`

    def _bind_ports(self, found: FakeContainer) -> tuple[tuple[str, int, int, str], ...]:
        bound = []
        for address, host_port, inner, protocol in found.wanted_ports():
            told = f"driver failed programming external connectivity on endpoint {found.name}: "
            if host_port in self.foreign_ports and protocol == "tcp":
                raise HostError(f"{told}listen tcp4 {address}:{host_port}: bind: address already in use", status=500)
            if host_port and self._holder(address, host_port, protocol, found):
                raise HostError(f"{told}Bind for {address}:{host_port} failed: port is already allocated", status=500)
            chosen = host_port or self._free_port(address, protocol, found)
            bound.append((address, chosen, inner, protocol))
        return tuple(bound)

    def _free_port(self, address: str, protocol: str, asking: FakeContainer) -> int:
        candidates = itertools.count(FIRST_FREE_PORT)
        return next(port for port in candidates if not self._holder(address, port, protocol, asking))

    def _holder(self, address: str, port: int, protocol: str, asking: FakeContainer) -> FakeContainer | None:
        for each in self.containers.values():
            if each is asking or not each.running:
                continue
            for held_address, held_port, _, held_protocol in each.published:
                same_address = address in EVERYWHERE or held_address in EVERYWHERE or address == held_address
                if held_port == port and held_protocol == protocol and same_address:
                    return each
        return None

    def _exited(self, found: FakeContainer, code: int) -> None:
        found.ended(self.now, code)
        tries_left = not found.retries or found.restart_count < found.retries
        again = found.policy in ("always", "unless-stopped") or (found.policy == "on-failure" and code and tries_left)
        if again and not found.stopped_by_hand:
            found.status, found.restart_at = "restarting", self.now + min(60.0, 0.1 * 2**found.restart_count)

    def stop(self, name: str, timeout: int) -> None:
        """SIGTERM, then SIGKILL after `timeout`; takes virtual time."""
        found = self.find(name)
        found.stopped_by_hand = found.stopped_by_hand or found.status in ("running", "paused", "restarting")
        if found.status == "restarting":
            found.status, found.restart_at = "exited", None
        if not found.running:
            return
        rules = found.behaviour
        stubborn = rules.ignores_term or rules.stop_seconds > timeout
        self.advance(float(timeout) if stubborn else rules.stop_seconds)
        if found.running and found.id in self.containers:
            found.log += () if stubborn else rules.last_words
            found.ended(self.now, 137 if stubborn else rules.stop_exit_code)

    def rename(self, name: str, new_name: str) -> None:
        """Give another name; `Conflict` when it's taken."""
        found = self.find(name)
        if name == new_name and self.podman:
            return
        if name == new_name:
            raise HostError("Renaming a container with the same name as its current name", status=400)
        self._refuse_taken(new_name)
        found.name = new_name

    def remove(self, name: str) -> None:
        """Remove by force; its volumes stay."""
        del self.containers[self.find(name).id]

    def connect(self, network: str, name: str, aliases: Sequence[str], address: str = "") -> None:
        """Join a network; a running container gets an address at once."""
        found = self.find(name)
        if network not in self.networks:
            raise NotFound(f"network {network} not found", status=404)
        if network in found.networks:
            raise HostError(f"endpoint with name {name} already exists in network {network}", status=403)
        found.networks[network] = tuple(aliases)
        if found.running:
            found.addresses[network] = address or self._new_address(network)

    def disconnect(self, network: str, name: str) -> None:
        """Leave a network."""
        found = self.find(name)
        if network not in found.networks:
            raise HostError(f"container {found.id} is not connected to network {network}", status=403)
        del found.networks[network]
        found.addresses.pop(network, None)

    def behave(self, name: str, behaviour: Behaviour) -> None:
        """From now on this one container behaves so, whatever its image."""
        self.find(name).scripted = behaviour

    def kill(self, name: str) -> None:
        """Somebody's `docker kill`: no restart follows."""
        found = self.find(name)
        if found.running:
            found.stopped_by_hand = True
            found.ended(self.now, 137)

    def crash(self, name: str) -> None:
        """Its process ends by itself; its restart policy decides what follows."""
        self._exited(self.find(name), 139)

    def pause(self, name: str) -> None:
        """Somebody's `docker pause`."""
        found = self.find(name)
        if found.status == "running":
            found.status = "paused"

    def reboot(self) -> None:
        """Power off and on: every process dies at once, then the restart policies decide who comes back."""
        self.reboots += 1
        for each in self.containers.values():
            if each.running:
                each.ended(self.now, 137)
            each.restart_at = None
        self.now += 10.0
        if self.podman:
            fake_podman.restart_service(self)
            return
        for each in self.containers.values():
            # as the engine decides it: one never started stays so, and "on-failure" asks only for the exit code
            again = {
                "always": True,
                "unless-stopped": not each.stopped_by_hand,
                "on-failure": each.exit_code != 0,
            }.get(each.policy, False)
            if again and each.started is not None:
                each.stopped_by_hand = False  # a start by the engine counts as any start
                self.begin_again(each)
            elif each.status == "restarting":
                each.status = "exited"
