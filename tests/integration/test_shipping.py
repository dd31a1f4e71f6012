"""An image goes from the server where it was built to others, without a registry, and only what they lack of it."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from parts.dockerd import DockerEngine
from parts.engine26 import Engine26
from parts.sshd import SshServer
from tests.real_parts import SshKey
from tests.worker.connections.archives import image_of, tar
from worker.connections import image_place, shared_read, shipping_hub
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.connections.shipping import EngineDoor, ImageAbout, Loading
from worker.connections.shipping_hub import Builder, ShippingHub
from worker.connections.signals import Signals
from worker.connections.ssh import HostKey, SshAddress, SshCredential
from worker.engine.container_host import PullProgress
from worker.engine.errors import BuilderLost, Cancelled, HostError, HostLost, NotFound
from worker.engine.spec import Secret

BIG = 24_000_000  # bytes: takes long enough for something to happen meanwhile
_numbers = count(1)


@dataclass
class Machine:
    """An engine behind an sshd of its own."""

    name: str
    engine: DockerEngine
    sshd: SshServer
    key: SshKey

    @property
    def address(self) -> SshAddress:
        return SshAddress(self.name, self.sshd.address, self.sshd.port, self.sshd.user)

    @property
    def credential(self) -> SshCredential:
        return SshCredential(Secret(self.key.private))

    @property
    def host_key(self) -> HostKey:
        return HostKey(*self.sshd.host_key_line().split())

    def put(self, *layers: bytes, note: str = "") -> str:
        """Have an image there; its ID."""
        image_id, archive = image_of(layers, note)
        self.engine.api.load(archive)
        return image_id

    def has(self, image_id: str) -> bool:
        return self.engine.api.request("GET", f"/images/{image_id}/json")[0] == 200

    @property
    def scratch(self) -> list[Path]:
        """What the engine keeps while it saves or loads."""
        return list((self.engine.folder / "data" / "tmp").iterdir())

    def forget_all(self) -> None:
        for image in self.engine.api.json("GET", "/images/json"):
            self.engine.api.json("DELETE", f"/images/{image['Id']}?force=1")


@dataclass
class Yard:
    """A builder, two servers, and what passed on the way."""

    builder: Machine
    servers: tuple[Machine, Machine]
    pool: Pool
    hub: ShippingHub
    reads: list[shared_read.SharedRead] = field(default_factory=list)
    sent: int = 0

    @contextmanager
    def host(self, machine: Machine, signals: Signals | None = None) -> Iterator[DockerHost]:
        builder = self.builder
        source = self.hub.source(
            Builder(builder.address, builder.credential, builder.host_key, str(builder.engine.socket))
        )
        with self.pool.session(machine.address, machine.credential, machine.host_key, signals) as session:
            yield DockerHost(session, str(machine.engine.socket), source=source)

    def receive(self, machine: Machine, image_id: str, deadline: float = 60) -> list[PullProgress]:
        """To the end."""
        with self.host(machine) as host:
            return list(host.receive_image(image_id, deadline=deadline))


@pytest.fixture(scope="module")
def machines(folder: Path, ssh_key: SshKey) -> Iterator[Callable[..., Machine]]:
    """Starts servers for this module."""
    with ExitStack() as stack:

        def make(name: str, engine: type[DockerEngine] = DockerEngine) -> Machine:
            made = engine(folder / f"yard{next(_numbers)}")
            stack.callback(made.destroy)
            made.start()
            sshd = stack.enter_context(SshServer(folder / f"yardsshd{next(_numbers)}"))
            sshd.authorize(ssh_key.public)
            return Machine(name, made, sshd, ssh_key)

        yield make


@pytest.fixture(scope="module")
def three(machines: Callable[..., Machine]) -> tuple[Machine, Machine, Machine]:
    return machines("builder"), machines("web-1"), machines("web-2")


@pytest.fixture
def yard(three: tuple[Machine, Machine, Machine], monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    with watched(three[0], (three[1], three[2]), monkeypatch) as yard:
        yield yard


@contextmanager
def watched(builder: Machine, servers: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """A yard that counts, without images before and after."""
    for machine in (builder, *servers):
        machine.forget_all()
    pool = Pool()
    yard = Yard(builder, servers, pool, ShippingHub(pool))

    class Counted(shared_read.SharedRead):
        def __init__(self, *arguments: object) -> None:
            yard.reads.append(self)
            super().__init__(*arguments)  # type: ignore[arg-type]

    plain = Loading.send

    def send(loading: Loading, data: bytes) -> None:
        yard.sent += len(data)
        plain(loading, data)

    monkeypatch.setattr(shipping_hub, "SharedRead", Counted)
    monkeypatch.setattr(Loading, "send", send)
    yield yard
    pool.close()


def noise(size: int, name: str = "file") -> bytes:
    """A layer nobody has."""
    return tar([(name, os.urandom(size))])


def test_an_image_arrives_under_its_id_and_the_next_version_sends_what_changed(yard: Yard) -> None:
    server = yard.servers[0]
    base, more = noise(2_000_000), noise(1_000_000)
    first = yard.builder.put(base, more, noise(50_000))
    steps = yard.receive(server, first)
    assert server.has(first)
    assert steps[0].status.startswith("3 of 3 layers come from builder, about 3.")
    assert [each.done for each in steps] == sorted(each.done for each in steps)
    assert (steps[-1].done, steps[-1].layers_done, steps[-1].layers) == (steps[-1].total, 3, 3)
    assert 3_000_000 < yard.sent < 3_200_000
    yard.sent = 0
    second = yard.builder.put(base, more, noise(60_000))
    assert second != first
    steps = yard.receive(server, second)
    assert server.has(second)
    assert 60_000 < yard.sent < 80_000
    assert steps[0].status.startswith("1 of 3 layers come from builder")
    assert server.scratch == []
    yard.sent = 0
    third = yard.builder.put(base, more, note="other settings, no layer of its own")
    yard.receive(server, third)
    assert server.has(third)
    assert yard.sent < 10_000


def test_layers_on_another_ground_are_sent_once_more_and_double_ones_once(yard: Yard) -> None:
    one, two = noise(300_000, "one"), noise(300_000, "two")
    yard.servers[0].put(one)
    image = yard.builder.put(two, one, two)
    yard.receive(yard.servers[0], image)
    assert yard.servers[0].has(image)
    assert 600_000 < yard.sent < 650_000


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that also a server on a busy machine comes in time for."""
    monkeypatch.setattr(shared_read, "GATHER_SECONDS", 2.0)


