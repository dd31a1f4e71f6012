"""Servers' pages: registering, trusting, changing, retiring, and what ran there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from deployments import fingerprints
from deployments.actors import Actor
from deployments.inventory import hosts as inventory
from deployments.inventory.ssh_keys import generate
from deployments.models import AuditEntry, Host, PlacementHost, Target
from deployments.states import HostState, TargetStatus
from tests.dashboard.story import Story, tell

NEW = {
    "name": "web-9",
    "address": "192.0.2.9",
    "port": "22",
    "user": "deploy",
    "docker_socket": "/var/run/docker.sock",
    "key": "generate",
}


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def offer_key(host: Host) -> str:
    """The server shows a key; its base64."""
    kind, key, *_comment = generate().public.split()
    Host.objects.filter(pk=host.pk).update(offered_key_type=kind, offered_key=key, state=HostState.UNTRUSTED)
    return key


def test_registering_makes_a_key_and_leads_to_the_page(as_ana: Client) -> None:
    answer = as_ana.post("/servers/new", NEW, follow=True)
    host = Host.objects.get(name="web-9")
    assert answer.redirect_chain == [("/servers/web-9/", 302)]
    assert host.public_key.startswith("ssh-ed25519 ")
    assert host.public_key in answer.content.decode()
    assert AuditEntry.objects.filter(action="host.register", object_name="web-9").exists()


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": "web 9"}, "name", "lowercase letters"),
        ({"name": "web-1"}, "name", "Another server has this name"),
        ({"address": "-oProxyCommand=x"}, "address", "Write a name or address"),
        ({"port": "70000"}, "port", "65535"),
        ({"user": "root; id"}, "user", "name of a user"),
        ({"docker_socket": "docker.sock"}, "docker_socket", "full path"),
        ({"key": "paste"}, "private_key", "Paste the key"),
        ({"key": "paste", "private_key": "not a key"}, "private_key", ""),
    ],
)
def test_bad_input_is_said_at_its_field_and_keeps_what_was_typed(
    as_ana: Client, change: dict[str, str], field: str, words: str
) -> None:
    count = Host.objects.count()
    answer = as_ana.post("/servers/new", {**NEW, **change})
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors[field])
    assert 'value="deploy"' in answer.content.decode() or "user" in change
    assert Host.objects.count() == count


def test_trusting_pins_exactly_the_key_that_was_shown(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(host_key="", host_key_type="")
    key = offer_key(story.host)
    page = as_ana.get("/servers/web-1/").content.decode()
    assert fingerprints.fingerprint(key) in page
    answer = as_ana.post("/servers/web-1/trust", {"key": key, "pasted": ""})
    story.host.refresh_from_db()
    assert answer.status_code == 302
    assert story.host.host_key == key
    assert story.host.trusted_by_name == "Ana Prado"


def test_a_pasted_line_of_another_key_is_refused_at_its_field(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(host_key="", host_key_type="")
    key = offer_key(story.host)
    other = fingerprints.fingerprint(generate().public.split()[1])
    answer = as_ana.post("/servers/web-1/trust", {"key": key, "pasted": f"256 {other} root@web (ED25519)"})
    story.host.refresh_from_db()
    assert answer.status_code == 422
    assert answer.context["trust_form"].errors["pasted"]
    assert not story.host.is_trusted


def test_a_key_that_changed_between_look_and_click_is_refused(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(host_key="", host_key_type="")
    shown = offer_key(story.host)
    offer_key(story.host)
    answer = as_ana.post("/servers/web-1/trust", {"key": shown, "pasted": ""})
    story.host.refresh_from_db()
    assert answer.status_code == 422
    assert not story.host.is_trusted


def test_a_changed_key_raises_the_alarm_on_the_page(as_ana: Client, story: Story) -> None:
    offer_key(story.host)
    Host.objects.filter(pk=story.host.pk).update(state=HostState.KEY_CHANGED)
    page = as_ana.get("/servers/web-1/").content.decode()
    assert 'role="alert"' in page
    assert "another host key than the one that was trusted" in page


def test_changing_the_address_clears_trust_and_credential(as_ana: Client, story: Story) -> None:
    before = story.host.public_key
    data = {name: NEW[name] for name in ("user", "port", "docker_socket")}
    as_ana.post("/servers/web-1/edit", {**data, "name": "web-1", "address": "192.0.2.99", "builds_at_once": "2"})
    story.host.refresh_from_db()
    assert not story.host.is_trusted
    assert story.host.public_key != before
    assert story.host.builds_at_once == 2


def test_retiring_shows_what_depends_on_it_first(as_ana: Client, story: Story) -> None:
    page = as_ana.get("/servers/web-1/retire").content.decode()
    assert "storefront · staging" in page
    answer = as_ana.post("/servers/web-1/retire", {"name": "web-1"})
    assert answer.status_code == 422
    story.host.refresh_from_db()
    assert story.host.retired_at is None


def test_retiring_asks_for_the_name_and_keeps_history(as_ana: Client, story: Story) -> None:
    PlacementHost.objects.filter(host=story.foreign_host).update(is_active=False)
    story.foreign_host.targets.update(status=TargetStatus.SUCCEEDED)
    assert as_ana.post("/servers/web-3/retire", {"name": "web-1"}).status_code == 422
    assert as_ana.post("/servers/web-3/retire", {"name": "web-3"}).status_code == 302
    story.foreign_host.refresh_from_db()
    assert story.foreign_host.state == HostState.RETIRED
    assert story.foreign_host.private_key is None
    assert Target.objects.filter(host=story.foreign_host).exists()


def test_what_ran_at_a_moment_has_an_answer(as_ana: Client, story: Story) -> None:
    now = timezone.now()
    target = story.foreign.targets.get()
    target.status, target.serving_release = TargetStatus.SUCCEEDED, story.foreign.release.number
    target.ended_at = now - timedelta(hours=2)
    target.save()
    ran = as_ana.get("/servers/web-3/at", {"at": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")}).context[
        "ran"
    ]
    earlier = as_ana.get("/servers/web-3/at", {"at": (now - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%S")}).context[
        "ran"
    ]
    assert [(each.application, each.release, each.deployment) for each in ran] == [("storefront", 1, story.foreign.pk)]
    assert earlier == []


def test_a_moment_that_is_none_is_said_at_its_field(as_ana: Client) -> None:
    answer = as_ana.get("/servers/web-1/at?at=yesterday")
    assert answer.status_code == 422
    assert answer.context["form"].errors["at"]


def test_a_deployer_sees_the_servers_of_what_is_granted_and_changes_none(client: Client, story: Story) -> None:
    client.force_login(story.bruno)
    assert {row.host.name for row in client.get("/servers/").context["rows"]} == {"web-1", "web-2"}
    assert client.get("/servers/web-3/").status_code == 404
    assert client.post("/servers/web-1/check").status_code == 403
    assert client.get("/servers/new").status_code == 403
    assert "Retire" not in client.get("/servers/web-1/").content.decode()


def test_environments_are_made_and_changed_by_admins(as_ana: Client) -> None:
    assert as_ana.post("/environments/new", {"name": "qa", "position": "3"}).status_code == 302
    assert as_ana.post("/environments/new", {"name": "qa", "position": "3"}).status_code == 422
    assert as_ana.post("/environments/qa/edit", {"position": "1", "is_production": "on"}).status_code == 302
    assert "qa" in as_ana.get("/environments/").content.decode()


def test_another_socket_is_offered_and_taken_by_a_click(as_ana: Client, story: Story) -> None:
    found = [{"path": "/run/user/1000/docker.sock", "kind": "rootless Docker"}]
    look = inventory.check(actor=Actor.of(story.ana), host=story.host)
    result = {"what": "No socket.", "sockets": found}
    type(look).objects.filter(pk=look.pk).update(status="failed", result=result)
    assert "Use the rootless Docker socket" in as_ana.get("/servers/web-1/").content.decode()
    answer = as_ana.post("/servers/web-1/socket", {"docker_socket": found[0]["path"]})
    assert answer["Location"] == "/servers/web-1/"
    story.host.refresh_from_db()
    assert (story.host.docker_socket, story.host.is_trusted) == (found[0]["path"], True)
    as_ana.post("/servers/web-1/socket", {"docker_socket": "not a path"})
    story.host.refresh_from_db()
    assert story.host.docker_socket == found[0]["path"]


def test_a_new_key_is_asked_for_by_a_click(as_ana: Client, story: Story) -> None:
    as_ana.post("/servers/web-1/rotate")
    story.host.refresh_from_db()
    assert story.host.key_stage == "next"
    assert story.host.operations.filter(kind="rotate", status="queued").count() == 1
    assert "Another key is prepared" in as_ana.get("/servers/web-1/").content.decode()
    again = as_ana.post("/servers/web-1/rotate", follow=True)
    assert "is being replaced already" in again.content.decode()
