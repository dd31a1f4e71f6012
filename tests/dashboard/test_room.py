"""The server room's page: what is there, for whom, and when it is looked at anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deployments.models import Host, Operation, Placement
from deployments.states import HostState, OperationStatus
from tests.dashboard.story import Story, tell

PAGE = "/servers/web-1/room/"


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def container(named: str, placement: Placement | None = None, **more: Any) -> dict[str, Any]:
    """A container as `worker.room.reading` describes it."""
    return {
        "id": named.encode().hex().ljust(64, "0")[:64],
        "name": named,
        "image": "registry.test/shop:1",
        "image_id": "sha256:1",
        "state": "running",
        "status": "Up 3 hours",
        "health": "healthy",
        "ports": ["8080 → 80"],
        "networks": ["bridge"],
        "created": 1_700_000_000,
        "ours": placement is not None,
        "placement": placement.pk if placement else None,
        "release": "1" if placement else "",
        "service": "",
        **more,
    }


def seen(host: Host, *containers: dict[str, Any], **more: Any) -> Operation:
    """A look that has ended well."""
    now = timezone.now()
    image = {
        "id": "sha256:1",
        "name": "shop:1",
        "tags": ["shop:1"],
        "digests": [],
        "size": 70_000_000,
        "shared": 10_000_000,
        "created": 1_700_000_000,
        "used_by": ["web"],
        "ours": False,
    }
    volume = {"name": "pgdata", "driver": "local", "created": "", "size": 9_000_000, "used_by": [], "ours": False}
    network = {"name": "bridge", "driver": "bridge", "scope": "local", "subnets": [], "predefined": True, "used_by": []}
    found = {
        "containers": list(containers),
        "images": [image],
        "volumes": [volume],
        "networks": [{**network, "ours": False}],
        "disk": {"images": 70_000_000, "containers": 0, "volumes": 9_000_000, "cache": 0},
        "left_out": {},
        **more,
    }
    return Operation.objects.create(
        kind=Operation.Kind.ROOM,
        host=host,
        status=OperationStatus.SUCCEEDED,
        result=found,
        requested_at=now,
        ended_at=now,
        deadline_at=now,
    )


def test_opening_the_page_asks_for_a_look(as_ana: Client, story: Story) -> None:
    page = as_ana.get(PAGE)
    assert page.status_code == 200
    look = Operation.objects.get(kind="room")
    assert (look.host, look.requested_by_name, look.status) == (story.host, "Ana Prado", "queued")
    as_ana.get(PAGE)
    as_ana.get(f"{PAGE}?fragment=room")
    assert Operation.objects.filter(kind="room").count() == 1


def test_a_fresh_look_is_enough_and_an_old_one_is_not(as_ana: Client, story: Story) -> None:
    look = seen(story.host)
    as_ana.get(PAGE)
    assert Operation.objects.filter(kind="room").count() == 1
    Operation.objects.filter(pk=look.pk).update(requested_at=timezone.now() - timedelta(minutes=5))
    as_ana.get(PAGE)
    assert Operation.objects.filter(kind="room").count() == 2


def test_looks_do_not_pile_up(as_ana: Client, story: Story) -> None:
    for _ in range(3):
        newest = seen(story.host)
    as_ana.post(f"{PAGE}look")
    assert set(Operation.objects.filter(kind="room", status="succeeded")) == {newest}
    as_ana.post(f"{PAGE}look")
    assert Operation.objects.filter(kind="room", status="queued").count() == 1


def test_a_server_that_is_not_trusted_is_not_looked_at(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(state=HostState.KEY_CHANGED)
    assert "Nothing is sent to this server now" in as_ana.get(PAGE).content.decode()
    assert as_ana.post(f"{PAGE}look").status_code == 302
    assert not Operation.objects.filter(kind="room").exists()


def test_ours_and_others_stand_apart(as_ana: Client, story: Story) -> None:
    seen(story.host, container("storefront-staging-r1.f1", story.staging), container("somebodys-database"))
    page = as_ana.get(PAGE).context["page"]
    assert [each["name"] for each in page.ours] == ["storefront-staging-r1.f1"]
    assert [each["name"] for each in page.others] == ["somebodys-database"]
    text = as_ana.get(PAGE).content.decode()
    assert "storefront · staging" in text
    assert "pgdata" in text
    assert "shown, never touched" in text


def test_a_deployer_sees_the_containers_of_their_own_placements_alone(client: Client, story: Story) -> None:
    seen(
        story.host,
        container("storefront-staging-r1.f1", story.staging),
        container("storefront-production-r9.f1", story.production),
        container("somebodys-database"),
    )
    client.force_login(story.bruno)
    text = client.get(PAGE).content.decode()
    assert "storefront-staging-r1.f1" in text
    for hidden in ("storefront-production-r9", "somebodys-database", "pgdata", "70.0 MB"):
        assert hidden not in text
    assert client.get("/servers/web-3/room/").status_code == 404


def test_a_look_that_failed_says_why_above_what_was_seen_before(as_ana: Client, story: Story) -> None:
    good = seen(story.host, container("storefront-staging-r1.f1", story.staging))
    bad = seen(story.host)
    bad.status, bad.result = OperationStatus.FAILED, {"what": "It does not answer.", "why": "", "remedy": "Wait."}
    bad.save()
    page = as_ana.get(PAGE)
    assert page.context["page"].seen == good
    for words in ("It does not answer.", "Wait.", "storefront-staging-r1.f1"):
        assert words in page.content.decode()


def test_names_from_the_server_are_text(as_ana: Client, story: Story) -> None:
    seen(story.host, container("x", None, name="<script>alert(1)</script>", image="<b>", status="<i>"))
    text = as_ana.get(PAGE).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