@pytest.mark.usefixtures("unhurried")
def test_servers_that_want_it_at_the_same_time_share_a_read(yard: Yard) -> None:
    base = noise(BIG)
    image = yard.builder.put(base, noise(1_000_000))
    yard.servers[1].put(base)
    with ThreadPoolExecutor(2) as threads:
        every = list(threads.map(lambda machine: yard.receive(machine, image), yard.servers))
    assert all(machine.has(image) for machine in yard.servers)
    assert len(yard.reads) == 1
    assert [steps[-1].layers for steps in every] == [2, 1]  # each got only what it lacked
    assert yard.sent < BIG + 2_200_000


def test_who_comes_late_reads_alone(yard: Yard) -> None:
    image = yard.builder.put(noise(BIG))
    with yard.host(yard.servers[0]) as early:
        steps = early.receive_image(image, deadline=60)
        while next(steps).done == 0:
            pass
        yard.receive(yard.servers[1], image)
        for _ in steps:
            pass
    assert all(machine.has(image) for machine in yard.servers)
    assert len(yard.reads) == 2


def test_a_cancel_midway_leaves_nothing_behind(yard: Yard) -> None:
    image, signals, server = yard.builder.put(noise(BIG)), Signals(), yard.servers[0]
    with yard.host(server, signals) as host:
        steps = host.receive_image(image, deadline=60)
        while next(steps).done == 0:
            pass
        signals.cancelled.set()
        with pytest.raises(Cancelled):
            list(steps)
        assert yard.sent < BIG
        host.shield()
        until(lambda: not server.scratch and not yard.builder.scratch)
        assert not server.has(image)
        for _ in host.receive_image(image, deadline=60):
            pass
    assert server.has(image)


def until(met: Callable[[], bool]) -> None:
    """Wait for what an engine does after its answer."""
    pause = threading.Event()
    for _ in range(200):
        if met():
            return
        pause.wait(0.05)
    raise AssertionError("did not happen in time")


def test_a_lost_builder_is_said_to_be_lost(yard: Yard) -> None:
    image = yard.builder.put(noise(BIG))
    with yard.host(yard.servers[0]) as host:
        steps = host.receive_image(image, deadline=60)
        while next(steps).done == 0:
            pass
        yard.builder.sshd.kill_connections()
        with pytest.raises(
            BuilderLost, match=r"comes from builder, and that failed: .*(was lost|ended the connection)"
        ) as caught:
            list(steps)
        assert "Deploy again once builder can be reached" in caught.value.remedy
        assert host.local_image(image) is None  # and the server itself is well
    assert yard.receive(yard.servers[0], image)[-1].status.startswith("complete"), "tried again, it arrives"
    assert yard.servers[0].has(image)


