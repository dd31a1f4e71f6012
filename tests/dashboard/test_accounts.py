"""Signing in and out, one-time links, and one's own account."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from deployments.accounts import people
from deployments.actors import Actor
from deployments.models import AuditEntry
from tests.dashboard.story import PASSWORD, Story, tell

pytestmark = pytest.mark.django_db

ANOTHER = "six white horses in a row"


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    cache.clear()
    return tell()


def sign_in(client: Client, email: str, password: str, **extra: str) -> int:
    return client.post("/account/login", {"login": email, "password": password}, **extra).status_code  # type: ignore[arg-type]


def is_signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


# signing in


def test_signing_in_and_out_is_recorded(story: Story, client: Client) -> None:
    assert sign_in(client, "Bruno@Example.com", PASSWORD) == 302
    assert is_signed_in(client)
    assert client.post("/account/logout").status_code == 302
    assert not is_signed_in(client)
    seen = (
        AuditEntry.objects.filter(actor_id=story.bruno.pk)
        .order_by("number")
        .values_list("action", "outcome", "address")
    )
    assert list(seen) == [("session.begin", "done", "127.0.0.1"), ("session.end", "done", "127.0.0.1")]


@pytest.mark.parametrize("email", ["bruno@example.com", "nobody@example.com"])
def test_a_failed_sign_in_is_recorded_and_tells_nothing(story: Story, client: Client, email: str) -> None:
    page = client.post("/account/login", {"login": email, "password": "wrong wrong wrong"})
    assert page.status_code == 200
    assert "not correct" in page.content.decode()
    entry = AuditEntry.objects.get(action="session.begin")
    assert (entry.outcome, entry.actor_name, entry.actor_id) == ("denied", email, None)
    assert "wrong wrong" not in str(vars(entry))


def test_attempts_are_limited_per_account(story: Story) -> None:
    for number in range(5):
        sign_in(Client(), "bruno@example.com", "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    late = Client()
    page = late.post("/account/login", {"login": "bruno@example.com", "password": PASSWORD}, REMOTE_ADDR="192.0.2.99")
    assert "Too many failed login attempts" in page.content.decode()
    assert not is_signed_in(late)
    assert AuditEntry.objects.filter(action="session.begin", message="too many attempts").count() == 1


def test_attempts_are_limited_per_address(story: Story) -> None:
    for number in range(10):
        sign_in(Client(), f"person{number}@example.com", "wrong")
    late = Client()
    sign_in(late, "ana@example.com", PASSWORD)
    assert not is_signed_in(late)
    elsewhere = Client()
    sign_in(elsewhere, "ana@example.com", PASSWORD, REMOTE_ADDR="192.0.2.1")
    assert is_signed_in(elsewhere)


def test_a_flood_of_attempts_gets_429(story: Story, client: Client) -> None:
    statuses = {sign_in(client, f"person{number}@example.com", "wrong") for number in range(32)}
    assert statuses == {200, 429}


def test_somebody_deactivated_cannot_sign_in(story: Story, client: Client) -> None:
    people.deactivate(actor=Actor.of(story.ana), user=story.bruno)
    sign_in(client, "bruno@example.com", PASSWORD)
    assert not is_signed_in(client)


def test_deactivating_somebody_ends_their_session(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    assert is_signed_in(client)
    people.deactivate(actor=Actor.of(story.ana), user=story.bruno)
    assert not is_signed_in(client)


@pytest.mark.parametrize("path", ["/account/signup", "/account/signup/", "/account/password/reset/", "/account/email/"])
def test_nobody_signs_up(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_after_signing_in_one_is_where_one_wanted_to_go(story: Story, client: Client) -> None:
    asked = client.get("/people/")
    assert asked.headers["Location"] == "/account/login?next=%2Fpeople%2F"
    answer = client.post(
        asked.headers["Location"], {"login": "ana@example.com", "password": PASSWORD, "next": "/people/"}
    )
    assert answer.headers["Location"] == "/people/"


def test_signing_in_leads_to_no_other_site(story: Story, client: Client) -> None:
    data = {"login": "ana@example.com", "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/account/login", data).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", ""),
    ],
)
def test_the_address_past_trusted_proxies(
    story: Story, client: Client, settings: Any, proxies: int, forwarded: str, seen: str
) -> None:
    settings.ESTIVA_TRUSTED_PROXIES = settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    client.post(
        "/account/login", {"login": "ana@example.com", "password": "wrong"}, headers={"x-forwarded-for": forwarded}
    )
    assert AuditEntry.objects.get().address == seen


# one's own account


def test_changing_the_password_ends_other_sessions(story: Story, client: Client) -> None:
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.force_login(story.bruno)
    answer = client.post("/account/password", {"current": PASSWORD, "password": ANOTHER})
    assert answer.status_code == 302
    assert is_signed_in(client)
    assert not is_signed_in(elsewhere)
    assert AuditEntry.objects.filter(action="person.password", actor_id=story.bruno.pk).exists()


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [("wrong", ANOTHER, "not your present password"), (PASSWORD, "short", "at least 10"), (PASSWORD, "", "required")],
)
def test_a_password_that_is_refused(story: Story, client: Client, current: str, new: str, said: str) -> None:
    client.force_login(story.bruno)
    answer = client.post("/account/password", {"current": current, "password": new})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    story.bruno.refresh_from_db()
    assert story.bruno.check_password(PASSWORD)


def test_guessing_the_present_password_is_limited(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    for _ in range(5):
        client.post("/account/password", {"current": "wrong", "password": ANOTHER})
    answer = client.post("/account/password", {"current": PASSWORD, "password": ANOTHER})
    assert "Too many attempts" in answer.content.decode()
    story.bruno.refresh_from_db()
    assert story.bruno.check_password(PASSWORD)


def test_name_and_theme(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    assert client.post("/account/preferences", {"name": "Bruno  Lima Neto", "theme": "dark"}).status_code == 302
    page = client.get("/account/preferences").content.decode()
    assert 'data-theme="dark"' in page
    assert "Bruno Lima Neto" in page
    assert client.post("/account/preferences", {"name": "", "theme": "loud"}).status_code == 422
