"""The viewers of a benchmark: what came to them is taken apart, and what is missing or came twice is counted."""

import json

import pytest

from bench.audience import Viewer, judge

BEGAN = 1000.0


def event(*lines: tuple[int, str]) -> bytes:
    rows = [[number, 0, "out", "", text] for number, text in lines]
    return f"event: log\nid: t7:{lines[-1][0]}\ndata: {json.dumps({'target': 7, 'lines': rows})}\n\n".encode()


def said(number: int) -> str:
    return f"line {number} at {BEGAN + number:.4f} ."


def heard(*events: bytes, late: float = 0.25, pieces: int = 1) -> Viewer:
    """A viewer to whom each event came in a chunk of its own, all chunks in so many pieces, the last of them so late."""
    raw = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in events)
    viewer = Viewer("cookie")
    size = -(-len(raw) // pieces)
    for begin in range(0, len(raw), size):
        viewer.raw += raw[begin : begin + size]
        viewer.ends.append(len(viewer.raw))
        viewer.at.append(BEGAN + 2 + late)
    return viewer


@pytest.mark.parametrize("pieces", [1, 2, 7, 60])
def test_every_line_once_however_it_was_cut(pieces: int) -> None:
    viewer = heard(b"retry: 1000\n\n", event((1, "pulled")), event((2, said(1)), (3, said(2))), pieces=pieces)

    assert [(number, text) for number, text, _ in viewer.lines()] == [(1, "pulled"), (2, said(1)), (3, said(2))]
    told = judge([viewer], 2)
    assert (told["lost"], told["doubled"], told["problems"]) == (0, 0, [])
    assert told["latency_ms"]["most"] == pytest.approx(1250)


def test_each_part_of_the_lines_is_as_late_as_its_own_were() -> None:
    viewer = heard(*(event((number, said(number))) for number in range(1, 71)))
    viewer.at = [BEGAN + 70] * len(viewer.at)

    parts = judge([viewer], 70)["p99_parts_ms"]

    assert len(parts) == 7
    assert parts == sorted(parts, reverse=True), "the first line waited the longest"
    assert parts[0] == pytest.approx(69_000, abs=2_000)
    assert parts[-1] == pytest.approx(9_000, abs=2_000)


def test_what_is_missing_is_counted_for_each() -> None:
    whole = heard(event((1, said(1))), event((2, said(2))), event((3, said(3))))
    without_the_last = heard(event((1, said(1))), event((2, said(2))))
    with_a_hole = heard(event((1, said(1))), event((3, said(3))))

    assert judge([whole], 3)["lost"] == 0
    assert judge([whole, without_the_last], 3)["lost"] == 1
    assert judge([with_a_hole], 3)["lost"] == 2, "a line that the container said, and a number"


def test_what_came_twice_is_counted() -> None:
    by_number = heard(event((1, said(1))), event((1, said(1))))
    by_what_is_said = heard(event((1, said(1))), event((2, said(1))))

    assert judge([by_number], 1)["doubled"] == 2, "a number, and what the container said"
    assert judge([by_what_is_said], 1)["doubled"] == 1


def test_a_chunk_that_never_came_whole_is_no_line() -> None:
    viewer = heard(event((1, said(1))), event((2, said(2))))
    del viewer.raw[-8:]
    viewer.ends[-1] = len(viewer.raw)

    assert judge([viewer], 2)["lost"] == 1


def test_a_viewer_that_was_refused_is_named() -> None:
    viewer = Viewer("cookie", problem="HTTP/1.1 429 Too Many Requests")

    told = judge([viewer], 5)

    assert (told["lost"], told["problems"]) == (5, ["HTTP/1.1 429 Too Many Requests"])
