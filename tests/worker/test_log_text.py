"""What a line looks like before it is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.live import MAX_LINE_BYTES
from worker.log_text import cut, finished_line, storable
from worker.redact import Masker

NOTHING = Masker([])
SECRET = "correct-horse-battery"


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("plain", "plain"),
        ("10 %\r20 %\r100 %", "100 %"),
        ("100 %\r", "100 %"),
        ("windows line\r", "windows line"),
        ("\r\r", ""),
        ("", ""),
        ("nul\x00byte", "nul\ufffdbyte"),
        ("lone \udcff surrogate", "lone ? surrogate"),
    ],
)
def test_a_line_is_what_a_terminal_would_show(written: str, left: str) -> None:
    assert finished_line(written, NOTHING) == left


def test_a_secret_before_a_carriage_return_is_masked_too() -> None:
    assert finished_line(f"{SECRET}\r{SECRET} done", Masker([SECRET])) == "[redacted] done"


def test_a_long_line_is_cut_with_a_mark_that_counts_bytes() -> None:
    line = finished_line("ä" * MAX_LINE_BYTES, NOTHING)
    assert len(line.encode()) <= MAX_LINE_BYTES
    body, _, mark = line.partition("… ")
    assert mark == f"[cut: {2 * MAX_LINE_BYTES - len(body.encode())} bytes]"


def test_a_line_of_just_the_limit_is_whole() -> None:
    assert finished_line("x" * MAX_LINE_BYTES, NOTHING) == "x" * MAX_LINE_BYTES


def test_no_beginning_of_a_secret_stands_before_somebody_elses_cut() -> None:
    assert cut("password=correct-hor… [cut: 9 bytes]", Masker([SECRET])) == "password=… [cut: 9 bytes]"


def test_a_cut_line_keeps_the_count_of_the_one_who_cut_first() -> None:
    assert cut("x" * MAX_LINE_BYTES + "… [cut: 5 bytes]", NOTHING).endswith("… [cut: 45 bytes]")


@given(st.text())
def test_whatever_is_written_can_be_stored(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored
    stored.encode("utf-8")


@given(st.integers(0, 200), st.integers(0, 200))
def test_no_cut_shows_six_characters_of_a_secret(before: int, after: int) -> None:
    masker = Masker([SECRET])
    line = finished_line("x" * (MAX_LINE_BYTES - 100 + before) + SECRET + "y" * after, masker)
    assert len(line.encode()) <= MAX_LINE_BYTES
    assert SECRET[:6] not in line
