"""`FakeComposeHost`: Compose v2 on the in-memory server, for the engine's logic only.

It resolves the usual short forms, brings services up in the order of `depends_on`, recreates those whose definition
changed, and waits for health in virtual time. Each change of a container is a call of its own, so faults can strike
between any two of them. What a worker that was cut off leaves is a run that holds the project's lock.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from worker.connections.fake import FakeHost
from worker.connections.fake_container import FakeContainer
from worker.connections.fake_model import body_of, resolved, settled_hash
from worker.connections.fake_server import FakeServer
from worker.engine.compose.compose_host import ComposeLine, ComposeRefused, ComposeVersion, Resource, UpOrder
from worker.engine.errors import Cancelled, HostError

T = TypeVar("T")
_TICK = 0.5


class FakeComposeServer(FakeServer):
    """A server with Compose. `runs`: the fence of the run that holds a project's lock."""

    def __init__(self, name: str = "web-1") -> None:
        super().__init__(name)
        self.compose: str | None = "2.26.1"
        self.runs: dict[str, int] = {}
        self.stubborn = False  # runs don't end when asked to

    def of_service(self, project: str, service: str) -> list[FakeContainer]:
        """The containers of one service."""
        wanted = {"com.docker.compose.project": project, "com.docker.compose.service": service}
        return [
            each for each in self.containers.values() if wanted.items() <= dict(each.body.get("Labels") or {}).items()
        ]


