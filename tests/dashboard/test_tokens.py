"""Access tokens on their pages: shown once, seen by their person and by admins, revoked by both."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deployments.accounts import tokens
from deployments.actors import Actor
from deployments.models import AccessToken, AuditEntry, User
from tests.dashboard.story import Story, tell

pytestmark = pytest.mark.django_db

NEW = "/account/tokens/new"


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


def as_(person: User) -> Client:
    """Their browser."""
    client = Client()
    client.force_login(person)
    return client


def made(person: User, scope: str = "read", name: str = "ci") -> AccessToken:
    """A token of theirs."""
    return tokens.create(actor=Actor.of(person), user=person, name=name, scope=scope)[0]


def test_it_is_shown_once(story: Story) -> None:
    client = as_(story.bruno)
    sent = {"name": "ci-storefront", "scope": "deploy", "days": "90", "where": "all"}
    page = client.post(NEW, sent)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store, private"
    found = re.search(r"estiva_[A-Za-z0-9]{43}", page.content.decode())
    assert found is not None
    assert "shown only now" in page.content.decode()
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {found[0]}"}).json()["name"] == "Bruno Lima"
    later = client.get("/account/tokens/").content.decode()
    assert "ci-storefront" in later
    assert "estiva_" not in later
    assert found[0] not in str(list(AuditEntry.objects.values()))


def test_only_what_the_role_allows_is_offered(story: Story) -> None:
    for person, offered in ((story.ana, 3), (story.bruno, 2), (story.carla, 1)):
        assert as_(person).get(NEW).content.decode().count('type="radio" name="scope"') == offered
    page = as_(story.carla).post(NEW, {"name": "x", "scope": "admin", "days": "90", "where": "all"})
    assert page.status_code == 422
    assert not AccessToken.objects.exists()


def test_narrowed_to_what_is_ticked(story: Story) -> None:
    client = as_(story.bruno)
    page = client.get(NEW).content.decode()
    assert f'value="{story.staging.pk}"' in page
    assert "production" not in page  # not his
    sent = {"name": "x", "scope": "deploy", "days": "30", "where": "some"}
    nothing = client.post(NEW, sent)
    assert nothing.status_code == 422
    assert "at least one" in nothing.content.decode()
    assert client.post(NEW, {**sent, "placements": [str(story.production.pk)]}).status_code == 422
    assert client.post(NEW, {**sent, "placements": [str(story.staging.pk)]}).status_code == 200
    row = AccessToken.objects.get()
    assert (row.is_narrowed, list(row.placements.all())) == (True, [story.staging])
    assert "storefront · staging" in client.get("/account/tokens/").content.decode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "a\x1bb"}, "Write a name"),
        ({"days": "0", "scope": "admin"}, "has to expire"),
        ({"days": "1e3"}, "Select a valid choice"),
        ({"scope": "all"}, "Select a valid choice"),
    ],
)
def test_what_can_not_be(story: Story, changed: dict[str, str], said: str) -> None:
    sent = {"name": "x", "scope": "read", "days": "90", "where": "all", **changed}
    page = as_(story.ana).post(NEW, sent)
    assert page.status_code == 422
    assert said in page.content.decode()
    assert not AccessToken.objects.exists()


def test_revoking_ones_own(story: Story) -> None:
    row = made(story.bruno)
    client = as_(story.bruno)
    page = client.post(f"/account/tokens/{row.pk}/revoke", follow=True).content.decode()
    assert "ci is revoked" in page
    assert "Revoked" in page
    assert client.get("/account/tokens/").content.decode().count("<button") == page.count("<button")  # no second time
    assert "revoked already" in client.post(f"/account/tokens/{row.pk}/revoke", follow=True).content.decode()


def test_an_admin_sees_and_ends_those_of_others(story: Story) -> None:
    row = made(story.bruno)
    path = f"/people/{story.bruno.pk}/"
    assert "Access tokens" in as_(story.carla).get(path).content.decode()
    assert "/revoke" not in as_(story.carla).get(path).content.decode()  # an auditor looks
    page = as_(story.ana).get(path).content.decode()
    assert f"/people/{story.bruno.pk}/tokens/{row.pk}/revoke" in page
    assert as_(story.ana).post(f"/people/{story.bruno.pk}/tokens/{row.pk}/revoke").status_code == 302
    row.refresh_from_db()
    assert row.revoked_by_name == "Ana Prado"
    other = made(story.carla)
    assert as_(story.ana).post(f"/people/{story.bruno.pk}/tokens/{other.pk}/revoke").status_code == 404


def test_how_each_stands(story: Story) -> None:
    stands: dict[str, dict[str, Any]] = {
        "open": {},
        "endless": {"expires_at": None},
        "ending": {"expires_at": timezone.now() + timedelta(days=3)},
        "expired": {"expires_at": timezone.now() - timedelta(days=3)},
        "gone": {"revoked_at": timezone.now(), "revoked_by_name": "Ana Prado"},
        "used": {"last_used_at": timezone.now(), "last_used_from": "203.0.113.7"},
    }
    for name, fields in stands.items():
        row = made(story.ana, name=name)
        AccessToken.objects.filter(pk=row.pk).update(**fields)
    page = as_(story.ana).get("/account/tokens/").content.decode()
    for said in ("Open", "without an end", "Ends soon", "Expired", "Revoked", "Ana Prado", "203.0.113.7", "never used"):
        assert said in page
    assert page.index("endless") < page.index("expired")  # those that open nothing come last


def test_nothing_yet_says_what_they_are_for(story: Story) -> None:
    page = as_(story.dora).get("/account/tokens/").content.decode()
    assert "No program acts in your name" in page
    assert NEW in page
