"""Servers left in doubt: shown with what was seen there, and each way out taken by who may."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from deployments import attention, sights
from deployments.models import Attention, AuditEntry, Deployment, Host, Operation, Release, Target
from tests.dashboard.story import Story, in_doubt, release, tell
from tests.deployments.test_settings_injection import CORPUS

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Release 1 of storefront ended in doubt on web-1; release 2, older in truth, had served there."""
    told = tell()
    in_doubt(told.running)
    before = release(told.staging, told.ana)
    Target.objects.filter(pk=doubt(told).target_id).update(replaced=before)
    return told


@pytest.fixture
def url(story: Story) -> str:
    return f"/deployments/{story.running.pk}/attention"


def doubt(story: Story) -> Attention:
    return Attention.objects.select_related("target").get(target__deployment=story.running)


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def seen(story: Story, release: int | None = 1, **changes: Any) -> str:
    """A worker has looked; the fingerprint of what it saw."""
    row: dict[str, Any] = {
        "name": "storefront-staging-r1.f7", "id": "c" * 64, "image": "shop:1", "image_id": "sha256:1", "release": 1,
        "target": 0, "service": "", "status": "running", "running": True, "health": "", "serves": True,
        "answer": "HTTP 200", "published": [["127.0.0.1", 8080, 5000, "tcp"]], **changes,
    }  # fmt: skip
    ports = [{"port": "127.0.0.1:8080/tcp", "holders": ["storefront-staging-r1.f7"]}]
    sight = sights.sighted([row], ports, release)
    attention.seen(doubt(story).pk, sight)
    return str(sight["fingerprint"])


