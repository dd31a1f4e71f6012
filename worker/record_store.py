"""What the recorder writes: one transaction a batch, each guarded by fence and lease, so that a stale holder writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from deployments.live import LogLine, encode_lines
from deployments.models import LogChunk, Step, Target
from deployments.states import TargetStatus
from worker.engine.errors import LeaseLost


@dataclass(frozen=True, slots=True)
class StepOpened:
    """A step began; `first_line` is the number its first line will have."""

    key: str
    at: datetime
    first_line: int


@dataclass(frozen=True, slots=True)
class StepMoved:
    """How far it is."""

    key: str
    done: int
    total: int
    label: str

    @property
    def columns(self) -> dict[str, Any]:
        """What of its row changes."""
        return {"done": self.done, "total": self.total, "label": self.label}


@dataclass(frozen=True, slots=True)
class StepClosed:
    """It is over."""

    key: str
    at: datetime
    status: str
    message: str

    @property
    def columns(self) -> dict[str, Any]:
        """What of its row changes."""
        return {"status": self.status, "ended_at": self.at, "message": self.message}


StepChange = StepOpened | StepMoved | StepClosed


@dataclass(slots=True)
class Batch:
    """What is to be written next. `first` is the number of the first line, whether or not there is one."""

    first: int
    lines: list[LogLine] = field(default_factory=list)
    steps: list[StepChange] = field(default_factory=list)
    size: int = 0
    touched: bool = False
    gap: float | None = None  # seconds without service in all, by this attempt and those before
    heard: dict[str, int] = field(default_factory=dict)  # how many of its lines each container has on record then
    cut_at: int | None = None
    since: float = 0.0  # when the first line came, by `time.monotonic`

    @property
    def last(self) -> int:
        """The number of the last line written once this batch is."""
        return self.first + len(self.lines) - 1

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return not (self.lines or self.steps or self.touched or self.cut_at or self.gap is not None)


def write(target_id: int, fence: int, batch: Batch) -> str:
    """Write it all or nothing; the encoded lines. `LeaseLost` when this worker is no longer the holder.

    May be repeated after a connection broke during the commit: what is there already is not written again.
    """
    lines = encode_lines(batch.lines)
    with transaction.atomic():
        written = _guard(target_id, fence, batch)
        if not written:  # else that commit had the steps, too
            _write_steps(target_id, fence, batch.steps, may_be_there=not batch.lines)
        if batch.lines and not written:
            LogChunk.objects.create(
                target_id=target_id, first_line=batch.first, last_line=batch.last, fence=fence, lines=lines
            )
    return lines


def lines_heard(target_id: int, heard: dict[str, Any] | None) -> dict[str, int]:
    """How many of its first lines each container has on record, as its Target says. Nothing is known where a worker of an
    earlier version has written there since: it doesn't count them.
    """
    if heard is None or LogChunk.objects.filter(target=target_id, fence__gt=heard["fence"]).exists():
        return {}
    return dict(heard["lines"])


def _guard(target_id: int, fence: int, batch: Batch) -> bool:
    """Move the Target's counters while we hold it. True when these lines were written by a commit whose answer was lost."""
    held = Target.objects.filter(pk=target_id, fence=fence, status=TargetStatus.RUNNING, lease_until__gt=Now())
    changes: dict[str, Any] = {"last_line": batch.last}
    if batch.lines:
        changes["heard"] = {"fence": fence, "lines": batch.heard}
    if batch.touched:
        changes["touched"] = True
    if batch.gap is not None:
        changes["gap_seconds"] = batch.gap
    if batch.cut_at is not None:
        changes["log_cut_at"] = batch.cut_at
    if held.filter(last_line=batch.first - 1).update(**changes, log_bytes=F("log_bytes") + batch.size):
        return False
    if not (batch.lines and held.filter(last_line=batch.last).update(**changes)):
        raise LeaseLost(f"Target {target_id} is no longer held with fence {fence}.")
    return True


def _write_steps(target_id: int, fence: int, changes: Sequence[StepChange], *, may_be_there: bool) -> None:
    """One statement for all that began, and one for each of an earlier batch that went on: a busy worker's time goes into them.

    A key comes back where a step is done again: its changes belong to the last one that began, and only until that has ended.
    `may_be_there`: without lines nothing else tells whether an earlier try of this very batch was stored.
    """
    mine = Step.objects.filter(target_id=target_id, fence=fence)
    begun: list[Step] = []
    went_on: dict[str, dict[str, Any]] = {}
    for change in changes:
        if isinstance(change, StepOpened):
            begun.append(
                Step(
                    target_id=target_id,
                    fence=fence,
                    key=change.key,
                    started_at=change.at,
                    first_line=change.first_line,
                )
            )
        elif step := next((each for each in reversed(begun) if each.key == change.key), None):
            if step.status == Step.Status.RUNNING:
                vars(step).update(change.columns)
        elif "status" not in (columns := went_on.setdefault(change.key, {})):
            columns.update(change.columns)
    if may_be_there and begun and mine.filter(key=begun[0].key, started_at=begun[0].started_at).exists():
        return
    for key, columns in went_on.items():  # before one of the same key begins again
        mine.filter(key=key, status=Step.Status.RUNNING).update(**columns)
    if begun:
        Step.objects.bulk_create(begun)


def break_off_earlier(target_id: int, fence: int, at: datetime) -> None:
    """Close what an earlier holder left open: its worker went away."""
    Step.objects.filter(target_id=target_id, fence__lt=fence, status=Step.Status.RUNNING).update(
        status=Step.Status.BROKEN_OFF, ended_at=at
    )
