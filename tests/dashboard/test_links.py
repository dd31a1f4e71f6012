"""One-time links: the first admin's, invitations, and signing in by one."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from dashboard import lifespan
from deployments.accounts import invitations, links, people, setup
from deployments.actors import Actor
from deployments.models import Role, User
from tests.dashboard.story import PASSWORD, Story, person, tell

pytestmark = pytest.mark.django_db

ANOTHER = "six white horses in a row"


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    cache.clear()
    return tell()


def sign_in(client: Client, email: str, password: str) -> int:
    return client.post("/account/login", {"login": email, "password": password}).status_code


def is_signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


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
