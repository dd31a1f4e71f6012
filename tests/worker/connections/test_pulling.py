"""What the engine says of single layers becomes one progress that only goes forward."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.connections.pulling import PullTracker
from worker.engine.container_host import PullProgress


def event(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def told(*events: dict[str, Any]) -> list[PullProgress]:
    tracker = PullTracker()
    return [step for each in events if (step := tracker.feed(each)) is not None]


def test_a_pull_from_beginning_to_end() -> None:
    steps = told(
        {"status": "Pulling from team/sample", "id": "1"},
        event("a", "Pulling fs layer"),
        event("b", "Pulling fs layer"),
        event("c", "Already exists"),
        event("a", "Downloading", 500_000, 1_000_000),
        event("b", "Downloading", 3_000_000, 3_000_000),
        event("b", "Download complete"),
        event("a", "Download complete"),
        event("a", "Extracting", 1_000_000, 1_000_000),
        event("a", "Pull complete"),
        event("b", "Pull complete"),
        {"status": "Digest: sha256:abc"},
        {"status": "Status: Downloaded newer image for team/sample:1"},
    )
    assert len(steps) == 10  # the words about the whole are not steps
    assert (steps[3].done, steps[3].total, steps[3].layers_done, steps[3].layers) == (250_000, 1_000_000, 1, 3)
    assert steps[3].status == "downloading 0.5 of 1.0 MB, 1 of 3 layers"
    assert steps[7].status == "unpacking 4.0 of 4.0 MB, 1 of 3 layers"
    last = steps[-1]
    assert (last.done, last.total, last.layers_done) == (4_000_000, 4_000_000, 3)


def test_a_download_begun_anew_does_not_go_back() -> None:
    steps = told(
        event("a", "Pulling fs layer"),
        event("a", "Downloading", 900, 1000),
        event("a", "Retrying in 5 seconds"),
        event("a", "Downloading", 10, 1000),
    )
    assert [step.done for step in steps] == [0, 450, 450, 450]
    assert steps[2].status.startswith("retrying")


def test_nothing_to_pull() -> None:
    tracker = PullTracker()
    assert tracker.feed({"status": "Status: Image is up to date for team/sample:1"}) is None
    assert tracker.progress("") == PullProgress(0, 0, 0, 0, "nothing to download")


STATUSES = (
    "Pulling fs layer",
    "Waiting",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
    "Already exists",
    "Retrying in 1 second",
)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATUSES), st.integers(0, 2000), st.integers(0, 1000)))
)
def test_progress_is_monotone_and_within_its_total(events: list[tuple[str, str, int, int]]) -> None:
    before = 0
    for step in told(*(event(*each) for each in events)):
        assert 0 <= step.done <= step.total
        assert before <= step.done or step.done == step.total
        assert 0 <= step.layers_done <= step.layers
        before = step.done
