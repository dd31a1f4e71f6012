"""How often a worker asks the database for one deploy: from far away each question costs it as long as the line is.

A number that has to be raised here makes every click wait longer for its first line, and the audit trail's lock longer for everybody.
"""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deployments import claims, endings
from deployments.models import LogChunk, Step
from tests.deployments.world import WORKER, claimed, deployed, make_world, only_target, succeed
from tests.worker.conftest import Sent
from worker import record_store
from worker.brief import target_brief
from worker.engine.events import Line, Mutated, Progress, StepEnded, StepStarted
from worker.live_tail import LiveTail
from worker.recorder import Recorder
from worker.redact import Masker

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.usefixtures("sent")]


def asked(work: Any) -> list[str]:
    """The questions, those that begin and end a transaction left out: how they are counted differs between databases."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        work()
    words = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "PRAGMA")
    return [each["sql"] for each in seen.captured_queries if not each["sql"].startswith(words)]


def recorder_of(claim: claims.Claim) -> Recorder:
    """As a run makes it."""
    return Recorder(claim.id, claim.fence, Masker([]), tail=LiveTail(), patience=lambda: 20.0)


def test_a_claim_asks_little(sent: Sent) -> None:
    target = only_target(deployed(make_world()))
    questions = asked(lambda: claims.claim_target(target.pk, holder=WORKER))
    assert len(questions) <= 12, "\n".join(questions)


def test_from_the_claim_to_the_first_line_little_is_asked() -> None:
    claim = claimed(only_target(deployed(make_world())))

    def begin() -> None:
        target_brief(claim.id, claim.fence)
        recorder_of(claim)

    questions = asked(begin)
    assert len(questions) <= 9, "\n".join(questions)


def test_a_step_and_its_line_are_three_questions() -> None:
    claim = claimed(only_target(deployed(make_world())))
    recorder = recorder_of(claim)
    recorder.record(StepStarted("connect"))
    recorder.record(Line("here"))
    questions = asked(recorder.flush)
    assert len(questions) == 3, "\n".join(questions)
    assert Step.objects.get().key == "connect"
    assert LogChunk.objects.count() == 1


def test_steps_that_began_and_ended_meanwhile_are_one_question() -> None:
    recorder = recorder_of(claimed(only_target(deployed(make_world()))))
    recorder.record(StepStarted("connect"))
    recorder.flush()
    for event in (
        StepEnded("connect", "good", "there"),
        StepStarted("preflight"),
        StepEnded("preflight", "good", "well"),
        StepStarted("pull"),
        Progress("pull", 1, 2, "layers"),
        StepEnded("pull", "bad", "no such image"),
        StepStarted("restore"),
    ):
        recorder.record(event)
    questions = asked(recorder.flush)
    assert len(questions) <= 5, "\n".join(questions)
    assert list(Step.objects.order_by("pk").values_list("key", "status", "message", "done")) == [
        ("connect", "good", "there", 0),
        ("preflight", "good", "well", 0),
        ("pull", "bad", "no such image", 1),
        ("restore", "running", "", 0),
    ]


def test_an_end_asks_little_and_less_while_it_holds_the_audit_trail() -> None:
    world = make_world()
    succeed(world)  # what is counted has its rows from here on
    claim = claimed(only_target(deployed(world)))
    ended = {"verdict": "succeeded", "what": "It runs.", "serving_release": 1}
    questions = asked(lambda: endings.end_target(claim, ended, observed={}))
    assert len(questions) <= 18, "\n".join(questions)
    locks = [
        number
        for number, each in enumerate(questions)
        if each.startswith("SELECT") and '"deployments_audithead"' in each
    ]
    assert len(locks) == 1, "two entries, one lock"
    assert len(questions) - locks[0] <= 5, "\n".join(questions[locks[0] :])


def test_a_batch_whose_commit_got_no_answer_is_written_once() -> None:
    """Its steps, too: the second time they are asked for."""
    claim = claimed(only_target(deployed(make_world())))
    recorder = recorder_of(claim)
    for event in (StepStarted("connect"), Line("here"), StepEnded("connect", "good", "done"), Mutated()):
        with recorder._buffer_lock:
            recorder._take(event)
    batch = recorder._buffer.take()
    assert batch is not None
    record_store.write(claim.id, claim.fence, batch)
    record_store.write(claim.id, claim.fence, batch)
    assert Step.objects.count() == 1
    assert LogChunk.objects.count() == 1
