"""What the engine says becomes a log: numbered, masked, fenced, and told to the viewers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from deployments import claims, stalls
from deployments.claims import Claim
from deployments.live import LogLine, decode_lines
from deployments.models import LogChunk, Step, Target
from tests.deployments.world import claimed, deployed, make_world, only_target
from tests.worker.conftest import Sent
from worker import record_store
from worker.engine.container_host import LogLine as Written
from worker.engine.errors import LeaseLost
from worker.engine.events import (
    Ended,
    Event,
    Finding,
    Gap,
    Line,
    Mutated,
    Observed,
    Progress,
    StepEnded,
    StepStarted,
    Verdict,
    Wrote,
)
from worker.live_tail import LiveTail
from worker.log_buffer import BATCH_BYTES, BATCH_LINES, FULL
from worker.recorder import Recorder
from worker.redact import Masker

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
SECRET = "correct-horse-battery"


@pytest.fixture
def claim(sent: Sent) -> Claim:
    """A Target that somebody holds."""
    return claimed(only_target(deployed(make_world())))


def recorder_of(claim: Claim, *, patience: float = 20.0, **more: Any) -> Recorder:
    """As a run makes it."""
    return Recorder(claim.id, claim.fence, Masker([SECRET]), tail=LiveTail(), patience=lambda: patience, **more)


@pytest.fixture
def recorder(claim: Claim) -> Recorder:
    """For the first attempt."""
    return recorder_of(claim)


def feed(recorder: Recorder, *events: Event) -> None:
    """Record and store."""
    for event in events:
        recorder.record(event)
    recorder.flush()


def lines() -> list[LogLine]:
    """Everything stored, its numbers checked."""
    found = [line for chunk in LogChunk.objects.order_by("first_line") for line in decode_lines(chunk.lines)]
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    return found


@pytest.mark.both_databases
def test_lines_are_numbered_and_belong_to_their_step(recorder: Recorder, claim: Claim) -> None:
    feed(
        recorder,
        StepStarted("pull"),
        Line("pulling"),
        StepEnded("pull", "good", "pulled"),
        StepStarted("health"),
        Line("listening", "stdout"),
        Line("two\nlines", "stderr", "bad"),
    )
    assert [(each.number, each.step, each.stream, each.text, each.level) for each in lines()] == [
        (1, "pull", "estiva", "pulling", "info"),
        (2, "health", "stdout", "listening", "info"),
        (3, "health", "stderr", "two", "bad"),
        (4, "health", "stderr", "lines", "bad"),
    ]
    assert Target.objects.get().last_line == 4
    steps = Step.objects.order_by("pk").values_list("key", "status", "message", "first_line", "fence")
    assert list(steps) == [("pull", "good", "pulled", 1, claim.fence), ("health", "running", "", 2, claim.fence)]


def test_everything_that_is_stored_or_sent_is_masked(recorder: Recorder, sent: Sent) -> None:
    feed(
        recorder,
        StepStarted("health"),
        Line(f"token {SECRET}", "stdout"),
        Finding("port", "warn", f"found {SECRET}", f"change {SECRET}"),
        Progress("health", 1, 2, f"label {SECRET}"),
        StepEnded("health", "bad", f"message {SECRET}"),
        Ended(Verdict.FAILED, what=f"what {SECRET}", why=f"why {SECRET}", remains=(f"left {SECRET}",)),
    )
    stored = [*LogChunk.objects.values_list("lines", flat=True), *Step.objects.values_list("message", "label")]
    for place in (stored, sent.entries, recorder.ended):
        assert SECRET not in repr(place)
        assert "[redacted]" in repr(place)


def test_viewers_are_told_after_the_record_is_written(recorder: Recorder, sent: Sent) -> None:
    sent.entries.clear()
    feed(recorder, StepStarted("pull"), Line("one"), Line("two"))
    (entry,) = sent.of_kind("log")
    assert (entry["first"], entry["last"]) == ("1", "2")
    assert [each.text for each in decode_lines(entry["lines"])] == ["one", "two"]
    (changed,) = sent.of_kind("changed")
    assert (changed["noun"], int(changed["id"])) == ("deployment", Target.objects.get().deployment_id)


def test_a_dead_redis_costs_nothing_but_liveness(recorder: Recorder, sent: Sent) -> None:
    sent.away = True
    feed(recorder, StepStarted("pull"), Line("one"))
    feed(recorder, Line("two"))
    assert [each.text for each in lines()] == ["one", "two"]


@pytest.mark.both_databases
def test_the_next_attempt_continues_the_numbers_and_closes_what_was_open(recorder: Recorder, claim: Claim) -> None:
    feed(recorder, StepStarted("pull"), Line("one"))
    claims.hand_back_target(claim, reason="gone")
    second = recorder_of(claimed(Target.objects.get()))
    feed(second, StepStarted("connect"), Line("two"))
    assert [each.text for each in lines()] == ["one", "two"]
    assert list(Step.objects.order_by("pk").values_list("key", "status")) == [
        ("pull", "broken_off"),
        ("connect", "running"),
    ]


@pytest.mark.both_databases
def test_a_stale_holder_writes_nothing(recorder: Recorder, claim: Claim) -> None:
    """Its lease ran out and another one has it: not a line, not a step, not a word to the viewers."""
    told: list[bool] = []
    stale = recorder_of(claim, lost=lambda: told.append(True))
    Target.objects.update(lease_until=Now() - timedelta(seconds=1))
    stalls.release_expired()
    claimed(Target.objects.get())
    stale.record(StepStarted("pull"))
    stale.record(Line("late"))
    with pytest.raises(LeaseLost):
        stale.flush()
    stale.tick()
    assert told
    assert not LogChunk.objects.exists()
    assert not Step.objects.exists()
    assert Target.objects.get().last_line == 0


@pytest.mark.both_databases
def test_a_lease_that_ran_out_is_lost_even_before_anybody_took_over(recorder: Recorder) -> None:
    Target.objects.update(lease_until=Now() - timedelta(seconds=1))
    recorder.record(Line("late"))
    with pytest.raises(LeaseLost):
        recorder.flush()


def test_mutated_is_stored_before_the_engine_goes_on(recorder: Recorder) -> None:
    recorder.record(Mutated())
    assert Target.objects.get().touched
    assert recorder.touched


def test_a_gap_that_was_measured_outlives_its_worker(claim: Claim) -> None:
    feed(recorder_of(claim), Gap(1.5))
    assert Target.objects.get().gap_seconds == 1.5
    Target.objects.update(lease_until=Now() - timedelta(seconds=1))
    stalls.release_expired()
    later = recorder_of(claimed(Target.objects.get()))
    feed(later, Gap(0.5))
    assert (later.gap, Target.objects.get().gap_seconds) == (2.0, 2.0)


def test_a_gap_is_stored_before_the_engine_goes_on(recorder: Recorder) -> None:
    """Next the old version is removed, and with it what would tell another worker of it."""
    recorder.record(Gap(1.5))
    assert Target.objects.get().gap_seconds == 1.5


def test_a_gap_by_the_servers_own_times_holds_what_was_measured_of_it_before(recorder: Recorder) -> None:
    feed(recorder, Gap(1.5), Gap(4.0, whole=True))
    assert Target.objects.get().gap_seconds == 4.0
    feed(recorder, Gap(0.5), Gap(2.0, whole=True))
    assert Target.objects.get().gap_seconds == 4.5


def test_what_the_end_needs_is_kept(recorder: Recorder) -> None:
    observed = Observed("c", "id", "image", None, 3, "now", (("0.0.0.0", 80, 5000, "tcp"),))  # noqa: S104
    feed(recorder, Gap(1.5), observed, Ended(Verdict.SUCCEEDED, what="done", serving_release=3))
    assert recorder.gap == 1.5
    assert recorder.observed is not None
    assert recorder.observed["release"] == 3
    assert recorder.published == [["0.0.0.0", 80, 5000, "tcp"]]  # noqa: S104
    assert recorder.ended is not None
    assert recorder.ended["verdict"] == "succeeded"


def test_of_several_services_those_of_the_last_look_are_kept(recorder: Recorder) -> None:
    web = Observed("p-web-1", "i", "image", None, 3, "now", (("127.0.0.1", 80, 5000, "tcp"),), "web")
    db = Observed("p-db-1", "j", "image", None, 2, "now", (("127.0.0.1", 81, 5001, "tcp"),), "db")
    feed(recorder, StepStarted("verify"), web, db, StepEnded("verify", "bad", "not so"))
    feed(recorder, StepStarted("restore"), web, StepEnded("restore", "good"))
    assert recorder.observed is not None
    assert [each["service"] for each in recorder.observed["containers"]] == ["web"]
    assert recorder.published == [["127.0.0.1", 80, 5000, "tcp"]]


@pytest.mark.parametrize("at_once", [1, 7, 50])
def test_keeping_stops_at_the_limit_and_says_where(recorder: Recorder, settings: Any, at_once: int) -> None:
    settings.ESTIVA_LOG_LIMIT_BYTES = 1000
    said = [Written("stdout", "x" * 100)] * 50
    heard = [Wrote(said[at : at + at_once]) for at in range(0, 50, at_once)]
    feed(recorder, *heard, Line("the verdict", level="bad"))
    texts = [each.text for each in lines()]
    assert texts[11:] == [FULL.format(limit=0), "the verdict"]
    assert Target.objects.get().log_cut_at == 11
    again = recorder_of(Claim(recorder.target_id, recorder.fence, "deploy@one"))
    feed(again, Line("more", "stdout"), Line("a word of ours"))
    assert [each.text for each in lines()][13:] == ["a word of ours"]


def test_progress_is_told_at_most_ten_times_a_second_and_stored_at_the_end(recorder: Recorder, sent: Sent) -> None:
    recorder.record(StepStarted("pull"))
    for done in range(500):
        recorder.record(Progress("pull", done, 500, "layers"))
    feed(recorder, StepEnded("pull", "good"))
    assert 1 <= len(sent.of_kind("progress")) < 50
    step = Step.objects.get()
    assert (step.done, step.total, step.label) == (499, 500, "layers")


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """The database goes away: before a write (False) or after its commit (True), as listed."""
    plan: list[bool] = []
    write = record_store.write

    def fail(target_id: int, fence: int, batch: record_store.Batch) -> str:
        if not plan:
            return write(target_id, fence, batch)
        if plan.pop(0):
            write(target_id, fence, batch)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(record_store, "write", fail)
    monkeypatch.setattr("worker.patience.RETRY_SECONDS", 0.01)
    yield plan
    assert not plan


@pytest.mark.both_databases
@pytest.mark.parametrize("after_commit", [False, True])
def test_a_database_that_comes_back_has_each_line_and_step_once(
    recorder: Recorder, flaky: list[bool], after_commit: bool
) -> None:
    flaky += [after_commit, after_commit]
    feed(recorder, StepStarted("pull"), Line("one"), StepEnded("pull", "good"))
    feed(recorder, Line("two"))
    assert [each.text for each in lines()] == ["one", "two"]
    assert Step.objects.get().status == "good"
    assert Target.objects.get().log_bytes == 6


def test_a_database_away_for_too_long_is_a_lost_lease(claim: Claim, flaky: list[bool]) -> None:
    flaky.append(False)
    recorder = recorder_of(claim, patience=0.0)
    recorder.record(Line("one"))
    with pytest.raises(LeaseLost):
        recorder.flush()


def test_a_tick_leaves_the_lines_for_later_while_the_database_is_away(recorder: Recorder, flaky: list[bool]) -> None:
    flaky.append(False)
    recorder.record(Line("one"))
    recorder.tick()
    assert lines() == []
    recorder.record(Line("two"))
    recorder.flush()
    assert [each.text for each in lines()] == ["one", "two"]


def test_a_flood_is_written_by_the_engines_own_thread(recorder: Recorder) -> None:
    """Without a flusher's help memory stays bounded."""
    for number in range(BATCH_LINES + 10):
        recorder.record(Line(f"line {number}", "stdout"))
    assert len(lines()) == BATCH_LINES


