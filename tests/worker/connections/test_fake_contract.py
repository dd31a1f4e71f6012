"""The in-memory server keeps the contract."""

import itertools
from typing import Any

import pytest

from tests.worker.connections.contract import ContainerHostContract
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.connections.signals import Signals
from worker.engine.container_host import LogLine, Platform

SAMPLE = "127.0.0.1:5555/team/sample"
BEGUN = LogLine("stdout", "sample: version 1 starting on port 5000")
READY = LogLine("stdout", "sample: ready")
STOPPED = LogLine("stdout", "sample: asked to stop, closing")
BEHAVIOURS = {
    "plain": Behaviour(output=((0, BEGUN), (0.1, READY)), last_words=(STOPPED,)),
    "never_healthy": Behaviour(healthy_after=None),
    "ignores_term": Behaviour(ignores_term=True),
    "exits": Behaviour(
        exits_after=0.2, exit_code=3, output=((0, BEGUN), (0.1, LogLine("stderr", "sample: fatal: giving up")))
    ),
}


class FakeWorld:
    """A fake server and a connection to it."""

    def __init__(self) -> None:
        self.signals = Signals()
        self.server = FakeServer()
        self.host = FakeHost(self.server, self.signals)
        self._ports = itertools.count(20000)

    def image(self, behaviour: str = "plain", *, healthcheck: bool = False) -> str:
        fields: dict[str, Any] = {"behaviour": BEHAVIOURS[behaviour], "has_healthcheck": healthcheck}
        return self.server.images.publish(SAMPLE, f"{behaviour}-{healthcheck}", **fields)

    def windows_image(self) -> str:
        return self.server.images.publish(SAMPLE, "windows", platforms=(Platform("windows", "amd64"),))

    def free_port(self) -> int:
        return next(self._ports)

    def pause(self, name: str) -> None:
        self.server.pause(name)


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


class TestFakeHost(ContainerHostContract):
    """Every promise of the contract."""
