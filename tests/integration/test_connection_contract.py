"""The contract, kept by a real Docker Engine, old and current, behind a real sshd."""

from collections.abc import Iterator

import pytest

from parts.dockerd import DockerEngine
from parts.engine26 import Engine26
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import ContainerHostContract
from tests.worker.connections.real_server import RealServer, connected, connected_beside
from worker.connections.pool import Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


class TestDockerHost(ContainerHostContract):
    """Every promise, on the real thing, as old as Estiva supports it."""

    @pytest.fixture
    def world(
        self, pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine: DockerEngine, sample_images: SampleImages
    ) -> Iterator[RealServer]:
        with connected(pool, sshd, ssh_key, tidy_engine, sample_images) as server:
            yield server


class TestCurrentDockerHost(ContainerHostContract):
    """Every promise, on a current one."""

    @pytest.fixture
    def world(
        self, pool: Pool, sshd: SshServer, ssh_key: SshKey, tidy_engine26: Engine26, sample_images: SampleImages
    ) -> Iterator[RealServer]:
        with connected(pool, sshd, ssh_key, tidy_engine26, sample_images) as server:
            yield server


class TestEngineBesideTheWorker(ContainerHostContract):
    """Every promise, without SSH in between."""

    @pytest.fixture
    def world(self, pool: Pool, tidy_engine: DockerEngine, sample_images: SampleImages) -> Iterator[RealServer]:
        with connected_beside(pool, tidy_engine, sample_images) as server:
            yield server