def test_what_was_heard_at_once_is_written_in_pieces(recorder: Recorder) -> None:
    said = [Written("stderr", f"line {number}") for number in range(2 * BATCH_LINES + 10)]
    recorder.record(Wrote(said))
    assert list(LogChunk.objects.order_by("first_line").values_list("first_line", flat=True)) == [1, BATCH_LINES + 1]
    recorder.flush()
    assert [(each.stream, each.text) for each in lines()] == said


@pytest.mark.both_databases
def test_how_much_of_a_container_s_output_is_on_record_is_stored_with_it(recorder: Recorder, claim: Claim) -> None:
    said = [Written("stderr", f"line {number}") for number in range(BATCH_LINES + 10)]
    feed(recorder, Wrote(said[:3], "aaa", 3))
    recorder.record(Wrote(said, "bbb", 100 + len(said)))
    assert heard(claim) == {"aaa": 3, "bbb": 100 + BATCH_LINES}, "what waits isn't on record yet"
    recorder.flush()
    assert heard(claim) == {"aaa": 3, "bbb": 100 + len(said)}


def heard(claim: Claim) -> dict[str, int]:
    return record_store.lines_heard(claim.id, Target.objects.values_list("heard", flat=True).get(pk=claim.id))


def test_the_next_attempt_keeps_what_is_known_unless_a_worker_that_does_not_count_wrote_since(
    recorder: Recorder, claim: Claim
) -> None:
    feed(recorder, Wrote([Written("stdout", "one")], "aaa", 1))
    claims.hand_back_target(claim, reason="The worker was stopped.", delay_seconds=0)
    second = claimed(Target.objects.get())
    feed(recorder_of(second), Line("Attempt 2."))
    assert heard(second) == {"aaa": 1}
    LogChunk.objects.create(target_id=second.id, first_line=3, last_line=3, fence=second.fence + 1, lines="[]")
    assert heard(second) == {}


