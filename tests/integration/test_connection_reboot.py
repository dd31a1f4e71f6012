"""The in-memory server's reboot is only worth something if a real engine, cut off and started again, decides the same."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import body, pulled, seen, until
from tests.worker.connections.real_server import connected
from tests.worker.connections.test_fake_contract import FakeWorld
from worker.connections.pool import Pool
from worker.engine.container_host import ContainerHost

POLICIES = ("no", "always", "unless-stopped", "on-failure")
STATES = ("running", "stopped", "created", "crashed")
CASES = tuple(itertools.product(POLICIES, STATES))


def prepare(host: ContainerHost, plain: str, exits: str) -> None:
    """One container for each policy and state, as a deploy could leave them."""
    for policy, state in CASES:
        name = f"{policy}.{state}"
        host.create(name, body(exits if state == "crashed" else plain, RestartPolicy={"Name": "no"}))
        if state != "created":
            host.start(name)
        if state == "stopped":
            host.stop(name, timeout=1)
        if state == "crashed":
            until(host, lambda name=name: seen(host, name).status == "exited")  # type: ignore[misc]
        host.set_restart_policy(name, policy)


def who_came_back(host: ContainerHost) -> set[str]:
    """The names of what serves after a reboot; crashing ones count as running only while they do."""
    return {f"{p}.{s}" for p, s in CASES if s != "crashed" and seen(host, f"{p}.{s}").running}


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def test_a_reboot_brings_back_the_same_containers_as_the_fake_says(
    pool: Pool,
    sshd: SshServer,
    ssh_key: SshKey,
    make_engine: Callable[..., DockerEngine],
    sample_images: SampleImages,
) -> None:
    fake = FakeWorld()
    prepare(fake.host, pulled(fake), pulled(fake, "exits"))
    fake.server.reboot()

    engine = make_engine()
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        prepare(real.host, pulled(real), pulled(real, "exits"))
        engine.reboot()
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        until(real.host, lambda: seen(real.host, "always.running").running)
        real.host.wait(1.0)  # time for one that should not come back to come back
        assert who_came_back(real.host) == who_came_back(fake.host)
