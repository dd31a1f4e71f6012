"""An application's repository: naming, trusting, looking, and what nobody may see of it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import fingerprints
from deployments.inventory.ssh_keys import generate
from deployments.models import Application, AuditEntry, Operation, Placement, Repository
from deployments.states import RepositoryState
from tests import factories as make
from tests.dashboard import shipyard
from tests.dashboard.story import Story, looked_at, tell

URL = "https://git.example.com/team/payroll.git"
SSH = "ssh://git@git.example.com/team/payroll.git"
TOKEN = "glpat-a-token-nobody-may-read"
PAGE = "/applications/storefront/repository"


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def typed(**changes: str) -> dict[str, str]:
    """What a person types for a private repository."""
    return {"url": URL, "credential": "token", "username": "estiva", "token": TOKEN, **changes}


def offers_key(repository: Repository, state: RepositoryState = RepositoryState.UNTRUSTED) -> str:
    """The Git server shows a key; its base64."""
    kind, key, *_comment = generate().public.split()
    Repository.objects.filter(pk=repository.pk).update(
        url=SSH, credential="key", offered_key_type=kind, offered_key=key, state=state
    )
    return key


def test_an_application_begins_with_its_repository(as_ana: Client) -> None:
    answer = as_ana.post("/applications/repository", typed(name="payroll", description="Wages"))
    assert (answer.status_code, answer["Location"]) == (302, "/applications/payroll/repository")
    row = Repository.objects.get(application__name="payroll")
    assert (row.url, row.credential, row.username) == (URL, "token", "estiva")
    assert row.token is not None
    operation = Operation.objects.get(repository=row)
    assert operation.request["url"] == URL
    text = as_ana.get(answer["Location"]).content.decode()
    assert f'data-live="repository:{row.pk} operation:{operation.pk}"' in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"url": "ext::sh%20-c%20id"}, "url", "run a program of git"),
        ({"url": "https://x", "name": "Pay Roll"}, "name", "lowercase letters"),
        ({"url": "https://me:secret@git.example.com/x.git"}, "url", "fields of their own"),
        ({"url": SSH}, "credential", "deploy key"),
        ({"credential": "key"}, "credential", "ssh address"),
        ({"token": ""}, "token", "Paste a token"),
        ({"username": "me:you"}, "username", "no colon"),
        ({"name": "Pay Roll"}, "name", "lowercase letters"),
        ({"name": "storefront"}, "name", "taken"),
    ],
)
def test_what_can_not_be_is_said_at_its_field_and_nothing_is_made(
    as_ana: Client, changes: dict[str, str], field: str, words: str
) -> None:
    before = Application.objects.count()
    answer = as_ana.post("/applications/repository", typed(**{"name": "payroll", **changes}))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors[field])
    assert TOKEN not in text
    assert 'value="estiva"' in text or "username" in changes
    assert Application.objects.count() == before


def test_changing_the_address_says_first_that_the_token_goes(as_ana: Client, story: Story) -> None:
    as_ana.post(f"{PAGE}/edit", typed())
    text = as_ana.get(f"{PAGE}/edit").content.decode()
    assert "Estiva forgets the token" in text
    assert "Leave this empty to keep it" in text
    assert TOKEN not in text
    kept = as_ana.post(f"{PAGE}/edit", typed(token="", username="other"))
    assert kept.status_code == 302
    moved = as_ana.post(f"{PAGE}/edit", typed(token="", url="https://elsewhere.example.com/x.git"))
    assert moved.status_code == 422
    assert "Paste a token" in " ".join(moved.context["form"].errors["token"])
    story.repository.refresh_from_db()
    assert (story.repository.url, story.repository.username) == (URL, "other")


def test_a_deploy_key_is_shown_to_paste_with_the_places(as_ana: Client, story: Story) -> None:
    as_ana.post(f"{PAGE}/edit", typed(url=SSH, credential="key", username="", token=""))
    story.repository.refresh_from_db()
    text = as_ana.get(PAGE).content.decode()
    assert story.repository.public_key.startswith("ssh-ed25519 ")
    assert f'id="deploy-key">{story.repository.public_key}' in text
    for forge in ("GitHub", "GitLab", "Forgejo", "authorized_keys"):
        assert forge in text


def test_trusting_pins_exactly_the_key_that_was_shown(as_ana: Client, story: Story) -> None:
    key = offers_key(story.repository)
    text = as_ana.get(PAGE).content.decode()
    assert fingerprints.fingerprint(key) in text
    assert "It matches, trust this key" in text
    other = fingerprints.fingerprint(generate().public.split()[1])
    refused = as_ana.post(f"{PAGE}/trust", {"key": key, "pasted": f"256 {other} git (ED25519)"})
    assert refused.status_code == 422
    assert refused.context["trust_form"].errors["pasted"]
    assert 'data-live="repository' not in refused.content.decode()  # what was refused stays readable
    slipped = as_ana.post(f"{PAGE}/trust", {"key": generate().public.split()[1], "pasted": ""})
    assert slipped.status_code == 422
    assert as_ana.post(f"{PAGE}/trust", {"key": key, "pasted": ""}).status_code == 302
    story.repository.refresh_from_db()
    assert (story.repository.host_key, story.repository.trusted_by_name) == (key, "Ana Prado")


def test_only_an_admin_trusts_and_others_are_told_so(story: Story, client: Client) -> None:
    key = offers_key(story.repository)
    story.bruno.deploys_everything = True
    story.bruno.save()
    client.force_login(story.bruno)
    text = client.get(PAGE).content.decode()
    assert "An admin compares this" in text
    assert "It matches, trust this key" not in text
    assert client.post(f"{PAGE}/trust", {"key": key}).status_code == 403
    assert client.get(f"{PAGE}/edit").status_code == 200  # who may make applications may name their source


def test_a_changed_key_raises_the_alarm_and_offers_no_look(as_ana: Client, story: Story) -> None:
    offers_key(story.repository, RepositoryState.KEY_CHANGED)
    text = as_ana.get(PAGE).content.decode()
    assert "another host key than the one that was trusted" in text
    assert "Show what is there" not in text


def test_looking_at_a_branch_leads_to_its_commits(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    answer = client.post(f"{PAGE}/look", {"ref": "cart", "subdirectory": "services/web"})
    operation = Operation.objects.latest("pk")
    assert answer["Location"] == f"{PAGE}?look={operation.pk}"
    assert operation.request == {"url": story.repository.url, "ref": "cart", "subdirectory": "services/web"}
    assert "Reading cart" in client.get(answer["Location"]).content.decode()
    text = client.get(f"{PAGE}?look={story.look.pk}").content.decode()
    for words in ("Round the cart", "Bruno Lima", 'datetime="2026-03-04T10:00:00+00:00"', "Dockerfile", "Found"):
        assert words in text
    assert 'value="cart"' in text  # in the list of branches
    assert client.post(f"{PAGE}/look", {"ref": ""}).status_code == 422


def test_a_project_without_a_dockerfile_is_recognised(as_ana: Client, story: Story) -> None:
    look = looked_at(
        story.repository, dockerfiles=[], detected=shipyard.detected(), problems=[".estiva.yml, line 4: no."]
    )
    text = as_ana.get(f"{PAGE}?look={look.pk}").content.decode()
    for words in ("This looks like a <strong>Python</strong> project", "requirements.txt names Flask.", "FROM python"):
        assert words in text
    assert ".estiva.yml, line 4: no." in text


def test_what_was_seen_at_another_address_does_not_count(as_ana: Client, story: Story) -> None:
    Repository.objects.update(url=URL)
    assert "Round the cart" not in as_ana.get(f"{PAGE}?look={story.look.pk}").content.decode()


def test_it_is_removed_unless_something_is_built_from_it(as_ana: Client, story: Story) -> None:
    Placement.objects.filter(pk=story.staging.pk).update(source="git")
    answer = as_ana.post(f"{PAGE}/remove", follow=True)
    assert "storefront · staging" in answer.content.decode() or "staging are still built" in answer.content.decode()
    assert Repository.objects.exists()
    Placement.objects.update(source="image")
    assert as_ana.post(f"{PAGE}/remove")["Location"] == "/applications/storefront/"
    assert not Repository.objects.exists()
    assert AuditEntry.objects.filter(action="repository.remove").exists()


def test_without_one_the_pages_say_what_to_do(story: Story, client: Client) -> None:
    Operation.objects.filter(repository=story.repository).delete()
    story.repository.delete()
    client.force_login(story.ana)
    assert client.get(PAGE)["Location"] == f"{PAGE}/edit"
    assert "Name one" in client.get("/applications/storefront/").content.decode()
    assert client.post(f"{PAGE}/look").status_code == 404
    client.force_login(story.carla)
    assert "No repository is named" in client.get(PAGE).content.decode()
    assert "Name one" not in client.get("/applications/storefront/").content.decode()


def test_an_archived_application_keeps_its_page_and_takes_no_change(as_ana: Client, story: Story) -> None:
    Application.objects.update(archived_at="2026-01-01T00:00:00Z")
    text = as_ana.get(PAGE).content.decode()
    assert "Look again" not in text
    assert as_ana.get(f"{PAGE}/edit").status_code == 404
    assert as_ana.post(f"{PAGE}/look").status_code == 404
    assert as_ana.get("/applications/storefront/add").status_code == 404


@pytest.mark.parametrize("look", ["", "x", "9" * 40, "-1", "999999"])
def test_nonsense_in_the_address_is_passed_over(as_ana: Client, look: str) -> None:
    assert "Round the cart" in as_ana.get(f"{PAGE}?look={look}").content.decode()


def test_the_number_of_queries_does_not_grow_with_placements(as_ana: Client, story: Story) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert as_ana.get(PAGE).status_code == 200
        return len(found)

    Placement.objects.filter(pk=story.staging.pk).update(source="git")
    few = queries()
    for name in ("one", "two", "three"):
        make.placement(story.staging.application, make.environment(name), source="git")
    assert queries() == few
    assert few <= 9
