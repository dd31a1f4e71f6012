"""What is estimated, told and refused while an image is brought."""

import pytest

from worker.connections.shipping import ImageAbout, Tally, _sizes


@pytest.mark.parametrize(
    ("made", "whole", "expected"),
    [
        ([10, 20], 30, {"a": 10, "b": 20}),
        ([0, 10, 0, 20, 0], 30, {"a": 10, "b": 20}),  # entries that made no layer
        ([10, 0], 10, {"a": 10, "b": 0}),
        ([0, 10, 0], 30, {"a": 15, "b": 15}),  # which of the empty ones is a layer can't be told
        ([], 30, {"a": 15, "b": 15}),
    ],
)
def test_sizes_of_layers_before_they_were_met(made: list[int], whole: int, expected: dict[str, int]) -> None:
    assert _sizes(("a", "b"), made, whole) == expected


def test_a_byte_counts_half_when_sent_and_wholly_when_unpacked() -> None:
    about = ImageAbout("sha256:x", ("a", "b", "c"), {"a": 100, "b": 40, "c": 60})
    tally = Tally(about, frozenset({"b", "c"}), "builder")
    assert tally.announcement().status == "2 of 3 layers come from builder, about 0.0 MB"
    tally.sent = 50
    assert (tally.progress().done, tally.progress().total) == (25, 100)
    tally.sent = 130  # headers count in what is sent, and never in what is told
    assert tally.progress().done == 50
    assert tally.hear({"status": "Loading layer", "id": "b", "progressDetail": {"current": 40, "total": 40}})
    assert not tally.hear({"stream": "Loaded image ID: sha256:x\n"})
    assert tally.progress().done == 70
    assert tally.hear({"status": "Loading layer", "id": "c", "progressDetail": {"current": 1, "total": 60}})
    assert (tally.progress().done, tally.progress().layers_done) == (70, 1)
    about.sizes["c"] = 10  # what was estimated turns out smaller
    assert (tally.progress().done, tally.progress().total) == (70, 70)
    last = tally.progress(complete=True)
    assert (last.done, last.total, last.layers_done) == (70, 70, 2)
