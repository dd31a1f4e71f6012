"""The world a campaign breaks: servers with networks of their own, an engine on each, a registry, a broker, a database, Estiva itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from parts.faults.breed import Bred, Nursery
from parts.faults.estiva import Estiva
from parts.faults.events import Watch
from parts.faults.evidence import Brought
from parts.faults.images import Images, Pushed, WorldRegistry
from parts.faults.record import ENDS, Record
from parts.faults.sight import START_FIRST, STOP_FIRST, Application, Sight
from parts.faults.stage import Stage
from parts.faults.visitor import Visitor
from parts.machine import Machine
from parts.namespaces import Network
from parts.processes import PartError, free_port, wait_until

FIRST_PORT = 8100
PATIENCE = 90.0


class World(Sight):
    """Use as a context manager. Machines are added before or after the start."""

    def __init__(
        self,
        folder: Path,
        *,
        machines: int = 2,
        postgres: bool = False,
        durable: bool = False,
        current: bool = False,
    ) -> None:
        super().__init__(folder)
        self.began = time.time()
        self.network = Network(folder / "network")
        self.machines: list[Machine] = []
        self.estiva = Estiva(folder / "estiva", postgres=postgres, durable=durable)
        self.record = Record(self.estiva.database_url)
        self.applications: dict[str, Application] = {}
        self.neighbour: World | None = None
        self.ending = threading.Event()  # set: whoever waits is to give up
        self._count, self._current = machines, current

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        if self.neighbour is None:
            self.network.start()
            self._stack.callback(self.network.stop)
            self.registry = WorldRegistry(self.folder / "registry", self.network, free_port())
            self.registry.start()
            self._stack.callback(self.registry.stop)
            self.images = Images(self.registry)
        else:
            self.registry, self.images = self.neighbour.registry, self.neighbour.images
        self._stack.callback(self.estiva.stop)
        machines = [self._machine(order + 1, current=self._current and order % 2 == 1) for order in range(self._count)]
        with ThreadPoolExecutor() as pool:  # who waits for a program leaves the machine to the others
            booting = [pool.submit(each.start) for each in machines]
            self.estiva.start()
            self.backstage = Stage(self.folder, self.estiva.environment(secret=True))
            self._stack.callback(self.backstage.close)
            self.nursery = Nursery(self.estiva, "w")
            self._stack.callback(self.nursery.close)
            web = pool.submit(self.estiva.web)
            token = self.backstage("begin")
            for each in booting:
                each.result()
            web.result()
        for machine in machines:
            self.register(machine)
        self.ada = Visitor(self.estiva.url)
        ((self.installation,),) = self.record.rows("SELECT name FROM deployments_installation")
        self.ada.sign_in(token)

    @classmethod
    def beside(cls, other: World, folder: Path) -> World:
        """Another installation of Estiva, with everything of its own but the servers."""
        one = cls(folder, machines=0)
        one.neighbour = other
        return one

    # servers

    def add_machine(self, make: Callable[..., Machine] = Machine, **kind: Any) -> Machine:
        """One more server, registered and trusted."""
        machine = self.boot(make, **kind)
        self.register(machine)
        return machine

    def boot(self, make: Callable[..., Machine] = Machine, **kind: Any) -> Machine:
        """One more server that nobody knows yet."""
        machine = self._machine(len(self.machines) + 1, make, **kind)
        machine.start()
        return machine

    def _machine(self, number: int, make: Callable[..., Machine] = Machine, **kind: Any) -> Machine:
        """One that isn't started; it is ended with the world."""
        machine = make(
            f"web-{number}", self.folder / f"m{number}", self.network.add(), registries=self.network.subnet, **kind
        )
        self._stack.callback(machine.stop)
        return machine

    def register(self, machine: Machine, socket: Path | None = None) -> None:
        """Make it known to Estiva, and watch what its engine does from now on; `socket` is where Estiva asks it, if elsewhere."""
        self.machines.append(machine)
        self.watches[machine.name] = Watch(machine.name, machine.engine)
        self.watches[machine.name].start()
        self._stack.callback(self.watches[machine.name].stop)
        key = self.backstage(
            "host",
            name=machine.name,
            address=machine.address,
            user=machine.sshd.user,
            socket=str(socket or machine.engine.socket),
            key=machine.sshd.host_key_line(),
        )
        machine.sshd.authorize(key)

    def worker(self, *, concurrency: int = 8, **more: Any) -> Bred:
        """A worker that takes messages, forked from one that had imported everything: the same program, sooner."""
        return self.nursery.worker(concurrency=concurrency, **more)

    # people's side

    def visitor(self, email: str = "ada@example.com") -> Visitor:
        """One more session."""
        one = Visitor(self.estiva.url)
        one.sign_in(self.backstage("token", email=email))
        return one

    def application(
        self,
        name: str,
        servers: list[Machine] | None = None,
        *,
        strategy: str = STOP_FIRST,
        rollout: dict[str, Any] | None = None,
        image: Pushed | None = None,
        from_source: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Application:
        """Placed on these servers (the first, by default), with version 1 of the page; nothing runs yet.

        `from_source` says where its image comes from instead: `parts.faults.backstage.place`.
        """
        where = servers or self.machines[:1]
        port = self.next_port()
        publish = [{"container_port": 5000, "host_port": port, "host_address": "0.0.0.0", "protocol": "tcp"}]  # noqa: S104 - of the namespace
        given = {"ports": publish} if strategy == STOP_FIRST else {"network_aliases": [name]}
        first = image or self.images.page("1")
        saved = {**given, **settings}
        placed = self.backstage(
            "place",
            name=name,
            image="" if from_source else first.reference,
            servers=[each.name for each in where],
            settings=saved,
            rollout=rollout,
            **(from_source or {}),
        )
        made = Application(name, where, strategy, port, saved, int(placed), time.time())
        made.images[first.image_id] = first
        made.brings = None if from_source else Brought(first.tag, first.image_id)
        self.applications[name] = made
        return made

    def next_port(self) -> int:
        """The one that the next application publishes."""
        return FIRST_PORT + len(self.applications)

    def change(self, application: Application, image: Pushed, **settings: Any) -> None:
        """Another image in its settings, and other settings where given."""
        application.images[image.image_id] = image
        application.brings = None  # if this fails, nobody knows
        self.backstage(
            "place",
            name=application.name,
            image=image.reference,
            servers=[each.name for each in application.servers],
            settings=settings,
        )
        application.brings = Brought(image.tag, image.image_id)

    def deploy(self, application: Application, visitor: Visitor | None = None, **more: Any) -> int:
        """Plan and click; the Deployment's number."""
        number = (visitor or self.ada).deploy(application.name, **more)
        application.clicked(number)
        return number

    def deployed(self, application: Application, *, timeout: float = PATIENCE) -> int:
        """Plan, click and wait until it has succeeded; its number."""
        number = self.deploy(application)
        status = self.ended(number, timeout=timeout)
        if status != "succeeded":
            raise PartError(
                f"{application.name}: #{number} ended as {status}: {[str(x) for x in self.record.of(number)]}"
            )
        return number

    def ended(self, deployment: int, *, timeout: float = PATIENCE) -> str:
        """Wait for a Deployment's end; its status."""
        return self.until(deployment, ENDS, timeout=timeout)

    def is_over(self, deployment: int) -> bool:
        """Whether it has ended."""
        return self.record.status(deployment) in ENDS

    def until(self, deployment: int, statuses: tuple[str, ...], *, timeout: float = PATIENCE) -> str:
        """Wait until a Deployment is in one of these."""
        self.wait(lambda: self.record.status(deployment) in statuses, f"#{deployment} is {'/'.join(statuses)}", timeout)
        return self.record.status(deployment)

    def has_begun(self, deployment: int, key: str) -> bool:
        """Whether a step of it has."""
        query = (
            f"SELECT 1 FROM deployments_step s JOIN deployments_target t ON t.id = s.target_id"
            f" WHERE t.deployment_id = {deployment:d} AND s.key = '{key}'"
        )
        return bool(self.record.rows(query))

    def until_step(self, deployment: int, key: str, *, timeout: float = 40) -> None:
        """Wait until a step of it has begun."""
        self.wait(lambda: self.has_begun(deployment, key), f"step {key} of #{deployment} begins", timeout)

    def wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """As `wait_until`, less often, since each look is a question to the database."""
        until = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > until or self.ending.is_set():
                raise PartError(f"Waited {timeout:g} s in vain: {what}.")
            self.ending.wait(0.1)


__all__ = ["START_FIRST", "STOP_FIRST", "Application", "World", "wait_until"]
