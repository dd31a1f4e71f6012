"""Signing in and out, one-time links, and one's own account."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from dashboard import lifespan
from deployments.accounts import invitations, links, people, setup
from deployments.actors import Actor
from deployments.models import AuditEntry, Role, User
from tests.dashboard.story import PASSWORD, Story, person, tell

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


# the first admin


def test_the_first_admin_comes_by_the_setup_link(client: Client) -> None:
    cache.clear()
    token = setup.issue_setup_token()
    path = reverse("account_link", args=[token])
    for _ in range(3):
        assert client.get(path).status_code == 200  # looking uses nothing up
    answer = client.post(path, {"name": "Ana Prado", "email": "Ana@Example.com", "password": ANOTHER})
    assert answer.headers["Location"] == "/"
    assert is_signed_in(client)
    ana = User.objects.get()
    assert (ana.email, ana.role, ana.name) == ("ana@example.com", Role.ADMIN, "Ana Prado")
    assert Client().get(path).status_code == 404
    assert setup.issue_setup_token() is None


def test_visiting_first_makes_nobody_admin(client: Client) -> None:
    for path in ("/", "/account/login", "/account/link/guess", "/people/invite"):
        client.get(path)
        client.post(path, {"name": "Eve", "email": "eve@example.com", "password": ANOTHER})
    assert not User.objects.exists()


def test_a_weak_password_is_said_at_its_field(client: Client) -> None:
    path = reverse("account_link", args=[setup.issue_setup_token()])
    answer = client.post(path, {"name": "Ana", "email": "ana@example.com", "password": "password12"})
    assert answer.status_code == 422
    assert "too common" in answer.content.decode()
    assert 'value="ana@example.com"' in answer.content.decode()
    assert client.post(path, {"name": "Ana", "email": "ana@example.com", "password": ANOTHER}).status_code == 302


# invitations and sign-in links


def test_an_invitation_is_accepted_once(story: Story, client: Client) -> None:
    _link, token = invitations.invite(actor=Actor.of(story.ana), email="eva@example.com", role=Role.AUDITOR)
    path = reverse("account_link", args=[token])
    page = client.get(path).content.decode()
    assert "Ana Prado invited you" in page
    assert client.post(path, {"name": "Eva Roth", "password": ANOTHER}).status_code == 302
    assert is_signed_in(client)
    assert User.objects.get(email="eva@example.com").role == Role.AUDITOR
    assert Client().post(path, {"name": "Eve", "password": ANOTHER}).status_code == 404


def test_accepting_in_anothers_browser_starts_over(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    client.session["left"] = "behind"
    _link, token = invitations.invite(actor=Actor.of(story.ana), email="eva@example.com", role=Role.DEPLOYER)
    client.post(reverse("account_link", args=[token]), {"name": "Eva Roth", "password": ANOTHER})
    assert client.get("/people/").status_code == 403
    assert "left" not in client.session


def test_a_sign_in_link_works_once_and_lets_set_a_password(story: Story, client: Client) -> None:
    path = reverse("account_link", args=[people.issue_sign_in_token(actor=Actor.of(story.ana), user=story.bruno)])
    assert "Sign in as Bruno Lima" in client.get(path).content.decode()
    assert not is_signed_in(client)
    assert client.post(path).status_code == 302
    assert is_signed_in(client)
    assert Client().post(path).status_code == 404
    assert 'name="current"' not in client.get("/account/password").content.decode()
    assert client.post("/account/password", {"password": ANOTHER}).status_code == 302
    assert client.post("/account/password", {"password": PASSWORD}).status_code == 422  # the next time it is asked for
    assert sign_in(Client(), "bruno@example.com", ANOTHER) == 302


def test_a_link_revoked_or_over_opens_nothing(story: Story, client: Client) -> None:
    token = people.issue_sign_in_token(actor=Actor.of(story.ana), user=story.bruno)
    links.revoke(Q(user=story.bruno))
    page = client.get(reverse("account_link", args=[token]))
    assert page.status_code == 404
    assert "used or over" in page.content.decode()


def test_links_are_kept_from_caches_and_other_sites(story: Story, client: Client) -> None:
    token = people.issue_sign_in_token(actor=Actor.of(story.ana), user=story.bruno)
    page = client.get(reverse("account_link", args=[token]))
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["Referrer-Policy"] == "same-origin"


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


def test_the_console_says_the_setup_link_once(transactional_db: None, capfd: pytest.CaptureFixture[str]) -> None:
    cache.clear()
    lifespan.print_setup_link()
    lifespan.print_setup_link()
    said = capfd.readouterr().err
    (token,) = re.findall(r"/account/link/(\S+)", said)
    assert Client().get(f"/account/link/{token}").status_code == 200


def test_the_console_says_nothing_once_there_is_an_admin(
    transactional_db: None, capfd: pytest.CaptureFixture[str]
) -> None:
    cache.clear()
    person("Ana Prado", Role.ADMIN)
    lifespan.print_setup_link()
    assert "account/link" not in capfd.readouterr().err
