"""What a log has to hold of each flood: nothing less, nothing twice, nothing else; and memory against one beginning."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

from parts.faults import floods
from parts.faults.lines import MEGABYTE, Memory
from parts.faults.viewing import Watcher
from worker.connections.log_stream import CutLine
from worker.log_text import finished_line
from worker.redact import Masker

FLOODS = {flood.kind: flood for flood in floods.of(1500)}
OTHERS = ["Created shop-r1.f1.", "page: version log-chatty starting on port 5000"]


def stored(whole: str) -> str:
    """As Estiva stores a line that a container wrote."""
    line = CutLine()
    line.add(whole.encode())
    return finished_line(line.take(), Masker(()))


def loaded(numbers: Sequence[int]) -> list[str]:
    """Lines of the burst."""
    return [*OTHERS, *(f"page: loaded record {each} of the start-up index" for each in numbers), "page: ready"]


def test_a_burst_has_each_line_once() -> None:
    wrong = FLOODS["chatty"].wrong
    whole = [*range(1, floods.LOADED + 1)]
    assert wrong(loaded(whole)) == ""
    assert wrong(loaded(whole[:-1])) == "9999 lines came, of 10000"
    assert wrong(loaded(whole[:50] + whole[51:])) == "line 52 came where 51 was due"
    assert wrong(loaded([*whole[:50], *whole[49:]])) == "line 50 came where 51 was due"
    assert wrong(OTHERS)


def test_a_flood_has_what_came_until_the_end_without_a_gap() -> None:
    wrong = FLOODS["floods"].wrong
    text = [f"page: line {each} of a flood, which says nothing new" for each in range(1, 5001)]
    assert wrong(text) == ""
    assert wrong(text[:100]) == "100 lines came, of 1200000"
    assert wrong([*text[:100], *text[200:]]) == "line 201 came where 101 was due"


def test_broken_characters_are_shown_as_such_line_by_line() -> None:
    wrong = FLOODS["binary"].wrong
    text = [finished_line(f"page: broken \ufffd\ufffd \ufffd line {each}", Masker(())) for each in range(floods.BROKEN)]
    assert wrong([*OTHERS, *text]) == ""
    assert wrong(text[1:]).endswith("was due, at 0 of 200")
    assert wrong([*text, text[-1]]).endswith("where None was due, at 200 of 200")


@pytest.mark.parametrize(
    ("kind", "whole"), [("no_newline", floods.still(1500)), ("long_line", "x" * floods.LONG)], ids=["still", "long"]
)
def test_one_line_is_whole_but_for_what_is_said_to_be_cut(kind: str, whole: str) -> None:
    wrong = FLOODS[kind].wrong
    line = stored(whole)
    assert "… [cut: " in line
    assert wrong([*OTHERS, line]) == ""
    assert wrong(OTHERS) == "0 lines came, of one"
    assert wrong([line, line]) == "2 lines came, of one"
    assert "bytes are there" in wrong([line.replace(" bytes]", "0 bytes]")])


def test_a_line_that_is_short_enough_is_there_as_it_is() -> None:
    (quick,) = [each for each in floods.of(100) if each.kind == "no_newline"]
    assert quick.wrong([stored(floods.still(100))]) == ""
    assert quick.wrong([stored(floods.still(99))])


def test_memory_is_compared_with_the_beginning_each_time() -> None:
    with Memory({"me": os.getpid()}) as memory:
        held = bytearray(os.urandom(30 * MEGABYTE))
        assert memory.most()["me"] > 20 * MEGABYTE
        assert memory.most()["me"] > 20 * MEGABYTE  # what it kept counts the next time, too
        assert len(held) == 30 * MEGABYTE


@pytest.mark.parametrize(("connects", "returns"), [(0, 0), (1, 0), (4, 3)])
def test_who_was_never_dropped_has_not_come_back(connects: int, returns: int) -> None:
    assert Watcher(1, 1, "", "", random.Random(1), connects=connects).returns == returns
