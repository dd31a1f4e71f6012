"""The worker's tests need no broker: what would be sent is written down instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from deployments import queue

if TYPE_CHECKING:
    from worker.keeper import Keeper


@dataclass
class Sent:
    """Hints as (task, object id) and wake entries, in the order they were sent; `away` makes the broker unreachable."""

    hints: list[tuple[str, int]] = field(default_factory=list)
    entries: list[dict[str, str]] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    away: bool = False

    def targets(self) -> list[int]:
        """The Targets that were hinted."""
        return [object_id for task, object_id in self.hints if task == queue.RUN_TARGET]

    def of_kind(self, kind: str) -> list[dict[str, str]]:
        """The wake entries of that kind."""
        return [entry for entry in self.entries if entry["kind"] == kind]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Everything that was sent."""
    record = Sent()

    def send(task: str, _name: str, object_id: int) -> bool:
        if not record.away:
            record.hints.append((task, object_id))
        return not record.away

    def publish(entry: dict[str, str]) -> bool:
        if not record.away:
            record.entries.append(entry)
        return not record.away

    monkeypatch.setattr(queue, "send", send)
    monkeypatch.setattr(queue, "publish", publish)
    monkeypatch.setattr(queue, "length", lambda name: None if record.away else record.held.get(name, 0))
    return record


@pytest.fixture
def keeper(transactional_db: None, django_db_serialized_rollback: None, sent: Sent) -> Iterator[Keeper]:
    """A worker process's keeper, at work and in a hurry."""
    from worker.keeper import Keeper  # models can be imported only once Django is set up

    found = Keeper("deploy@test", "deploy", 4, beat_seconds=0.05, look_seconds=0.05)
    found.start()
    yield found
    found.begin_stop()
    found.join()