def test_what_was_heard_in_long_lines_is_written_in_pieces_as_well(recorder: Recorder) -> None:
    recorder.record(Wrote([Written("stdout", "x" * 10_000)] * 100))
    recorder.flush()
    assert len(lines()) == 100
    assert max(len(each.lines) for each in LogChunk.objects.all()) < 2 * BATCH_BYTES


def test_the_limit_is_told_after_the_whole_of_what_estiva_says(recorder: Recorder, settings: Any) -> None:
    settings.ESTIVA_LOG_LIMIT_BYTES = 100
    feed(recorder, Line("x" * 200 + "\nits second line", level="bad"), Line("more", "stdout"))
    assert [each.text for each in lines()][1:] == ["its second line", FULL.format(limit=0)]


@pytest.mark.both_databases
def test_a_step_that_is_done_again_closes_the_one_before(recorder: Recorder, claim: Claim) -> None:
    feed(recorder, StepStarted("replace"))
    again = (StepEnded("replace", "cancelled"), StepStarted("replace"), Progress("replace", 1, 3, "half way"))
    feed(recorder, *again)
    feed(recorder, StepEnded("replace", "good", "there"))
    assert list(Step.objects.order_by("pk").values_list("key", "status", "done")) == [
        ("replace", "cancelled", 0),
        ("replace", "good", 1),
    ]


@pytest.mark.both_databases
@pytest.mark.parametrize("said", [(), (Line("said meanwhile"),)])
def test_steps_whose_commit_got_no_answer_are_there_once(
    recorder: Recorder, flaky: list[bool], said: tuple[Line, ...]
) -> None:
    feed(recorder, StepStarted("replace"))
    flaky += [True, True]
    feed(recorder, StepEnded("replace", "cancelled"), StepStarted("replace"), *said)
    feed(recorder, StepEnded("replace", "good"))
    assert list(Step.objects.order_by("pk").values_list("key", "status")) == [
        ("replace", "cancelled"),
        ("replace", "good"),
    ]


def test_progress_after_its_end_changes_nothing(recorder: Recorder) -> None:
    feed(recorder, StepStarted("health"), StepEnded("health", "bad", "no answer"), Progress("health", 3, 4, "seconds"))
    step = Step.objects.get()
    assert (step.status, step.done) == ("bad", 0)
