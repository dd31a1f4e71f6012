"""A terminal's own door to an engine, old and current: both ways, its size, and that its program is really gone at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.connections.terminal import TerminalHost, TerminalStream
from worker.engine.errors import HostError

SHELL = ("/bin/busybox", "sh")


@dataclass
class Open:
    """A terminal that is being tried."""

    host: TerminalHost
    container: str
    exec_id: str
    stream: TerminalStream
    woken: threading.Event
    said: str = ""

    def until(self, text: str, seconds: float = 10.0) -> str:
        """What it said up to this."""
        until = time.monotonic() + seconds
        while text not in self.said:
            left = until - time.monotonic()
            assert left > 0, self.said
            self.woken.wait(left)
            self.woken.clear()
            self.said += self.stream.available().decode()
        return self.said

    def until_ended(self, seconds: float = 10.0) -> str:
        """Everything that it said."""
        until = time.monotonic() + seconds
        while not self.stream.ended:
            self.woken.wait(until - time.monotonic())
            assert time.monotonic() < until, self.said
            self.woken.clear()
        self.said += self.stream.available().decode()
        return self.said


@pytest.fixture(params=["20.10", "26.1"])
def engine_of(request: pytest.FixtureRequest) -> DockerEngine:
    """An old engine and a current one."""
    found: DockerEngine = request.getfixturevalue("tidy_engine" if request.param == "20.10" else "tidy_engine26")
    return found


@pytest.fixture
def place(
    sshd: SshServer, ssh_key: SshKey, engine_of: DockerEngine, sample_images: SampleImages
) -> Iterator[tuple[TerminalHost, str]]:
    """A running container."""
    image = sample_images.push("1")
    pool = Pool()
    signals = Signals()
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd), signals) as session:
        host = TerminalHost(session, str(engine_of.socket), signals)
        for _ in host.pull(image.pinned, platform=None, deadline=60):
            pass
        host.create("shop", {"Image": image.pinned})
        host.start("shop")
        yield host, "shop"
    pool.close()


def opened(host: TerminalHost, container: str, *argv: str) -> Open:
    exec_id, woken = host.prepare_terminal(container, argv), threading.Event()
    return Open(host, container, exec_id, host.start_terminal(exec_id, woken.set), woken)


def test_it_is_typed_into_sized_and_ends_by_itself(place: tuple[TerminalHost, str]) -> None:
    it = opened(*place, *SHELL)
    it.until("# ")
    assert it.host.resize_terminal(it.exec_id, 120, 31)
    it.stream.send(b"echo $((6*7)); /bin/busybox stty size\n")
    it.until("42\r\n31 120\r\n")
    it.stream.send(b"exit 3\n")
    it.until_ended()
    state = it.host.terminal_state(it.exec_id)
    assert state is not None
    assert (state.is_running, state.exit_code) == (False, 3)


@pytest.mark.parametrize("busy", ["", "/bin/busybox sleep 1000"])
def test_what_is_left_ends_for_sure(place: tuple[TerminalHost, str], busy: str) -> None:
    it = opened(*place, *SHELL)
    it.until("# ")
    if busy:
        it.stream.send(busy.encode() + b"\n")
        it.until(busy)
    pid = it.host.terminal_state(it.exec_id).pid
    it.stream.close()
    time.sleep(1)
    left = it.host.terminal_state(it.exec_id)
    print("AFTER CLOSE", left)
    began = time.monotonic()
    assert it.host.end_terminal(it.container, it.exec_id)
    print("ENDED IN", time.monotonic() - began, pid)