@pytest.mark.usefixtures("unhurried")
def test_a_lost_server_harms_no_other(yard: Yard) -> None:
    image = yard.builder.put(noise(BIG))
    lost, well = yard.servers
    with yard.host(lost) as host, ThreadPoolExecutor(1) as threads:
        steps = host.receive_image(image, deadline=60)
        next(steps)
        other = threads.submit(yard.receive, well, image)
        while next(steps).done == 0:
            pass
        lost.sshd.kill_connections()
        with pytest.raises(HostLost, match=r"server web-1 (was lost|ended the connection)"):
            list(steps)
        other.result(60)
    assert well.has(image)
    assert not lost.has(image)
    assert len(yard.reads) == 1


@pytest.mark.usefixtures("unhurried")
def test_a_server_that_keeps_the_others_waiting_is_left_behind_and_gets_it_later(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_read, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(image_place, "_ROOM", 1 << 18)
    image, quick_is_done = yard.builder.put(noise(BIG)), threading.Event()
    counted = Loading.send

    def send(loading: Loading, data: bytes) -> None:
        if loading.name == "web-1":
            quick_is_done.wait(30)
        counted(loading, data)

    monkeypatch.setattr(Loading, "send", send)

    def quick() -> None:
        yard.receive(yard.servers[1], image)
        quick_is_done.set()

    with ThreadPoolExecutor(2) as threads:
        slow, fast = threads.submit(yard.receive, yard.servers[0], image), threads.submit(quick)
        fast.result(60)
        slow.result(60)
    assert all(machine.has(image) for machine in yard.servers)
    assert len(yard.reads) == 2


def test_a_layer_that_vanished_meanwhile_is_sent_after_all(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    image = yard.builder.put(noise(200_000), noise(100_000))

    def outdated(_: EngineDoor, about: ImageAbout) -> frozenset[str]:
        return frozenset(about.diff_ids[1:])

    monkeypatch.setattr(shipping_hub, "lacking", outdated)
    yard.receive(yard.servers[0], image)
    assert yard.servers[0].has(image)
    assert yard.sent > 400_000


def test_what_the_builder_has_not(yard: Yard) -> None:
    with pytest.raises(NotFound, match="is not on builder any more, where it was built"):
        yard.receive(yard.servers[0], "sha256:" + "0" * 64)
    with (
        yard.pool.session(yard.builder.address, yard.builder.credential, yard.builder.host_key) as session,
        pytest.raises(NotFound, match="No builder is known"),
    ):
        list(DockerHost(session, str(yard.builder.engine.socket)).receive_image("sha256:0", deadline=1))


def test_a_deadline_is_kept_and_a_full_disk_said_beforehand(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    image = yard.builder.put(noise(1_000_000))
    with pytest.raises(HostError, match="took longer than 0 s"):
        yard.receive(yard.servers[0], image, deadline=0.0)
    monkeypatch.setattr("worker.connections.shipping._WORTH_ASKING", 0)
    monkeypatch.setattr(DockerHost, "disk_free", lambda *_: (1_500_000, 2_000_000))
    with pytest.raises(HostError, match="too little space for the image: 2 MB are free"):
        yard.receive(yard.servers[0], image)
    assert not yard.servers[0].has(image)


@pytest.mark.parametrize(("here", "there"), [(DockerEngine, Engine26), (Engine26, DockerEngine)])
def test_between_an_old_engine_and_a_current_one(
    three: tuple[Machine, Machine, Machine],
    current: Machine,
    monkeypatch: pytest.MonkeyPatch,
    here: type[DockerEngine],
    there: type[DockerEngine],
) -> None:
    builder, server = (current, three[1]) if here is Engine26 else (three[0], current)
    with watched(builder, (server, server), monkeypatch) as yard:
        base = noise(500_000)
        for _ in range(2):
            yard.sent = 0
            image = builder.put(base, noise(20_000))
            yard.receive(server, image)
            assert server.has(image)
        assert yard.sent < 60_000


@pytest.fixture(scope="module")
def current(machines: Callable[..., Machine], engine26_programs: Path) -> Machine:
    return machines("new", Engine26)
