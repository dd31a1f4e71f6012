"""Processes that are left over: known by the folder they work in or were told of, with nobody who lives above them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parts.faults import remains
from parts.processes import kill_all, start_time, wait_until

LEAVES = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "600"], cwd=sys.argv[1] or None, start_new_session=True, env={"HOME": sys.argv[2]})
print(child.pid, flush=True)
time.sleep(600)
"""


class Family:
    """A worker and what it started, in a session of its own."""

    def __init__(self, cwd: str, home: str) -> None:
        words = [sys.executable, "-c", LEAVES, cwd, home]
        self.worker = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.worker.stdout is not None
        self.child = int(self.worker.stdout.readline())

    def die(self) -> None:
        """The worker alone."""
        self.worker.kill()
        self.worker.wait()

    def close(self) -> None:
        """All of it."""
        self.die()
        if start_time(self.child):
            kill_all([self.child])
        if self.worker.stdout is not None:
            self.worker.stdout.close()


@pytest.fixture(params=["works there", "was told of it"])
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Family]:
    """One whose child works in a folder below, one whose child only knows it."""
    (tmp_path / "git").mkdir()
    below = str(tmp_path / "git")
    one = Family(below, "/") if request.param == "works there" else Family("", below)
    yield one
    one.close()


def test_a_child_of_one_that_lives_is_not_left_over(family: Family, tmp_path: Path) -> None:
    wait_until(lambda: "sleep" in remains.in_words(family.child), "the child runs")
    assert remains.orphans(tmp_path, [family.worker.pid]) == []


def test_a_child_of_one_that_died_is(family: Family, tmp_path: Path) -> None:
    wait_until(lambda: "sleep" in remains.in_words(family.child), "the child runs")
    family.die()
    assert remains.orphans(tmp_path, [os.getpid()]) == [family.child]


def test_another_installations_are_not(family: Family, tmp_path: Path) -> None:
    wait_until(lambda: "sleep" in remains.in_words(family.child), "the child runs")
    family.die()
    assert remains.orphans(tmp_path / "gi", []) == []


def test_only_what_stays_is_told() -> None:
    seen = iter([["a", "b"], ["b", "c"], ["b"], ["b"]])
    assert remains.settled(lambda: next(seen, ["b"]), 0.5) == ["b"]
    seen = iter([["a", "b"], ["c"]])
    assert remains.settled(lambda: next(seen), 60) == []


SESSION = """
import socket, subprocess, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
server.close()
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""
CLIENT = "import socket, sys, time; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


class Server:
    """A session with a command below it, whose other end a client holds; as a machine with nothing else."""

    def __init__(self, folder: Path) -> None:
        self.session = subprocess.Popen([sys.executable, "-c", SESSION], stdout=subprocess.PIPE, text=True)
        assert self.session.stdout is not None
        self.port = int(self.session.stdout.readline())
        self.client = subprocess.Popen([sys.executable, "-c", CLIENT, str(self.port)])
        self.command = int(self.session.stdout.readline())
        self.alone = subprocess.Popen(["sleep", "601"])
        self.helper = self._named("containerd-shim", f"--root={folder}/engine")
        self.compose = self._named("docker", f"--host=unix://{folder}/engine/docker.sock")
        self.folder, self.pids = folder, [self.session.pid, self.command]

    @staticmethod
    def _named(name: str, word: str) -> subprocess.Popen[bytes]:
        """A process whose program is called that, and which was told this word."""
        words = [f"/usr/bin/{name}", "-c", "import time; time.sleep(600)", word]
        return subprocess.Popen(words, executable=sys.executable)

    def machine(self) -> Any:
        """For who asks."""
        api = SimpleNamespace(json=lambda *_: [])
        nobody = SimpleNamespace(pid=2**22 + 1)  # above what the kernel gives
        return SimpleNamespace(
            name="web-1",
            address="127.0.0.1",
            sshd=SimpleNamespace(port=self.port, process=nobody),
            engine=SimpleNamespace(folder=self.folder / "engine", process=nobody, api=api),
            namespace=SimpleNamespace(pids=lambda: list(self.pids)),
        )

    def told(self) -> list[int]:
        """Of which processes it is said that nobody holds them."""
        said = "on web-1, of no session that anybody holds: "
        return [int(each.removeprefix(said).split()[0]) for each in remains.on_servers([self.machine()])]

    def close(self) -> None:
        """All of it."""
        for each in (self.client, self.session, self.alone, self.helper, self.compose):
            each.kill()
            each.wait()
        if start_time(self.command):
            kill_all([self.command])
        if self.session.stdout is not None:
            self.session.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One."""
    one = Server(tmp_path)
    yield one
    one.close()


def test_a_session_that_somebody_holds_is_not_left_over(server: Server) -> None:
    assert server.told() == []


def test_a_session_and_its_command_are_left_over_once_nobody_holds_it(server: Server) -> None:
    server.client.kill()
    server.client.wait()
    wait_until(lambda: server.told() == [server.session.pid, server.command], "both are told")


def test_a_command_below_no_session_is_left_over(server: Server) -> None:
    server.pids.append(server.alone.pid)
    wait_until(lambda: "sleep" in remains.in_words(server.alone.pid), "it runs")
    assert server.told() == [server.alone.pid]


def test_the_engines_own_are_not(server: Server) -> None:
    server.pids.append(server.helper.pid)
    wait_until(lambda: "--root" in remains.in_words(server.helper.pid), "it runs")
    assert server.told() == []


def test_who_only_talks_to_the_engine_is(server: Server) -> None:
    """Compose, which goes on when the session that began it is gone."""
    server.pids.append(server.compose.pid)
    wait_until(lambda: "--host" in remains.in_words(server.compose.pid), "it runs")
    assert server.told() == [server.compose.pid]


def test_what_has_ended_is_not(server: Server) -> None:
    server.pids.append(server.alone.pid)
    server.alone.kill()
    server.alone.wait()
    assert server.told() == []
