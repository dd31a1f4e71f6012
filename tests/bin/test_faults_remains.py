"""Processes that are left over: known by the folder they work in or were told of, with nobody who lives above them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


def test_the_other_end_of_a_connection_is_held_until_its_process_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = [
            sys.executable,
            "-c",
            f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(600)",
        ]
        client = subprocess.Popen(words)
        try:
            accepted, peer = server.accept()
            with accepted:
                assert remains.client_of(os.getpid(), port) == peer
                assert peer in remains.held_here("127.0.0.1", port)
                client.kill()
                client.wait()
                wait_until(lambda: peer not in remains.held_here("127.0.0.1", port), "nobody holds it")
                assert remains.client_of(os.getpid(), port) == peer
            assert remains.client_of(os.getpid(), port) is None
        finally:
            client.kill()
            client.wait()
