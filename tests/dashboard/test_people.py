"""People: the list, inviting, what they may do, shutting them out."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments.models import AccessLink, AuditEntry, Environment, Grant, Role, User
from deployments.queries.people import MOST_TOLD, PAGE
from tests.dashboard.story import Story, person, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


@pytest.fixture
def ana(story: Story) -> Client:
    """Ana's browser."""
    client = Client()
    client.force_login(story.ana)
    return client


def pair(story: Story, where: str) -> str:
    place = getattr(story, where)
    return f"{place.application_id}:{place.environment_id}"


def test_the_list_shows_everybody(ana: Client, story: Story) -> None:
    page = ana.get("/people/").content.decode()
    for name in ("Ana Prado", "Bruno Lima", "Carla Nunes", "Dora Reis"):
        assert name in page
    assert "storefront · staging" in page


def test_the_list_costs_the_same_for_many(ana: Client, story: Story) -> None:
    ana.get("/people/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        ana.get("/people/")
    for number in range(8):
        made = person(f"Person{number} X", Role.DEPLOYER)
        Grant.objects.create(user=made, application=story.staging.application, environment=story.staging.environment)
    with CaptureQueriesContext(connection) as many:
        ana.get("/people/")
    assert len(many) == len(few)


def test_an_invitation_shows_its_link_once(ana: Client, story: Story) -> None:
    answer = ana.post(
        "/people/invite", {"email": "eva@example.com", "role": "deployer", "grants": [pair(story, "staging")]}
    )
    assert answer.status_code == 200
    (token,) = re.findall(r"/account/link/([\w-]+)<", answer.content.decode())
    assert Client().get(f"/account/link/{token}").status_code == 200
    eva = User.objects.get(email="eva@example.com")
    assert [str(grant.environment) for grant in eva.grants.all()] == ["staging"]
    assert not AccessLink.objects.filter(token_hash__contains=token).exists()
    assert token not in ana.get("/people/").content.decode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"email": "no address", "role": "deployer"}, "valid email"),
        ({"email": "bruno@example.com", "role": "deployer"}, "has this address already"),
        ({"email": "eva@example.com", "role": "king"}, "valid choice"),
        ({"email": "eva@example.com", "role": "deployer", "grants": ["1:999"]}, "valid choice"),
    ],
)
def test_an_invitation_that_is_refused(ana: Client, data: dict[str, str], said: str) -> None:
    answer = ana.post("/people/invite", data)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not AccessLink.objects.exists()


def test_grants_count_for_deployers_alone(ana: Client, story: Story) -> None:
    ana.post("/people/invite", {"email": "eva@example.com", "role": "auditor", "grants": [pair(story, "staging")]})
    assert not User.objects.get(email="eva@example.com").grants.exists()


def test_ending_an_invitation(ana: Client, story: Story) -> None:
    ana.post("/people/invite", {"email": "eva@example.com", "role": "auditor"})
    link = AccessLink.objects.get()
    assert ana.post(f"/people/links/{link.pk}/revoke").status_code == 302
    link.refresh_from_db()
    assert link.revoked_at is not None
    assert ana.post("/people/links/99999/revoke").status_code == 404


def test_changing_what_somebody_may_do(ana: Client, story: Story) -> None:
    assert (
        ana.post(f"/people/{story.bruno.pk}/", {"role": "deployer", "grants": [pair(story, "production")]}).status_code
        == 302
    )
    assert [str(grant.environment) for grant in story.bruno.grants.all()] == ["production"]
    entry = AuditEntry.objects.get(action="person.access")
    assert entry.before["grants"] == ["storefront · staging"]
    assert entry.after["grants"] == ["storefront · production"]
    bruno = Client()
    bruno.force_login(story.bruno)
    assert bruno.get(f"/deployments/{story.running.pk}/").status_code == 404
    assert bruno.get(f"/deployments/{story.foreign.pk}/").status_code == 200


def test_the_grant_of_an_archived_application_survives(ana: Client, story: Story) -> None:
    application = story.staging.application
    application.archived_at = story.ana.date_joined
    application.save(update_fields=("archived_at",))
    page = ana.get(f"/people/{story.bruno.pk}/").content.decode()
    assert f'value="{pair(story, "staging")}" checked' in page


def test_the_last_admin_stays(ana: Client, story: Story) -> None:
    answer = ana.post(f"/people/{story.ana.pk}/", {"role": "auditor"})
    assert answer.status_code == 422
    assert "only admin" in answer.content.decode()
    assert ana.post(f"/people/{story.ana.pk}/deactivate", follow=True).content.decode().count("only admin") >= 1
    story.ana.refresh_from_db()
    assert story.ana.is_admin
    assert AuditEntry.objects.filter(action="person.deactivate", outcome="denied").exists()


def test_shutting_somebody_out_and_letting_them_in_again(ana: Client, story: Story) -> None:
    bruno = Client()
    bruno.force_login(story.bruno)
    ana.post(f"/people/{story.bruno.pk}/deactivate")
    assert bruno.get("/").status_code == 302
    ana.post(f"/people/{story.bruno.pk}/reactivate")
    story.bruno.refresh_from_db()
    assert story.bruno.is_active
    assert bruno.get("/").status_code == 302  # the old session stays ended


def test_a_sign_in_link_is_shown_and_recorded(ana: Client, story: Story) -> None:
    answer = ana.post(f"/people/{story.bruno.pk}/link")
    (token,) = re.findall(r"/account/link/([\w-]+)<", answer.content.decode())
    browser = Client()
    assert browser.post(f"/account/link/{token}").status_code == 302
    assert AuditEntry.objects.filter(action="person.sign_in_link", actor_id=story.ana.pk).exists()


def test_an_auditor_reads_and_finds_nothing_to_press(story: Story, client: Client) -> None:
    client.force_login(story.carla)
    page = client.get(f"/people/{story.bruno.pk}/").content.decode()
    assert "storefront · staging" in page
    assert page.count("<form") == 1  # signing out


def test_many_people_come_in_pages_and_of_many_grants_some_are_told(ana: Client, story: Story) -> None:
    User.objects.bulk_create(User(email=f"p{number}@example.com", name=f"Zoe {number:03}") for number in range(PAGE))
    everywhere = [Environment.objects.create(name=f"region-{number}") for number in range(MOST_TOLD + 2)]
    application = story.staging.application
    Grant.objects.filter(user=story.bruno).delete()
    Grant.objects.bulk_create(Grant(user=story.bruno, application=application, environment=each) for each in everywhere)
    first = ana.get("/people/").content.decode()
    assert f"1 to {PAGE} of {PAGE + 4}" in first
    assert first.count("storefront · region-") == MOST_TOLD
    assert "and 2 more" in first
    assert f"Zoe {PAGE - 1:03}" in ana.get("/people/?page=2").content.decode()
    carla = Client()
    carla.force_login(story.carla)
    assert carla.get(f"/people/{story.bruno.pk}/").content.decode().count("storefront · region-") == MOST_TOLD + 2
