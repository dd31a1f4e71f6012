"""Registries: adding, changing and testing them, choosing a tag, and what nobody may see of a password."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments import registry_sightings
from deployments.models import AuditEntry, Operation, Placement, Registry
from deployments.states import OperationStatus, RegistryState
from tests.dashboard.story import Story, tell

TOKEN = "a-token-nobody-may-read"
CANARY = "'\"><script>alert(1)</script>{{ 7|add:7 }}$(touch /tmp/estiva-canary)`id`"


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def typed(story: Story, **changes: Any) -> dict[str, Any]:
    """What an admin types."""
    values = {
        "kind": "plain",
        "host": "registry.test",
        "namespace": "",
        "username": "ci",
        "password": TOKEN,
        "ca": "",
        "test_host": story.host.pk,
        "test_image": "shop:1",
    }
    return {**values, **changes}


def added(client: Client, story: Story, **changes: Any) -> Registry:
    """Add one."""
    answer = client.post("/registries/new", typed(story, **changes))
    assert answer.status_code == 302, answer.content.decode()
    return Registry.objects.latest("pk")


def test_a_registry_is_added_tested_and_shown_without_its_password(as_ana: Client, story: Story) -> None:
    assert "Only public images so far" in as_ana.get("/registries/").content.decode()
    row = added(as_ana, story)
    operation = row.operations.get()
    path = f"/registries/{row.pk}/"
    text = as_ana.get(path).content.decode()
    assert f'data-live="operation:{operation.pk}"' in text
    assert "Being tested" in text
    Operation.objects.filter(pk=operation.pk).update(status=OperationStatus.FAILED, ended_at=timezone.now())
    registry_sightings.seen(row.pk, 1, RegistryState.REFUSED, "It did not accept ci.", "Set it again.", through="web-1")
    pages = [as_ana.get(each).content.decode() for each in (path, f"{path}edit", "/registries/")]
    assert "It did not accept ci." in pages[0]
    assert "Set it again." in pages[0]
    assert "storefront" in pages[0]
    assert "Leave this empty to keep it" in pages[1]
    assert "Access refused" in pages[2]
    assert "2 places" in pages[2]
    assert not any(TOKEN in each for each in pages)


def test_another_host_needs_the_password_again(as_ana: Client, story: Story) -> None:
    row = added(as_ana, story)
    path = f"/registries/{row.pk}/edit"
    assert "Estiva forgets the password" in as_ana.get(path).content.decode()
    assert as_ana.post(path, typed(story, password="", namespace="team", test_image="")).status_code == 302
    moved = as_ana.post(path, typed(story, password="", host="elsewhere.test"))
    assert moved.status_code == 422
    assert "Paste the password" in str(moved.context["form"].errors["password"])
    refused = as_ana.post(path, typed(story, username="", password=TOKEN))
    assert TOKEN not in refused.content.decode()
    row.refresh_from_db()
    assert (row.host, row.namespace) == ("registry.test", "team")


def test_testing_again_and_removing(as_ana: Client, story: Story) -> None:
    row = added(as_ana, story)
    as_ana.post(f"/registries/{row.pk}/test")
    assert row.operations.count() == 2
    untested = added(as_ana, story, host="other.test", test_host="", test_image="")
    answer = as_ana.post(f"/registries/{untested.pk}/test", follow=True)
    assert "No server is chosen" in answer.content.decode()
    assert as_ana.post(f"/registries/{row.pk}/remove").status_code == 302
    assert as_ana.get(f"/registries/{row.pk}/").status_code == 404
    assert AuditEntry.objects.filter(action="registry.remove", object_name="registry.test").exists()


def test_who_deploys_sees_them_and_changes_nothing(as_ana: Client, story: Story) -> None:
    row = added(as_ana, story)
    client = Client()
    client.force_login(story.bruno)
    text = client.get(f"/registries/{row.pk}/").content.decode()
    assert "registry.test" in text
    assert "Change" not in text.partition('id="content"')[2]
    assert "data-live" not in text.partition('id="registry"')[2].partition(">")[0]
    assert "production" not in text  # what isn't Bruno's


FIELDS = ("host", "namespace", "username", "password", "ca", "test_image", "kind", "test_host")


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_typed_is_executed_or_shown_raw(as_ana: Client, story: Story, field: str) -> None:
    answer = as_ana.post("/registries/new", typed(story, **{field: CANARY}))
    text = answer.content.decode()
    assert "<script>alert(1)" not in text
    if answer.status_code == 302:
        text = as_ana.get(answer["Location"]).content.decode() + as_ana.get("/registries/").content.decode()
        assert field in {"username", "password"}
        assert "<script>alert(1)" not in text


def look_of(story: Story, **result: Any) -> Operation:
    """A look at an image's tags that has ended."""
    now = timezone.now()
    return Operation.objects.create(
        kind=Operation.Kind.TAGS,
        placement=story.staging,
        status=OperationStatus.SUCCEEDED,
        request={"image": "registry.test/shop"},
        result=result,
        requested_at=now,
        ended_at=now,
        deadline_at=now,
    )


