"""A channel's bytes between the thread that is fed them and the one that reads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from paramiko.buffered_pipe import PipeTimeout

from worker.connections.parts_pipe import PartsPipe


def test_bytes_come_out_in_their_order_whatever_size_is_asked_for() -> None:
    pipe = PartsPipe()
    for part in (b"abc", b"", b"defgh", b"i"):
        pipe.feed(part)
    assert (len(pipe), pipe.read_ready()) == (9, True)
    assert [pipe.read(2), pipe.read(2), pipe.read(100)] == [b"ab", b"cd", b"efghi"]
    assert (len(pipe), pipe.read_ready()) == (0, False)
    pipe.feed(b"xy")
    assert pipe.empty() == b"xy"


def test_the_end_comes_behind_what_is_there() -> None:
    pipe = PartsPipe()
    pipe.feed(b"last")
    pipe.close()
    assert [pipe.read(100), pipe.read(100), pipe.read(100, 0.0)] == [b"last", b"", b""]


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_silence_is_told(seconds: float) -> None:
    with pytest.raises(PipeTimeout):
        PartsPipe().read(1, seconds)


@pytest.mark.parametrize("end", [False, True])
def test_a_reader_that_waits_is_woken(end: bool) -> None:
    pipe = PartsPipe()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pipe.read, 10, 30.0)
        if end:
            pipe.close()
        else:
            pipe.feed(b"here")
        assert waiting.result(10) == (b"" if end else b"here")


def test_a_reader_of_much_sleeps_until_it_is_worth_it() -> None:
    pipe = PartsPipe()
    pipe.worth_waking = 6
    pipe.feed(b"abc")
    assert pipe.read(100, 0.01) == b"abc"  # its time was up: what there is
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pipe.read, 100, 30.0)
        pipe.feed(b"def")
        pipe.feed(b"ghi")
        assert waiting.result(10) == b"defghi"
        pipe.feed(b"x")
        pipe.close()
        assert pipe.read(100, 30.0) == b"x"


def test_the_event_says_whether_a_read_would_wait() -> None:
    pipe, event = PartsPipe(), threading.Event()
    event.set()
    pipe.set_event(event)
    seen = [event.is_set()]
    for act in (lambda: pipe.feed(b"ab"), lambda: pipe.read(1), lambda: pipe.read(1), pipe.close):
        act()
        seen.append(event.is_set())
    assert seen == [False, True, True, False, True]
