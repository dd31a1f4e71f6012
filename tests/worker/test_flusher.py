"""The thread that writes waiting lines: at each tick, and at once where somebody waits for the first line."""

import threading

import pytest

from worker import flusher
from worker.flusher import LONGEST_SECONDS, TICK_SECONDS, Flusher, rest_after


class Waiting:
    """Notes that it was told to write."""

    def __init__(self) -> None:
        self.written = threading.Event()

    def tick(self) -> None:
        """As `Ticking` says."""
        self.written.set()


def test_a_hurried_line_does_not_wait_for_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "TICK_SECONDS", 60.0)
    monkeypatch.setattr(flusher, "LONGEST_SECONDS", 60.0)
    one, lines = Flusher(), Waiting()
    one.start()
    try:
        with one.watching(lines):
            assert not lines.written.wait(0.1), "nobody was in a hurry yet"
            one.hurry()
            assert lines.written.wait(5)
    finally:
        one.stop()


def test_what_was_hurried_once_waits_for_its_tick_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "TICK_SECONDS", 60.0)
    monkeypatch.setattr(flusher, "LONGEST_SECONDS", 60.0)
    one, lines = Flusher(), Waiting()
    one.start()
    try:
        with one.watching(lines):
            one.hurry()
            assert lines.written.wait(5)
            lines.written.clear()
            assert not lines.written.wait(0.1)
    finally:
        one.stop()


def test_lines_are_written_at_each_tick() -> None:
    one, lines = Flusher(), Waiting()
    one.start()
    try:
        with one.watching(lines):
            assert lines.written.wait(5)
    finally:
        one.stop()


@pytest.mark.parametrize(
    ("took", "rest"), [(0.0, TICK_SECONDS), (0.02, TICK_SECONDS), (0.1, 0.2), (9.0, LONGEST_SECONDS)]
)
def test_a_third_of_the_time_is_for_writing_at_most_and_nobody_waits_for_long(took: float, rest: float) -> None:
    assert rest_after(took) == pytest.approx(rest)
