"""Handshakes: few at once with one sshd, any number with many."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.connections.doors import Doors


def nobody() -> None:
    """Nobody asks for an end."""


class Inside:
    """Who is inside, and lets nobody out before so many have been there together."""

    def __init__(self, together: int) -> None:
        self.met = threading.Barrier(together)
        self.most = self.now = 0
        self._lock = threading.Lock()

    def enter(self, doors: Doors, where: object) -> None:
        with doors.through(where, nobody):
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            self.met.wait(5)
            with self._lock:
                self.now -= 1


@pytest.fixture
def many() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as threads:
        yield threads


def test_one_sshd_meets_a_few_at_once(many: ThreadPoolExecutor) -> None:
    doors, inside = Doors(most=4), Inside(together=4)

    for done in [many.submit(inside.enter, doors, "web-1") for _ in range(20)]:
        done.result(10)

    assert inside.most == 4


def test_forty_servers_are_met_at_once(many: ThreadPoolExecutor) -> None:
    doors, inside = Doors(most=4), Inside(together=40)

    for done in [many.submit(inside.enter, doors, f"web-{number}") for number in range(40)]:
        done.result(10)

    assert inside.most == 40


def test_who_waits_at_a_door_can_be_called_away(many: ThreadPoolExecutor) -> None:
    doors, called, held, inside = Doors(most=1), threading.Event(), threading.Event(), threading.Event()

    def interrupt() -> None:
        if called.is_set():
            raise InterruptedError

    def wait(until: Callable[[], object]) -> None:
        with doors.through("web-1", interrupt):
            until()

    def hold() -> None:
        inside.set()
        held.wait(5)

    first = many.submit(wait, hold)
    inside.wait(5)
    second = many.submit(wait, lambda: None)
    called.set()
    with pytest.raises(InterruptedError):
        second.result(5)
    held.set()
    first.result(5)
    many.submit(doors.through("web-1", nobody).__enter__).result(5)  # nobody's place was lost
