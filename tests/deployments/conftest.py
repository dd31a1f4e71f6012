"""The domain's tests need no broker: what would be sent is written down instead."""

from dataclasses import dataclass, field

import pytest

from deployments import queue


@dataclass
class Sent:
    """Hints as (task, object id) and wake entries, in the order they were sent."""

    hints: list[tuple[str, int]] = field(default_factory=list)
    entries: list[dict[str, str]] = field(default_factory=list)

    def targets(self) -> list[int]:
        """The Targets that were hinted."""
        return [object_id for task, object_id in self.hints if task == queue.RUN_TARGET]

    def changed(self, noun: str) -> list[int]:
        """The rows of that noun that were announced."""
        return [int(entry["id"]) for entry in self.entries if entry.get("noun") == noun]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Everything that was sent on commit."""
    record = Sent()

    def send(task: str, queue_name: str, object_id: int) -> bool:
        record.hints.append((task, object_id))
        return True

    def publish(entry: dict[str, str]) -> bool:
        record.entries.append(entry)
        return True

    monkeypatch.setattr(queue, "send", send)
    monkeypatch.setattr(queue, "publish", publish)
    return record
