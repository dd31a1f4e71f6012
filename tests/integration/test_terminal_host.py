"""A terminal's own door to an engine, old and current: both ways, its size, and that its program is really gone at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from parts.dockerd import DockerEngine
from parts.processes import descendants, wait_until
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections import terminal
from worker.connections.channels import Output
from worker.connections.pool import Pool
from worker.connections.signals import Signals
from worker.connections.terminal import ExecState, TerminalHost, TerminalStream

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

    def until_numbered(self) -> ExecState:
        """Its state, once the engine tells its process's number: that comes after its first words, later where much runs."""
        told: list[ExecState] = []

        def is_told() -> bool:
            state = self.host.terminal_state(self.exec_id)
            told[:] = [state] if state is not None and state.pid else []
            return bool(told)

        wait_until(is_told, "the engine tells the program's number")
        return told[0]

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
        found = host.container("shop")
        assert found is not None
        yield host, found.id
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
    shell = it.until_numbered().pid
    if busy:
        it.stream.send(busy.encode() + b"\n")
        wait_until(lambda: any(busy in _words(each) for each in descendants(shell)), "what was typed runs")
    typed = descendants(shell)
    it.stream.close()
    state = it.host.terminal_state(it.exec_id)
    assert state is not None
    assert state.is_running  # closing ends nothing
    assert all(runs(each) for each in (shell, *typed))
    assert it.host.end_terminal(it.container, it.exec_id)
    assert not runs(shell)
    wait_until(lambda: not any(runs(each) for each in typed), "the kernel hangs up on what the shell ran")


def runs(pid: int) -> bool:
    """The engine's containers are processes of this machine."""
    return "busybox" in _words(pid)


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


def test_it_ends_where_our_user_may_signal_nothing(
    place: tuple[TerminalHost, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user of group docker who isn't root: from within the container, by its own shell."""
    host, container = place
    real = host._session.run

    def run(argv: Sequence[str], **more: Any) -> Output:
        return Output(1, b"", b"Operation not permitted") if argv[0] == "kill" else real(argv, **more)

    monkeypatch.setattr(host._session, "run", run)
    monkeypatch.setattr(terminal, "SHELL", ("/bin/busybox", "sh"))  # the sample has no /bin/sh
    it = opened(host, container, *SHELL)
    it.until("# ")
    assert host.end_terminal(container, it.exec_id)
    it.until_ended()
    state = host.terminal_state(it.exec_id)
    assert state is not None
    assert not state.is_running


def test_it_ends_though_the_engine_is_late_with_every_word(
    place: tuple[TerminalHost, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy engine: the program's number comes after its first words, and whether it was told to end isn't heard in time."""
    host, container = place
    real, looks = host.terminal_state, [0]
    run_within = host._run_within

    def terminal_state(exec_id: str) -> ExecState | None:
        looks[0] += 1
        found = real(exec_id)
        return found and (replace(found, pid=0) if looks[0] < 3 else found)

    def unheard(*given: Any) -> bool:
        run_within(*given)
        return False

    run = host._session.run
    monkeypatch.setattr(
        host._session, "run", lambda argv, **more: Output(1, b"", b"") if argv[0] == "kill" else run(argv, **more)
    )
    monkeypatch.setattr(terminal, "SHELL", ("/bin/busybox", "sh"))
    it = opened(host, container, *SHELL)
    it.until("# ")
    monkeypatch.setattr(host, "terminal_state", terminal_state)
    monkeypatch.setattr(host, "_run_within", unheard)
    assert host.end_terminal(container, it.exec_id)
    assert looks[0] >= 3
    it.until_ended()


def test_an_engine_that_forgot_a_program_which_goes_on(
    sshd: SshServer, ssh_key: SshKey, make_engine: Callable[..., DockerEngine], sample_images: SampleImages
) -> None:
    """With live-restore the engine is restarted without its containers, and knows no terminal any more: nobody saw it end."""
    engine, image = make_engine(live_restore=True), sample_images.push("1")
    pool, signals = Pool(), Signals()
    with pool.session(address_of(sshd), credential_of(ssh_key), host_key_of(sshd), signals) as session:
        host = TerminalHost(session, str(engine.socket), signals)
        for _ in host.pull(image.pinned, platform=None, deadline=60):
            pass
        host.create("shop", {"Image": image.pinned})
        host.start("shop")
        found = host.container("shop")
        assert found is not None
        it = opened(host, found.id, *SHELL)
        it.until("# ")
        state = it.until_numbered()
        engine.restart()
        it.until_ended()
        assert host.terminal_state(it.exec_id) is None
        assert runs(state.pid)
        assert host.lives_on(found.id, found.started_at)
        assert not host.end_terminal(found.id, it.exec_id, found.started_at)
        assert not host.end_terminal(found.id, it.exec_id)
        host.restart("shop", timeout=1)
        assert host.end_terminal(found.id, it.exec_id, found.started_at)
    pool.close()
