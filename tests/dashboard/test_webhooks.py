"""The pages of a placement's hooks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deployments.actors import Actor
from deployments.field_key import reveal
from deployments.inventory import webhooks as inventory
from deployments.models import Environment, Grant, Placement, Repository, User, Webhook, WebhookDelivery
from tests import factories as make

pytestmark = pytest.mark.django_db

PATH = "/applications/storefront/staging/hooks"
URL = "https://git.example.com/harbour/storefront.git"
FIELDS = {"name": "Forge", "branches": "main\r\n release/* \r\n\r\n", "tags": "", "include": "", "exclude": "docs/"}


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


@pytest.fixture
def placement() -> Placement:
    row = make.placement(make.application("storefront"), source=Placement.Source.GIT, build={"ref": "trunk"})
    Repository.objects.create(application=row.application, url=URL)
    return row


@pytest.fixture
def hook(placement: Placement, ana: User) -> Webhook:
    return inventory.create_webhook(
        actor=Actor.of(ana), placement=placement, kind="gitea", name="Forge", rules={"branches": ["main"]}
    )[0]


def delivery(hook: Webhook, number: str, **fields: Any) -> WebhookDelivery:
    values = {"received_at": timezone.now(), "verdict": "ignored", "reason": "The branch spike was pushed.", **fields}
    return WebhookDelivery.objects.create(webhook=hook, delivery_id=number, **values)


def test_a_placement_without_hooks_says_what_to_do(as_ana: Client, placement: Placement) -> None:
    text = as_ana.get(PATH).content.decode()
    assert "A push deploys nothing here" in text
    assert f'href="{PATH}/new"' in text


def test_a_new_hook_begins_with_what_is_built(as_ana: Client, placement: Placement) -> None:
    text = as_ana.get(f"{PATH}/new").content.decode()
    assert re.search(r'name="branches"[^>]*>\s*trunk</textarea>', text)
    assert "GitHub" in text
    assert "A registry" not in text


def test_a_hook_of_an_image_follows_tags_only(as_ana: Client, placement: Placement) -> None:
    Placement.objects.update(source="image", image="registry.example.com/storefront:2.4")
    text = as_ana.get(f"{PATH}/new").content.decode()
    assert re.search(r'name="tags"[^>]*>\s*2.4</textarea>', text)
    assert 'name="branches"' not in text
    assert "A registry" in text
    assert "GitHub" not in text


def test_making_one_shows_its_secret_once(as_ana: Client, placement: Placement) -> None:
    answer = as_ana.post(f"{PATH}/new", {"kind": "gitea", **FIELDS})
    hook = Webhook.objects.get()
    secret, text = reveal(hook.secret), answer.content.decode()
    assert hook.rules == {"branches": ["main", "release/*"], "tags": [], "include": [], "exclude": ["docs/"]}
    assert secret in text
    assert f"/hooks/{hook.public_id}" in text
    assert "no-store" in answer["Cache-Control"]
    for path in (PATH, f"{PATH}/{hook.pk}/", f"{PATH}/new", "/audit/"):
        assert secret not in as_ana.get(path).content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "Forge"}, "There is a hook of this name here already."),
        ({"branches": ""}, "Name a branch or a tag"),
        ({"exclude": "x" * 201}, "longer than 200"),
        ({"kind": "registry"}, "registry is not one of the available choices"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    as_ana: Client, hook: Webhook, changes: dict[str, str], words: str
) -> None:
    answer = as_ana.post(f"{PATH}/new", {"kind": "github", **FIELDS, "name": "Other", **changes})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Webhook.objects.count() == 1


def test_changing_what_it_follows(as_ana: Client, hook: Webhook) -> None:
    answer = as_ana.post(f"{PATH}/{hook.pk}/", FIELDS)
    assert answer.status_code == 302
    hook.refresh_from_db()
    assert hook.rules["branches"] == ["main", "release/*"]
    assert as_ana.post(f"{PATH}/{hook.pk}/", {**FIELDS, "branches": ""}).status_code == 422


def test_a_new_secret_replaces_the_old(as_ana: Client, hook: Webhook) -> None:
    old = reveal(hook.secret)
    text = as_ana.post(f"{PATH}/{hook.pk}/secret").content.decode()
    hook.refresh_from_db()
    assert reveal(hook.secret) in text
    assert old not in text
    assert "The one before it is refused" in text


def test_switching_off_and_on(as_ana: Client, hook: Webhook) -> None:
    text = as_ana.post(f"{PATH}/{hook.pk}/switch", {"on": "no"}, follow=True).content.decode()
    assert "This hook is off" in text
    as_ana.post(f"{PATH}/{hook.pk}/switch", {"on": "yes"})
    assert Webhook.objects.get().is_active


def test_deleting(as_ana: Client, hook: Webhook) -> None:
    delivery(hook, "1")
    assert as_ana.post(f"{PATH}/{hook.pk}/delete").status_code == 302
    assert not WebhookDelivery.objects.exists()


def test_the_list_of_deliveries(as_ana: Client, hook: Webhook) -> None:
    summary = {
        "ref": "spike",
        "ref_kind": "branch",
        "commit": "9c41e2" + "2" * 34,
        "message": "<b>Sort</b>",
        "pusher": "ana",
    }
    delivery(hook, "1", summary=summary, repeats=2)
    delivery(hook, "2", event="ping", reason="A ping.", verdict="refused")
    text = as_ana.get(f"{PATH}/{hook.pk}/").content.decode()
    for words in ("spike", "9c41e22", "&lt;b&gt;Sort&lt;/b&gt;", "+2", "A ping.", "Refused"):
        assert words in text


def test_strangers_are_told_of(as_ana: Client, hook: Webhook) -> None:
    Webhook.objects.update(
        strangers=3, stranger_at=timezone.now(), stranger_address="198.51.100.4", stranger_reason="No token."
    )
    assert "At least 3 calls were turned away" in as_ana.get(f"{PATH}/{hook.pk}/").content.decode()


def test_more_hooks_and_deliveries_cost_no_more_queries(
    as_ana: Client, hook: Webhook, ana: User, placement: Placement, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        more, _secret = inventory.create_webhook(
            actor=Actor.of(ana), placement=placement, kind="plain", name=f"hook {number}", rules={"tags": ["*"]}
        )
        delivery(more, str(number))
        delivery(hook, str(number))
    with django_assert_max_num_queries(12):
        assert as_ana.get(PATH).content.decode().count("The branch spike") == 7
    with django_assert_max_num_queries(12):
        assert as_ana.get(f"{PATH}/{hook.pk}/").content.decode().count("The branch spike") == 6


def test_an_auditor_reads_and_changes_nothing(client: Client, hook: Webhook) -> None:
    client.force_login(make.carla())
    for path in (PATH, f"{PATH}/{hook.pk}/"):
        text = client.get(path).content.decode()
        assert '<form method="post" class="panel form"' not in text
        assert "New hook" not in text
        assert "Delete" not in text


def test_a_hook_is_reached_only_through_its_own_placement(client: Client, hook: Webhook, placement: Placement) -> None:
    other = make.placement(placement.application, make.environment("production"))
    bruno = make.bruno(other)
    client.force_login(bruno)
    assert client.post(f"/applications/storefront/production/hooks/{hook.pk}/delete").status_code == 404
    assert Webhook.objects.exists()
    assert Grant.objects.filter(user=bruno).count() == 1
    assert Environment.objects.count() == 2
