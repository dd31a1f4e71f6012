"""The in-memory server's reboot is only worth something if a real engine, cut off and started again, decides the same."""

import functools
import itertools
from collections.abc import Callable, Iterator

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import World, body, pulled, seen, until
from tests.worker.connections.real_server import connected
from tests.worker.connections.test_fake_contract import FakeWorld
from worker.connections.pool import Pool
from worker.engine.container_host import ContainerHost

POLICIES = ("no", "always", "unless-stopped", "on-failure")
STATES = ("running", "stopped", "killed", "created", "crashed")
CASES = tuple(itertools.product(POLICIES, STATES))


def prepare(world: World) -> dict[str, str]:
    """One container for each policy and state, as a deploy could leave them; when each was started."""
    host = world.host
    images = {"crashed": pulled(world, "exits"), "killed": pulled(world, "ignores_term")}
    plain = pulled(world)
    for policy, state in CASES:
        name = f"{policy}.{state}"
        host.create(name, body(images.get(state, plain), RestartPolicy={"Name": "no"}))
        if state != "created":
            host.start(name)
        if state in ("stopped", "killed"):
            host.stop(name, timeout=1 if state == "stopped" else 0)
        if state == "crashed":
            until(host, functools.partial(_has_exited, host, name))
        host.set_restart_policy(name, policy)
    return started(host)


def _has_exited(host: ContainerHost, name: str) -> bool:
    return seen(host, name).status == "exited"


def started(host: ContainerHost) -> dict[str, str]:
    """When each container was started last."""
    return {name: seen(host, name).started_at for name in (f"{policy}.{state}" for policy, state in CASES)}


def came_back(host: ContainerHost, before: dict[str, str]) -> set[str]:
    """The names of those that were started since."""
    return {name for name, at in started(host).items() if at != before[name]}


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
    fake_before = prepare(fake)
    fake.server.reboot()

    engine = make_engine()
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        real_before = prepare(real)
        engine.reboot()
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        until(real.host, lambda: seen(real.host, "always.running").running)
        real.host.wait(1.0)  # time for one that should not come back to come back
        assert came_back(real.host, real_before) == came_back(fake.host, fake_before)
