"""Long downloads: whole, in order, and without holding a connection while the browser takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection

from dashboard.downloads import streamed_text
from deployments import audit, audit_export
from deployments.actors import Actor
from deployments.models import AuditEntry
from deployments.queries import log
from tests.dashboard.story import Story, tell, write_lines


@pytest.fixture
def story(db: None) -> Story:
    """Ana and her shop."""
    return tell()


def test_a_log_of_many_pages_is_whole(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "CHUNKS_AT_ONCE", 2)
    targets = list(story.running.targets.order_by("pk"))
    for _number in range(5):
        for target in targets:
            write_lines(target, 3, publish=False)
    text = "".join(log.as_text(targets)).splitlines()
    assert [line.rpartition("line ")[2] for line in text] == [
        f"{number} of {target.pk} ·" for target in targets for number in range(1, 16)
    ]


def test_a_trail_of_many_pages_is_whole(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "PAGE", 2)
    for number in range(5):
        audit.record(Actor.of(story.ana), "host.check", ("host", number, f"web-{number}"))
    rows = list(audit.csv_rows(AuditEntry.objects.filter(action="host.check")))
    assert [row.split(",")[8] for row in rows[1:]] == ["web-4", "web-3", "web-2", "web-1", "web-0"]


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_between_pieces() -> None:
    def pieces() -> Iterator[str]:
        for _number in range(3):
            yield str(AuditEntry.objects.count())

    async def take() -> list[bool]:
        answer = streamed_text(pieces(), content_type="text/plain", file_name="some.txt")
        assert isinstance(answer.streaming_content, AsyncIterator)
        # asked in the thread that reads: connections are each thread's own
        is_free = sync_to_async(lambda: connection.connection is None, thread_sensitive=True)
        return [await is_free() async for _piece in answer]

    assert async_to_sync(take)() == [True, True, True]