class FakeComposeHost(FakeHost):
    """Implements `worker.engine.compose.compose_host.ComposeHost` on a `FakeComposeServer`."""

    server: FakeComposeServer
    _run: tuple[str, int] | None = None  # project and fence of our run of Compose, while it is at work

    def _call(self, name: str, arguments: tuple[object, ...], act: Callable[[], T]) -> T:
        """What Compose would do is not done once somebody has ended its run."""
        run = self._run

        def guarded() -> T:
            if run is not None and self.server.runs.get(run[0]) != run[1]:
                raise ComposeRefused("signal: terminated")
            return act()

        return super()._call(name, arguments, guarded)

    def compose_version(self) -> ComposeVersion:
        """As set in `server.compose`."""
        said = "docker: 'compose' is not a docker command."
        return self._call(
            "compose_version", (), lambda: ComposeVersion(self.server.compose, "" if self.server.compose else said)
        )

    def compose_config(self, project: str, documents: str, profiles: Sequence[str]) -> str:
        """Every `$` doubled, as the real one does."""

        def act() -> str:
            trees = [json.loads(each.replace("$$", "$")) for each in documents.split("\n---\n")]
            return json.dumps(resolved(project, trees, profiles)).replace("$", "$$")

        return self._call("compose_config", (project,), act)

    def compose_hashes(self, project: str, model: str) -> Mapping[str, str]:
        """Of the definition without its dependencies."""

        def act() -> dict[str, str]:
            return {name: settled_hash(body) for name, body in json.loads(model)["services"].items()}

        return self._call("compose_hashes", (project,), act)

    def compose_up(self, order: UpOrder) -> Iterator[ComposeLine]:
        """Cut off, it stays at work on the server until it is ended."""
        self._call("compose_up", (order,), lambda: None)
        project = order.project
        if project in self.server.runs:
            raise ComposeRefused(f"Another run is at work on {project}.", kind="busy")
        self.server.runs[project] = order.fence
        self._run = (project, order.fence)
        try:
            yield from self._up(order)
        except (Cancelled, ComposeRefused):
            self._over(order)
            raise
        except HostError as error:
            self._over(order)
            raise ComposeRefused(error.message) from error
        finally:
            self._run = None
        self._over(order)

    def compose_start(self, order: UpOrder) -> Iterator[ComposeLine]:
        """Its one service, started."""
        self._call("compose_start", (order,), lambda: None)
        model = json.loads(order.model.replace("$$", "$"))
        self._make_resources(order.project, model)
        for service, body in model["services"].items():
            name = body["container_name"]
            self.create(name, body_of(order.project, service, body, settled_hash(body)))
            self.start(name)
            yield _line(name, "Started")

    def compose_end_start(self, project: str, below: int) -> bool:
        """Nothing of the kind is left at work here."""
        return self._call("compose_end_start", (project, below), lambda: True)

    def _over(self, order: UpOrder) -> None:
        if self.server.runs.get(order.project) == order.fence:
            del self.server.runs[order.project]

    def compose_end(self, project: str, below: int) -> bool:
        """Runs of lower fences end at once, unless the server is `stubborn`."""

        def act() -> bool:
            if not self.server.stubborn and self.server.runs.get(project, below) < below:
                del self.server.runs[project]
            return project not in self.server.runs

        return self._call("compose_end", (project, below), act)

    def resources(self) -> Sequence[Resource]:
        """Networks and volumes."""

        def act() -> list[Resource]:
            networks = [Resource("network", name, labels) for name, labels in self.server.networks.items()]
            return networks + [Resource("volume", name, labels) for name, labels in self.server.volumes.items()]

        return self._call("resources", (), act)

    def remove_volume(self, name: str) -> bool:
        """Use by containers isn't looked at."""
        return self._call("remove_volume", (name,), lambda: self.server.volumes.pop(name, None) is not None)

    def _up(self, order: UpOrder) -> Iterator[ComposeLine]:
        model = json.loads(order.model.replace("$$", "$"))
        self._make_resources(order.project, model)
        services = model["services"]
        for name in _in_order(services):
            for needed, how in (services[name].get("depends_on") or {}).items():
                if how.get("condition") != "service_started" and needed in services:
                    yield from self._await(order, needed, how["condition"])
            yield from self._converge(order.project, name, services[name])
        completed = _jobs(services)
        for name, body in services.items():
            if body.get("scale") != 0:
                condition = "service_completed_successfully" if name in completed else "service_healthy"
                yield from self._await(order, name, condition)

    def _make_resources(self, project: str, model: Mapping[str, Any]) -> None:
        for kind, make in (("networks", self.ensure_network), ("volumes", self.ensure_volume)):
            there = self.server.networks if kind == "networks" else self.server.volumes
            for body in (model.get(kind) or {}).values():
                if body.get("external"):
                    if body["name"] not in there:
                        raise ComposeRefused(f'external volume "{body["name"]}" not found')
                elif body["name"] not in there:
                    make(body["name"], {**(body.get("labels") or {}), "com.docker.compose.project": project})

    def _converge(self, project: str, name: str, body: Mapping[str, Any]) -> Iterator[ComposeLine]:
        there = self.server.of_service(project, name)
        if body.get("scale") == 0:
            for each in there:
                self.remove(each.name)
                yield _line(each.name, "Removed")
            return
        container, digest = f"{project}-{name}-1", settled_hash(body)
        old = next((each for each in there if each.name == container), there[0] if there else None)
        if old is not None and old.body["Labels"]["com.docker.compose.config-hash"] != digest:
            yield _line(container, "Recreate")
            temporary = f"{old.id[:12]}_{container}"
            self.create(temporary, body_of(project, name, body, digest))
            self.stop(old.name, timeout=10)
            self.remove(old.name)
            self.rename(temporary, container)
            yield _line(container, "Recreated")
        elif old is None:
            self.create(container, body_of(project, name, body, digest))
            yield _line(container, "Created")
        found = self.server.of_service(project, name)[0]
        if found.status == "paused":
            raise ComposeRefused("Error response from daemon: cannot start a paused container, try unpause instead")
        if not found.running:
            self.start(found.name)
            yield _line(container, "Started")

    def _await(self, order: UpOrder, name: str, condition: str) -> Iterator[ComposeLine]:
        until = self.server.now + order.wait_seconds
        while True:
            found = self.server.of_service(order.project, name)[0]
            health = found.health(self.server.now)
            if condition == "service_completed_successfully" and found.status == "exited":
                if found.exit_code:
                    raise ComposeRefused(f"service {name} didn't complete successfully: exit {found.exit_code}")
                yield _line(found.name, "Exited")
                return
            if condition == "service_healthy" and found.status == "exited":
                raise ComposeRefused(f"container {found.name} exited ({found.exit_code})")
            if health == "unhealthy":
                raise ComposeRefused(f"container {found.name} is unhealthy")
            if condition == "service_healthy" and found.running and health in ("", "healthy"):
                yield _line(found.name, "Healthy")
                return
            if self.server.now > until:
                raise ComposeRefused(f"application not healthy after {order.wait_seconds}s")
            self.wait(_TICK)


def _line(container: str, what: str) -> ComposeLine:
    return ComposeLine("stderr", f" Container {container}  {what}")


def _jobs(services: Mapping[str, Any]) -> set[str]:
    return {
        name
        for body in services.values()
        for name, how in (body.get("depends_on") or {}).items()
        if how.get("condition") == "service_completed_successfully"
    }


def _in_order(services: Mapping[str, Any]) -> list[str]:
    """What is needed goes first."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        for needed in services[name].get("depends_on") or {}:
            if needed in services and needed not in ordered:
                visit(needed)
        if name not in ordered:
            ordered.append(name)

    for name in sorted(services):
        visit(name)
    return ordered
