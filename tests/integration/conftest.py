"""Everything under tests/integration needs real parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from parts.valkey import Valkey

if TYPE_CHECKING:
    from tests.integration.processes import Estiva

HERE = Path(__file__).parent
BUILDING = (
    "test_build",
    "test_compose",
    "test_forty",
    "test_git",
    "test_local_engine",
    "test_podman",
    "test_push",
    "test_shipping",
)
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them all, so that the fast gate leaves them out; what builds, and as much as makes both lanes equally long, runs in the other one."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)
            if item.path.name.startswith(BUILDING):
                item.add_marker(pytest.mark.building)


@pytest.fixture
def estiva(
    transactional_db: None,
    django_db_serialized_rollback: None,
    valkey: Valkey,
    folder: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Estiva]:
    """Starts workers and reconcilers for one test, on its database and the run's broker; what they said is shown when it fails."""
    from deployments import queue
    from tests.integration.processes import Estiva  # models can be imported only once Django is set up

    place = folder / f"estiva-{next(_numbers)}"
    place.mkdir()
    queue.connection().flushall()
    installation = Estiva(place)
    yield installation
    installation.stop()
    sys.stderr.write(installation.logs())


@pytest.fixture
def server(sshd: SshServer, tidy_engine: DockerEngine) -> tuple[SshServer, DockerEngine]:
    """A real server: SSH and an engine without containers."""
    return sshd, tidy_engine
