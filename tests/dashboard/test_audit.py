"""The audit page: filters in the URL, pages by key, the chain's state, and the whole trail as a file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client

from dashboard.views.audit import pieces
from deployments import audit
from deployments.actors import ESTIVA, Actor, unknown
from deployments.models import AuditEntry
from deployments.queries import trail
from tests.dashboard.story import Story, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop, with some history."""
    made = tell()
    ana, bruno = Actor.of(made.ana, "192.0.2.1"), Actor.of(made.bruno, "192.0.2.2")
    audit.record(ana, "host.register", made.host, after={"address": "192.0.2.7", "port": 22})
    audit.record(ana, "variable.set", made.staging, before={"GREETING": "hello"}, after={"GREETING": "good <morning>"})
    audit.record(bruno, "deployment.request", made.running, message="for the cart")
    audit.denied(bruno, "access.refused", made.foreign, "looked at /deployments/2/")
    audit.denied(unknown("eve@example.com", "203.0.113.9"), "session.begin", ("user", "", "eve@example.com"), "wrong")
    audit.record(ESTIVA, "host.check", made.host, outcome="failed")
    return made


@pytest.fixture
def carla(story: Story) -> Client:
    """The auditor's browser."""
    client = Client()
    client.force_login(story.carla)
    return client


def actions(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/audit/{query}").content.decode()
    return re.findall(r'<a class="mono faint" href="[^"]*">([\w.]+)</a>', page)


def test_newest_first(carla: Client) -> None:
    assert actions(carla) == [
        *("host.check", "session.begin", "access.refused", "deployment.request", "variable.set", "host.register")
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?person={0.ana.pk}", ["variable.set", "host.register"]),
        ("?person=estiva", ["host.check"]),
        ("?person=strangers", ["session.begin"]),
        ("?action=host", ["host.check", "host.register"]),
        ("?action=host.check", ["host.check"]),
        ("?object_kind=host", ["host.check", "host.register"]),
        ("?object_name=web-1", ["host.check", "host.register"]),
        ("?outcome=denied", ["session.begin", "access.refused"]),
        ("?outcome=denied&person={0.bruno.pk}", ["access.refused"]),
        ("?since=2100-01-01T00:00", []),
        ("?until=2001-01-01T00:00", []),
    ],
)
def test_filters(carla: Client, story: Story, query: str, found: list[str]) -> None:
    assert actions(carla, query.format(story)) == found


def test_a_filter_that_makes_no_sense_says_so(carla: Client) -> None:
    page = carla.get("/audit/?since=yesterday").content.decode()
    assert "Enter a valid date/time" in page
    assert "host.register" in page


def test_before_and_after_are_shown_and_escaped(carla: Client) -> None:
    page = carla.get("/audit/?action=variable").content.decode()
    assert "hello" in page
    assert "good &lt;morning&gt;" in page
    assert "for the cart" not in page


def test_pages_by_key(carla: Client, story: Story) -> None:
    for number in range(120):
        audit.record(ESTIVA, "host.check", story.host, message=f"look {number}")
    seen: list[str] = []
    query = "?action=host.check"
    while query:
        page = carla.get(f"/audit/{query}").content.decode()
        seen += re.findall(r"look (\d+)<", page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        query = older[1].replace("&amp;", "&") if older else ""
    assert seen == [str(number) for number in reversed(range(120))]
    newest_of_second = carla.get("/audit/?action=host.check&after=60").content.decode()
    assert 'rel="prev"' in newest_of_second


def test_the_page_costs_the_same_for_many(carla: Client, story: Story, django_assert_max_num_queries: Any) -> None:
    for number in range(60):
        audit.record(ESTIVA, "host.check", story.host, message=f"look {number}")
    with django_assert_max_num_queries(8):
        carla.get("/audit/")


def test_the_signed_head_is_shown(carla: Client) -> None:
    assert str(audit.signed_head()) in carla.get("/audit/").content.decode()


def test_verifying_finds_the_chain_whole_or_not(carla: Client) -> None:
    assert "Nothing was changed." in carla.post("/audit/").content.decode()
    AuditEntry.objects.filter(action="variable.set").update(actor_name="Nobody")
    page = carla.post("/audit/").content.decode()
    assert "was changed after it was written" in page
    assert "Nothing was changed." not in page


def export(story: Story, path: str) -> str:
    """What the streamed answer holds, read as the web server reads it."""

    async def read() -> str:
        client = AsyncClient()
        await client.aforce_login(story.carla)
        answer = cast("StreamingHttpResponse", await client.get(path))
        assert answer.status_code == 200
        assert "attachment" in answer.headers["Content-Disposition"]
        pieces = cast("AsyncIterator[bytes]", answer.streaming_content)
        text = b"".join([piece async for piece in pieces]).decode()
        await sync_to_async(connections.close_all)()  # the one of the thread that read
        return text

    return asyncio.run(read())


@pytest.mark.django_db(transaction=True)
def test_the_whole_trail_as_csv(story: Story) -> None:
    rows = list(csv.DictReader(io.StringIO(export(story, "/audit/export.csv"))))
    assert [row["action"] for row in rows][:2] == ["audit.export", "host.check"]
    assert len(rows) == 7


@pytest.mark.django_db(transaction=True)
def test_what_the_filters_show_as_ndjson(story: Story) -> None:
    rows = [json.loads(line) for line in export(story, "/audit/export.ndjson?action=variable").splitlines()]
    assert [row["action"] for row in rows] == ["variable.set"]
    assert rows[0]["after"] == {"GREETING": "good <morning>"}
    entry = AuditEntry.objects.get(action="audit.export")
    assert entry.after == {"filters": {"action": "variable"}}
    assert entry.actor_id == story.carla.pk


def test_rows_travel_in_pieces_of_many() -> None:
    assert [piece.count("row") for piece in pieces(iter(["row\n"] * 450))] == [200, 200, 50]


def test_a_search_by_name_reads_a_part_of_the_trail_and_says_so(
    carla: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "LOOKED", 4)
    newest = AuditEntry.objects.count()
    first = carla.get("/audit/?object_name=web-1").content.decode()
    assert f"That is all among the entries {newest - 3} to {newest}" in first
    assert actions(carla, "?object_name=web-1") == ["host.check"]
    assert f"before={newest - 3}" in first, "the rest is a click away"
    assert actions(carla, f"?object_name=web-1&before={newest - 3}") == ["host.register"]
    nothing = carla.get("/audit/?object_name=no-such").content.decode()
    assert f"None of the entries {newest - 3} to {newest} fits" in nothing
    assert f"before={newest - 3}" in nothing
    everything = carla.get("/audit/").content.decode()
    assert "reads that many" not in everything, "what an index leads to is looked at whole"


def test_going_back_to_newer_ones_reads_no_more_either(
    carla: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "LOOKED", 2)
    wanted, newest = trail.TrailFilter(object_name="web-1"), AuditEntry.objects.count()
    seen, after = [], 0
    for _part in range(newest):
        page = trail.page(wanted, after=after)
        seen += [entry.action for entry in page.entries]
        if page.newer is None:
            break
        after = page.newer
    assert seen == ["host.register", "host.check"]


def test_a_number_finds_that_one_however_old_it_is(
    carla: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "LOOKED", 1)
    assert actions(carla, f"?object_name=%23{story.running.pk}&object_kind=deployment") == ["deployment.request"]
