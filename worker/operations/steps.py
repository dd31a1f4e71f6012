"""An Operation's steps, rewritten whole under the fence while it runs, so that the wizard's page shows them live."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection
from django.db.models.functions import Now

from deployments.models import Operation
from deployments.states import OperationStatus
from worker.brief import CannotBrief
from worker.engine.errors import HostError, HostLost, LeaseLost
from worker.keeper import Held
from worker.live_tail import LiveTail
from worker.logs import open_secrets

UNASKED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an Operation ends."""

    status: OperationStatus
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Step:
    """One step, as `Operation.steps` documents it. `finish` may say more than "it worked"."""

    key: str
    title: str
    status: str = "waiting"
    message: str = ""
    remedy: str = ""
    seconds: float | None = None

    def finish(self, message: str, *, status: str = "good", remedy: str = "") -> None:
        """What came out: good, warn or bad. What is secret now is masked: servers and registries may repeat what they were told."""
        self.status, self.message, self.remedy = status, open_secrets.mask(message), open_secrets.mask(remedy)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "key": self.key,
            "status": self.status,
            "title": self.title,
            "message": self.message,
            "remedy": self.remedy,
            "seconds": self.seconds,
        }


class Looking:
    """One Operation at work."""

    def __init__(self, operation: Operation, held: Held, tail: LiveTail) -> None:
        self.operation, self.signals = operation, held.signals
        self._claim, self._tail = held.claim, tail
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        # each server is looked at every minute without anybody asking: who happens to watch sees those steps by the second
        self._pause = 0.0 if operation.requested_by_name else UNASKED_SECONDS
        self._written_at, self._behind = time.monotonic(), False

    def plan_steps(self, titles: Sequence[tuple[str, str]]) -> None:
        """Show at once what will be done: (key, title) each."""
        with self._lock:
            self._steps = [Step(key, title) for key, title in titles]
        self.write()

    def add_steps(self, titles: Sequence[tuple[str, str]]) -> None:
        """More, behind those that are planned."""
        with self._lock:
            self._steps += [Step(key, title) for key, title in titles]
        self.write()

    def open(self, key: str) -> Step:
        """Show a step as running; whoever opens it finishes it and writes."""
        step = next(each for each in self._steps if each.key == key)
        step.status = "running"
        self.write()
        return step

    def fail_open(self, message: str, remedy: str = "") -> None:
        """Close the steps that still run: what they were about was refused."""
        for step in self._steps:
            if step.status == "running":
                step.finish(message, status="bad", remedy=remedy)
        self.write()

    @contextmanager
    def step(self, key: str) -> Iterator[Step]:
        """Do one step: running meanwhile, good at the end unless it was finished otherwise, bad when it fails."""
        step, began = self.open(key), time.monotonic()
        try:
            yield step
            if step.status == "running":
                step.status = "good"
        except (HostLost, HostError) as error:
            step.finish(f"{error.message} {error.why}".strip(), status="bad", remedy=error.remedy)
            raise
        except CannotBrief as error:
            step.finish(error.message, status="bad", remedy=error.remedy)
            raise
        finally:
            step.seconds = round(time.monotonic() - began, 3)
            self.write()

    def write(self) -> None:
        """Store all steps, now or with the next; `LeaseLost` when this Operation is no longer ours."""
        self._behind = True
        if time.monotonic() - self._written_at >= self._pause:
            self.settle()

    def settle(self) -> None:
        """Store what isn't yet: whoever ends the Operation does this first."""
        if not self._behind:
            return
        self._written_at, self._behind = time.monotonic(), False
        with self._lock:
            steps = [each.as_json() for each in self._steps]
        held = Operation.objects.filter(
            pk=self._claim.id, fence=self._claim.fence, status=OperationStatus.RUNNING, lease_until__gt=Now()
        )
        if not held.update(steps=steps):
            raise LeaseLost(f"Operation {self._claim.id} is no longer held with fence {self._claim.fence}.")
        connection.close()  # a look may take long, and connections are fewer than threads
        self._tail.changed("operation", self._claim.id, self.operation.placement_id)
