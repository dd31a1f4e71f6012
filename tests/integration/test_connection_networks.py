"""Docker makes two networks of one name where two ask at the same moment, and then refuses whatever names either."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import LABELS, body, pulled, seen
from tests.worker.connections.real_server import RealServer, connected
from worker.connections import networks
from worker.connections.pool import Pool
from worker.engine.aside import KEPT, KEPT_LABEL
from worker.engine.errors import HostError

AT_ONCE = 6


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def real(
    pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
) -> Iterator[RealServer]:
    with connected(pool, sshd, ssh_key, tidy_engine, sample_images) as connection:
        yield connection


def make_twin(real: RealServer, name: str = "back", labels: dict[str, str] | None = None) -> str:
    """What the other one of two deploys made, as an engine lets it happen; its ID."""
    wanted = {"Name": name, "Driver": "bridge", "Labels": LABELS if labels is None else labels}
    made = real.engine.api.json("POST", "/networks/create", wanted)
    return str(made["Id"])


def named(real: RealServer, name: str = "back") -> list[str]:
    """The IDs of all networks of that name."""
    return [each["Id"] for each in real.engine.api.json("GET", "/networks") if each["Name"] == name]


@pytest.mark.parametrize("kept", [False, True])
def test_many_that_ask_at_once_have_one(
    pool: Pool,
    sshd: SshServer,
    ssh_key: SshKey,
    tidy_engine: DockerEngine,
    sample_images: SampleImages,
    kept: bool,
) -> None:
    together, failed = threading.Barrier(AT_ONCE), list[Exception]()

    def ask() -> None:
        with connected(pool, sshd, ssh_key, tidy_engine, sample_images) as mine:
            mine.host.facts()
            together.wait()
            try:
                mine.host.ensure_network("back", LABELS | ({KEPT_LABEL: KEPT} if kept else {}))
                assert mine.host.keeps_addresses("back") in (True, kept)
            except HostError as error:
                failed.append(error)

    several = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for each in several:
        each.start()
    for each in several:
        each.join()
    assert not failed
    names = [each["Name"] for each in tidy_engine.api.json("GET", "/networks")]
    assert names.count("back") == 1
    assert not [name for name in names if name.startswith("estiva-subnet")]


CALLS: dict[str, Callable[[RealServer], object]] = {
    "ensure": lambda real: real.host.ensure_network("back", LABELS),
    "look": lambda real: real.host.keeps_addresses("back"),
    "start": lambda real: real.host.start("web"),
    "join": lambda real: real.host.connect_network("back", "beside", ["shop"]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_twin_that_is_made_meanwhile_stops_nobody(real: RealServer, call: Callable[[RealServer], object]) -> None:
    image = pulled(real)
    real.host.ensure_network("back", LABELS)
    (first,) = named(real)
    real.host.create("web", body(image, NetworkMode="back"))
    real.host.create("beside", body(image))
    make_twin(real)
    assert len(named(real)) == 2
    call(real)
    real.host.start("beside")
    real.host.start("web")
    assert named(real) == [first]


def test_the_one_in_use_stays(real: RealServer) -> None:
    used = make_twin(real)
    real.host.create("web", body(pulled(real), NetworkMode="back"))
    real.host.start("web")
    make_twin(real)
    real.host.ensure_network("back", LABELS)
    assert named(real) == [used]
    assert seen(real.host, "web").running


def test_what_is_somebody_elses_stays_and_is_told(real: RealServer) -> None:
    twins = {make_twin(real, labels={}), make_twin(real, labels={})}
    with pytest.raises(HostError, match="ambiguous") as caught:
        real.host.ensure_network("back", LABELS)
    assert "several networks with the name back" in caught.value.why
    assert "docker network ls" in caught.value.remedy
    assert set(named(real)) == twins


@pytest.mark.parametrize("seconds", [60.0, 0.0])
def test_a_network_that_a_dead_worker_made_to_look_at_goes(
    real: RealServer, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Not at once: whoever made it may be looking just now."""
    monkeypatch.setattr(networks, "_SUBNET_SECONDS", seconds)
    left = make_twin(real, "estiva-subnet-left", {"estiva.subnet": ""})
    real.host.ensure_network("kept", LABELS | {KEPT_LABEL: KEPT})
    assert named(real, "estiva-subnet-left") == ([left] if seconds else [])
    assert real.host.keeps_addresses("kept")
