"""What is lost is said to be lost, at once; and what somebody asks for is heard in the middle of a call."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.real_parts import SampleImages, SshKey
from tests.worker.connections.contract import body, pulled, seen, until
from tests.worker.connections.real_server import RealServer, connected
from worker import servers
from worker.connections import engine_http
from worker.connections.pool import Pool
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost, SocketRefused

Connect = Callable[..., RealServer]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def server(
    pool: Pool,
    make_sshd: Callable[..., SshServer],
    ssh_key: SshKey,
    tidy_engine: DockerEngine,
    sample_images: SampleImages,
) -> Iterator[tuple[RealServer, SshServer]]:
    """A server whose sshd is this test's own to break."""
    sshd = make_sshd()
    with connected(pool, sshd, ssh_key, tidy_engine, sample_images) as connection:
        yield connection, sshd


@contextmanager
def meanwhile(act: Callable[[], object], after: float = 0.3) -> Iterator[list[float]]:
    """Do something from another thread while the body waits; the list gets the moment it was done."""
    done: list[float] = []

    def run() -> None:
        act()
        done.append(time.monotonic())

    timer = threading.Timer(after, run)
    timer.start()
    yield done
    timer.join()


@contextmanager
def silent_registry() -> Iterator[str]:
    """A registry that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}/team/sample:1"


def test_a_pull_that_loses_its_connection_is_lost(server: tuple[RealServer, SshServer]) -> None:
    real, sshd = server
    reference = real.images.push("heavy", ballast=30_000_000).pinned
    steps = real.host.pull(reference, platform=None, deadline=60)
    next(steps)
    sshd.kill_connections()
    with pytest.raises(HostLost, match="connection to server web-1 was lost"):
        list(steps)


def test_a_follow_that_loses_its_connection_ends_and_the_next_call_is_lost(
    server: tuple[RealServer, SshServer],
) -> None:
    real, sshd = server
    real.host.create("web", body(pulled(real)))
    real.host.start("web")
    follow = real.host.follow("web")
    sshd.kill_connections()
    # What came before the end is taken first: until then the stream isn't over for who reads it.
    until(real.host, lambda: not follow.available() and follow.ended)
    with pytest.raises(HostLost):
        real.host.container("web")
    with pytest.raises(HostLost):
        real.host.disk_free("/")
    with pytest.raises(HostLost):
        real.host.probe_tcp("127.0.0.1", 1, timeout=1)


def test_a_call_in_the_middle_of_which_the_connection_dies(server: tuple[RealServer, SshServer]) -> None:
    real, sshd = server
    real.host.create("web", body(pulled(real, "ignores_term")))
    real.host.start("web")
    with meanwhile(sshd.kill_connections) as done, pytest.raises(HostLost):
        real.host.stop("web", timeout=20)
    assert time.monotonic() - done[0] < 1


@pytest.mark.parametrize("error", [Cancelled, LeaseLost])
def test_a_signal_ends_a_call_at_once(server: tuple[RealServer, SshServer], error: type[Exception]) -> None:
    real, _ = server
    real.host.create("web", body(pulled(real, "ignores_term")))
    real.host.start("web")
    asked = real.signals.cancelled if error is Cancelled else real.signals.lost
    heard = 0.0
    with meanwhile(asked.set) as done:
        with pytest.raises(error):
            real.host.stop("web", timeout=20)
        heard = time.monotonic()
    assert heard - done[0] < 0.3  # 50 ms on a machine with nothing else to do
    if error is Cancelled:
        real.host.shield()
        assert seen(real.host, "web").running
        real.host.remove("web")


@pytest.mark.parametrize("error", [Cancelled, LeaseLost])
def test_a_signal_ends_a_wait_at_once(server: tuple[RealServer, SshServer], error: type[Exception]) -> None:
    real, _ = server
    asked = real.signals.cancelled if error is Cancelled else real.signals.lost
    heard = 0.0
    with meanwhile(asked.set, 0.1) as done:
        with pytest.raises(error):
            real.host.wait(30)
        heard = time.monotonic()
    assert heard - done[0] < 0.2


def test_a_cancelled_pull_ends_while_the_registry_is_silent(server: tuple[RealServer, SshServer]) -> None:
    real, _ = server
    with silent_registry() as reference, meanwhile(real.signals.cancelled.set):
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            list(real.host.pull(reference, platform=None, deadline=60))
        assert time.monotonic() - begun < 2


def test_a_pull_at_a_standstill_is_broken_off(
    server: tuple[RealServer, SshServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, _ = server
    monkeypatch.setattr(engine_http, "STREAM_SECONDS", 0.5)
    with silent_registry() as reference, pytest.raises(HostError, match="came to a standstill"):
        list(real.host.pull(reference, platform=None, deadline=60))
    real.host.facts()


def test_a_pull_past_its_deadline_is_broken_off(server: tuple[RealServer, SshServer]) -> None:
    real, _ = server
    reference = real.images.push("heavy2", ballast=20_000_000).pinned
    with pytest.raises(HostError, match="took longer than"):
        list(real.host.pull(reference, platform=None, deadline=0.0))


def test_an_aborted_session_ends_the_call_of_another_thread(server: tuple[RealServer, SshServer]) -> None:
    real, _ = server
    real.host.create("web", body(pulled(real, "ignores_term")))
    real.host.start("web")
    with meanwhile(real.session.abort), pytest.raises(HostLost):
        real.host.stop("web", timeout=20)
    with pytest.raises(HostLost):
        real.host.start("web")


def test_an_engine_that_stops_and_comes_back(
    pool: Pool,
    make_engine: Callable[..., DockerEngine],
    sshd: SshServer,
    ssh_key: SshKey,
    sample_images: SampleImages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = make_engine()
    monkeypatch.setattr(engine_http, "CALL_SECONDS", 1)
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        real.host.facts()
        os.kill(engine.process.pid, signal.SIGSTOP)
        with pytest.raises(HostLost, match="fell silent"):
            real.host.container("web")
        os.kill(engine.process.pid, signal.SIGCONT)
        assert real.host.container("web") is None
        engine.kill()
        with pytest.raises((HostLost, SocketRefused)):
            real.host.facts()
        with pytest.raises(SocketRefused) as caught:
            real.host.facts()
        assert caught.value.reason == "not listening"
        engine.reboot()
        real.host.facts()


def test_a_create_that_comes_through_after_the_lease_is_lost_is_taken_back(
    pool: Pool,
    make_engine: Callable[..., DockerEngine],
    sshd: SshServer,
    ssh_key: SshKey,
    sample_images: SampleImages,
) -> None:
    engine = make_engine()
    with connected(pool, sshd, ssh_key, engine, sample_images) as real:
        image = pulled(real)
        os.kill(engine.process.pid, signal.SIGSTOP)
        with meanwhile(real.signals.lost.set), pytest.raises(LeaseLost):
            real.host.create("late", body(image))
        with meanwhile(lambda: os.kill(engine.process.pid, signal.SIGCONT), 1.0):
            assert real.host.withdraw() == ["late"]
    with connected(pool, sshd, ssh_key, engine, sample_images) as another:
        assert another.host.container("late") is None


@pytest.mark.parametrize("handing_back", [False, True])
def test_what_was_created_stays_only_for_whoever_the_work_is_handed_to(
    server: tuple[RealServer, SshServer], handing_back: bool
) -> None:
    real, _ = server
    real.host.create("web", body(pulled(real)))
    real.signals.handing_back = handing_back
    real.signals.lost.set()
    with pytest.raises(LeaseLost), servers.withdrawing(real.host, real.signals):
        real.host.start("web")
    there = [each["Names"] for each in real.engine.api.json("GET", "/containers/json?all=1")]
    assert there == ([["/web"]] if handing_back else [])