def text_of(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_the_page_asks_for_a_look_once_and_shows_what_was_seen(story: Story, url: str) -> None:
    client = client_of(story.bruno)
    assert "Nobody has looked since." in text_of(client, url)
    assert "Looking" in text_of(client, f"/deployments/{story.running.pk}/")
    assert Operation.objects.filter(kind="check").count() == 1
    seen(story)
    for page in (url, f"/deployments/{story.running.pk}/"):
        text = text_of(client, page)
        for words in (
            "Release 1 serves.", "storefront-staging-r1.f7", "HTTP 200", "is held by storefront-staging-r1.f7", "8080",
        ):  # fmt: skip
            assert words in text, words
    text = text_of(client, url)
    for words in ("Bring release 1 again", "Bring release 2 back", "Take it as it is", "release 1 runs"):
        assert words in text, words


def test_whoever_may_not_act_sees_it_and_no_more(story: Story, url: str) -> None:
    seen(story)
    quiet = text_of(client_of(story.carla), url)
    assert "Release 1 serves." in quiet
    assert "<form" not in quiet.split("<main")[1]
    page = text_of(client_of(story.carla), f"/deployments/{story.running.pk}/").split("<main")[1]
    assert "Decide what to do" not in page
    assert "What is known of these servers" in page


def test_a_line_leads_there_from_everywhere(story: Story, url: str) -> None:
    seen(story, serves=False)
    client = client_of(story.bruno)
    for page in ("/applications/storefront/", "/applications/storefront/staging/", "/servers/web-1/"):
        text = text_of(client, page)
        assert url in text, page
        assert "it does not serve" in text, page
    assert "needs you on web-1" in text_of(client, "/")
    assert "in doubt: web-1" in text_of(client, "/")


@pytest.mark.parametrize(("act", "way", "number"), [("resume", "resume", 1), ("restore", "restore", 2)])
def test_a_deployment_is_asked_for(story: Story, url: str, act: str, way: str, number: int) -> None:
    client = client_of(story.bruno)
    answer = client.post(url, {"act": act, "server": "web-1", "reason": "the disk is free"})
    made = Deployment.objects.order_by("-pk")[0]
    assert (answer.status_code, answer["Location"]) == (302, f"/deployments/{made.pk}/")
    assert made.release.number == number
    assert list(made.targets.values_list("host_name", flat=True)) == ["web-1"]
    row = doubt(story)
    assert (row.way, row.dealt_by_name, row.reason, row.dealt_with) == (way, "Bruno Lima", "the disk is free", made)
    assert AuditEntry.objects.get(action="target.settle").actor_name == "Bruno Lima"
    text = text_of(client, url)
    assert "Dealt with" in text
    assert "<form" not in text.split("<main")[1]
    assert f"#{story.running.pk}</a>" in text_of(client, f"/deployments/{made.pk}/")
    assert "dealt with" in text_of(client, f"/deployments/{story.running.pk}/")
    assert "needs you" not in text_of(client, "/")
    refused = client.post(url, {"act": act, "server": "web-1"})
    assert (refused.status_code, Deployment.objects.count()) == (422, 3)


def test_it_is_taken_as_it_is_only_as_shown(story: Story, url: str) -> None:
    client = client_of(story.bruno)
    early = client.post(url, {"act": "as_is", "server": "web-1", "shown": "web-1="})
    assert "web-1 was not looked at since." in early.content.decode()
    shown = seen(story)
    stale = client.post(url, {"act": "as_is", "server": "web-1", "shown": "web-1=stale"})
    assert "not what was shown any more" in stale.content.decode()
    done = client.post(url, {"act": "as_is", "server": "web-1", "shown": f"web-1={shown}", "reason": "it answers"})
    assert done.status_code == 302
    operation = Operation.objects.get(kind="settle")
    wanted = {"attention": doubt(story).pk, "shown": shown, "reason": "it answers", "as_admin": False}
    assert (operation.request, operation.requested_by_name) == (wanted, "Bruno Lima")
    assert "Being taken as it is" in text_of(client, url)
    Operation.objects.filter(pk=operation.pk).update(
        status="failed", result={"what": "What is on web-1 is not what was shown.", "remedy": "Look at what is there."}
    )
    assert "What is on web-1 is not what was shown." in text_of(client, url)


def test_looking_again_is_asked_for_by_name(story: Story, url: str) -> None:
    client = client_of(story.bruno)
    assert client.post(url, {"act": "look", "back": "deployment"})["Location"] == f"/deployments/{story.running.pk}/"
    assert client.post(url, {"act": "look"})["Location"] == url
    assert Operation.objects.get(kind="check").requested_by_name == "Bruno Lima"
    assert AuditEntry.objects.filter(action="host.check", actor_name="Bruno Lima").count() == 1
    Host.objects.update(state="key_changed")
    Operation.objects.all().delete()
    client.post(url, {"act": "look"})
    assert not Operation.objects.filter(kind="check").exists()


@pytest.mark.parametrize("more", [{}, {"act": "burn"}, {"act": "resume"}, {"act": "resume", "server": "web-2"}])
def test_nonsense_is_refused(story: Story, url: str, more: dict[str, str]) -> None:
    assert client_of(story.bruno).post(url, more).status_code == 422
    assert Deployment.objects.count() == 2


def test_what_left_nothing_in_doubt_has_no_such_page(story: Story) -> None:
    assert client_of(story.ana).get(f"/deployments/{story.foreign.pk}/attention").status_code == 404


def test_a_look_that_failed_says_why(story: Story, url: str) -> None:
    client = client_of(story.bruno)
    text_of(client, url)
    Operation.objects.filter(kind="check").update(status="failed", result={"what": "web-1 does not answer."})
    text = text_of(client, url)
    assert "The look failed:" in text
    assert "web-1 does not answer." in text


def test_it_costs_the_same_for_many_servers(story: Story, url: str, django_assert_max_num_queries: Any) -> None:
    client = client_of(story.bruno)
    seen(story)
    client.get(url)
    with django_assert_max_num_queries(14):
        client.get(url)


@pytest.mark.parametrize("text", CORPUS[:40])
def test_words_of_people_and_servers_are_words(story: Story, url: str, text: str) -> None:
    text = text.replace("\x00", "").strip()[:200] or "x"
    client = client_of(story.bruno)
    seen(story, answer=text, image=text, name=text, health=text)
    found = text_of(client, url)
    if set(text) & set("<>&\"'"):
        assert text not in found.replace(html.escape(text), "")
    Attention.objects.update(way="as_is", dealt_by_name=text, reason=text, dealt_at=timezone.now())
    assert client.get(url).status_code == 200
    Attention.objects.update(way="")
    assert client.post(url, {"act": "resume", "server": text}).status_code == 422
    answer = client.post(url, {"act": "resume", "server": "web-1", "reason": text})
    assert answer.status_code in {302, 422}
    assert Release.objects.exists()
