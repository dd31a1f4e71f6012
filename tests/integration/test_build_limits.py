"""Limits of builds where systemd keeps the control groups: a whole machine with a real systemd, its Docker Engine, its sshd."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.namespaces import Network
from parts.processes import PartError
from parts.sample_image import static_busybox
from parts.systemd_machine import SystemdMachine
from tests.integration.build_stage import context, ended, output
from tests.real_parts import SshKey
from tests.worker.connections.real_server import address_of, credential_of, host_key_of
from worker.connections.building import DockerBuildHost
from worker.connections.pool import Pool, SshSession
from worker.connections.signals import Signals
from worker.engine.build_events import BuilderNote, BuildEvent, BuildRequest
from worker.engine.errors import HostError

SOCKET = "/run/docker.sock"
MEMORY, CPUS = 64 << 20, 0.25
SHELL = 'FROM scratch AS base\nCOPY busybox /bin/busybox\nSHELL ["/bin/busybox", "sh", "-c"]\n'
LATE = "RUN /bin/busybox sleep 1.5; /bin/busybox dd if=/dev/zero of=/dev/null bs=200M count=1\n"
AT_ONCE = "RUN /bin/busybox dd if=/dev/zero of=/dev/null bs=200M count=300\n"
BUSY = "RUN i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; times\n"
PARALLEL = (
    "FROM base AS one\nRUN /bin/busybox sleep 5\nFROM base AS other\nRUN /bin/busybox sleep 6\n"
    "FROM base\nCOPY --from=one /bin/busybox /a\nCOPY --from=other /bin/busybox /b\n"
)
QUOTAS = "/sys/fs/cgroup/cpu/system.slice/docker.service/system.slice:docker:*/cpu.cfs_quota_us"


@pytest.fixture(scope="module", params=["20.10", "26.1"])
def machine(request: pytest.FixtureRequest, folder: Path, ssh_key: SshKey) -> Iterator[SystemdMachine]:
    """Booted once for all tests here."""
    home = folder / f"systemd-{request.param}"
    with Network(home / "network") as network:
        try:
            machine = SystemdMachine(home / "machine", network.add(), current=request.param == "26.1")
            machine.sshd.authorize(ssh_key.public)
            machine.start()
        except PartError as error:
            if "could not be read" in str(error) or "needs root" in str(error):
                pytest.skip(str(error))
            raise
        yield machine
        machine.stop()


@pytest.fixture
def session(machine: SystemdMachine, ssh_key: SshKey) -> Iterator[SshSession]:
    pool = Pool()
    with pool.session(
        address_of(machine.sshd), credential_of(ssh_key), host_key_of(machine.sshd), Signals()
    ) as session:
        yield session
    pool.close()


@pytest.fixture
def host(session: SshSession) -> DockerBuildHost:
    return DockerBuildHost(session, SOCKET)


def build(host: DockerBuildHost, dockerfile: str, into: list[BuildEvent], **limits: float) -> list[BuildEvent]:
    asked = BuildRequest(f"test-{time.monotonic()}", no_cache=True, **limits)  # type: ignore[arg-type]
    files: dict[str, str | bytes] = {"Dockerfile": SHELL + dockerfile, "busybox": static_busybox().read_bytes()}
    into.extend(host.build(asked, context(files, ["busybox"])))
    return into


def notes(events: list[BuildEvent]) -> list[tuple[str, str]]:
    return [(each.level, each.text) for each in events if isinstance(each, BuilderNote)]


def test_a_command_that_takes_more_memory_is_ended_by_the_kernel(host: DockerBuildHost) -> None:
    events: list[BuildEvent] = []
    with pytest.raises(HostError, match="exit code: 137"):
        build(host, LATE, events, memory=MEMORY)
    [(level, said)] = notes(events)
    assert level == "info"
    assert "Each command of this build gets 64 MB of memory" in said
    assert ended(build(host, LATE, [], memory=2 * 200 << 20), "RUN").error == ""


def test_a_command_that_takes_it_before_it_is_limited_does_not_get_through(host: DockerBuildHost) -> None:
    with pytest.raises(HostError, match=r"exit code: 137|used more than 64 MB of memory"):
        build(host, AT_ONCE, [], memory=MEMORY)


def test_a_command_gets_its_share_of_the_processor(host: DockerBuildHost) -> None:
    events = build(host, BUSY, [], cpus=CPUS)
    assert [level for level, _ in notes(events)] == ["info"]
    minutes, _, seconds = output(events)[0].split()[0].removesuffix("s").partition("m")
    used = int(minutes) * 60 + float(seconds)
    assert ended(events, "while").seconds > 2.5 * used > 0


def test_commands_that_run_at_once_share_the_processor(host: DockerBuildHost, session: SshSession) -> None:
    events: list[BuildEvent] = []
    going = threading.Thread(target=lambda: build(host, PARALLEL, events, cpus=CPUS))
    going.start()
    seen: list[list[str]] = []
    while going.is_alive():
        paths = session.run(["find", "/sys/fs/cgroup", "-path", QUOTAS])
        names = paths.stdout.decode().split()
        if len(names) == 2:
            seen.append([line.split()[0] for line in session.run(["cat", *names]).stdout.decode().splitlines()])
        going.join(0.2)
    assert ["12500", "12500"] in seen
    assert [level for level, _ in notes(events)] == ["info"]


def test_what_others_build_has_no_limits_when_a_build_with_limits_is_over(
    host: DockerBuildHost, session: SshSession
) -> None:
    other = threading.Thread(target=lambda: build(host, "RUN /bin/busybox sleep 9\n", []))
    other.start()
    build(host, "RUN /bin/busybox sleep 1\n", [], cpus=CPUS)
    names = session.run(["find", "/sys/fs/cgroup", "-path", QUOTAS])
    found = session.run(["cat", *names.stdout.decode().split()]).stdout.decode().split()
    assert found[0] in ("-1", "max")
    other.join()