def tag(name: str, **changes: Any) -> dict[str, Any]:
    """As the worker writes it."""
    known = {"digest": "sha256:" + "ab" * 32, "created": "2026-03-02T00:00:00+00:00", "size": 38_200_000}
    return {"tag": name, **known, "platforms": ["linux/amd64", "linux/arm64"], **changes}


TAGS = "/applications/storefront/staging/tags"


def test_tags_are_asked_for_and_lead_back_to_the_settings(as_ana: Client, story: Story) -> None:
    page = as_ana.get("/applications/storefront/staging/settings").content.decode()
    assert f'href="{TAGS}" data-choose-tag' in page
    assert "List its tags" in as_ana.get(TAGS).content.decode()
    answer = as_ana.post(TAGS, {"image": "registry.test/shop:1"})
    operation = Operation.objects.get(kind=Operation.Kind.TAGS)
    assert answer["Location"] == f"{TAGS}?look={operation.pk}"
    assert f'data-live="operation:{operation.pk}"' in as_ana.get(answer["Location"]).content.decode()
    part = as_ana.post(TAGS, {"image": "registry.test/shop:1"}, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="tags"')
    assert as_ana.post(TAGS, {"image": "a b"}, headers={"HX-Request": "true"}).status_code == 422

    look = look_of(story, tags=[tag("2.4.1"), tag("2.4.0", created="")], names=["old"], total=900, complete=False)
    text = as_ana.get(f"{TAGS}?look={look.pk}").content.decode()
    for words in ("2.4.1", "38.2 MB", "linux/amd64, linux/arm64", "sha256:ababab…abab", "900 tags", "897 more"):
        assert words in text
    assert 'href="/applications/storefront/staging/settings?image=registry.test%2Fshop%3A2.4.1"' in text
    chosen = as_ana.get("/applications/storefront/staging/settings?image=registry.test%2Fshop%3A2.4.1")
    assert 'value="registry.test/shop:2.4.1"' in chosen.content.decode()


def test_why_there_are_no_tags(as_ana: Client, story: Story) -> None:
    look = look_of(story, what="The worker does not reach registry.test.", why="-", remedy="Type the tag.")
    Operation.objects.filter(pk=look.pk).update(status=OperationStatus.FAILED)
    text = as_ana.get(f"{TAGS}?look={look.pk}").content.decode()
    assert "The worker does not reach registry.test." in text
    assert "Type the tag." in text
    foreign = as_ana.get(f"/applications/storefront/production/tags?look={look.pk}").content.decode()
    assert "does not reach" not in foreign
    empty = look_of(story, tags=[], names=[], total=0)
    assert "has no tags" in as_ana.get(f"{TAGS}?look={empty.pk}").content.decode()


def test_hostile_tags_are_only_text(as_ana: Client, story: Story) -> None:
    look = look_of(story, tags=[tag(CANARY, platforms=[CANARY], created=CANARY)], names=[CANARY], total=2)
    assert "<script>alert" not in as_ana.get(f"{TAGS}?look={look.pk}").content.decode()


def test_the_list_costs_the_same_for_many(as_ana: Client, story: Story) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            as_ana.get("/registries/")
        return len(queries)

    added(as_ana, story)
    cost()  # which takes what is said of the adding with it
    one = cost()
    for number in range(5):
        Registry.objects.create(kind="plain", host=f"r{number}.test")
    assert Placement.objects.count() == 2
    assert cost() == one
