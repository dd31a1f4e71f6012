"""The pages for many servers: a list read and registered, and keys confirmed one after the other."""

from __future__ import annotations

import pytest
from django.test import Client

from deployments.inventory.ssh_keys import generate
from deployments.models import Host
from deployments.states import HostState
from tests.dashboard.story import Story, tell

CONFIG = "Host app-1 app-2\n  HostName %h.internal\n  ProxyJump gate\n  IdentityFile ~/.ssh/id\nHost gate\n  HostName 192.0.2.7\n"


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def offer(name: str) -> str:
    """The server showed a key; its base64."""
    kind, key, *_comment = generate().public.split()
    Host.objects.filter(name=name).update(
        offered_key_type=kind, offered_key=key, state=HostState.UNTRUSTED, host_key=""
    )
    return key


def test_a_config_becomes_csv_to_look_over_and_saves_nothing(as_ana: Client) -> None:
    before = Host.objects.count()
    answer = as_ana.post("/servers/import", {"kind": "ssh", "text": CONFIG, "user": "deploy"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "app-1,app-1.internal,22,deploy,gate" in page
    assert "IdentityFile ~/.ssh/id" in page
    assert "Register them all" in page
    assert Host.objects.count() == before


def test_csv_is_registered_whole_and_leads_on_to_the_keys(as_ana: Client) -> None:
    text = "name,address,port,user,via\napp-1,app-1.internal,22,deploy,gate\ngate,192.0.2.7,22,deploy,\n"
    answer = as_ana.post("/servers/import", {"kind": "csv", "text": text, "user": "root"})
    assert answer["Location"] == "/servers/confirm"
    assert {each.name for each in Host.objects.filter(user="deploy", name__in=("app-1", "gate"))} == {"app-1", "gate"}


def test_what_is_wrong_is_said_at_its_line_and_the_text_stays(as_ana: Client) -> None:
    text = "app-1,192.0.2.1\napp-2,<script>alert(1)</script>\n"
    answer = as_ana.post("/servers/import", {"kind": "csv", "text": text, "user": "root"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert list(answer.context["lines"]) == [2]
    assert "Nothing was registered" in page
    assert "<script>alert" not in page
    assert "app-1,192.0.2.1" in page
    assert not Host.objects.filter(name="app-1").exists()


def test_keys_are_confirmed_one_after_the_other(as_ana: Client, story: Story) -> None:
    key, other = offer("web-1"), offer("web-3")
    page = as_ana.get("/servers/confirm").content.decode()
    assert "1 of 2" in page
    blind = as_ana.post("/servers/confirm", {"host": "web-1", "key": key})
    assert blind.status_code == 422
    assert "Compare it first" in blind.content.decode()
    answer = as_ana.post("/servers/confirm", {"host": "web-1", "key": key, "compared": "on"})
    assert answer["Location"] == "/servers/confirm?after=web-1"
    assert "web-3" in as_ana.get(answer["Location"]).content.decode()
    wrong = as_ana.post("/servers/confirm", {"host": "web-3", "key": key, "compared": "on"})
    assert wrong.status_code == 422
    assert Host.objects.get(name="web-1").host_key == key
    assert not Host.objects.get(name="web-3").is_trusted
    assert other != key


def test_the_list_says_who_waits(as_ana: Client, story: Story) -> None:
    offer("web-1")
    page = as_ana.get("/servers/").content.decode()
    assert "/servers/confirm" in page
    assert "One server waits" in page


HOSTILE = (
    "$(touch CANARY)",
    "`id`",
    "x; id",
    "a b",
    "-oProxyCommand=id",
    "../../etc",
    "<b>x</b>",
    "x\\",
    "é",
    "a\tb",
    "'; DROP TABLE",
    "{{ 7 }}",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_hostile_becomes_no_server(as_ana: Client, hostile: str) -> None:
    before = Host.objects.count()
    quoted = '"' + hostile.replace('"', '""') + '"'
    for row in (
        f"{quoted},192.0.2.1",
        f"app-1,{quoted}",
        f"app-1,192.0.2.1,{quoted}",
        f"app-1,192.0.2.1,22,{quoted}",
        f"app-1,192.0.2.1,22,root,{quoted}",
    ):
        answer = as_ana.post("/servers/import", {"kind": "csv", "text": row, "user": "root"})
        assert answer.status_code == 422, row
        assert "<b>x</b>" not in answer.content.decode()
    form = {
        "name": "app-1",
        "address": "192.0.2.1",
        "port": "22",
        "user": "root",
        "docker_socket": "/x",
        "key": "generate",
    }
    assert as_ana.post("/servers/new", {**form, "via": hostile}).status_code == 422
    as_ana.post("/servers/confirm", {"host": hostile, "key": "x", "compared": "on"})
    assert Host.objects.count() == before
    config = f"Host app-1\n  HostName {hostile}\n  ProxyJump {hostile}\nHost {hostile}\n  User {hostile}\n"
    assert as_ana.post("/servers/import", {"kind": "ssh", "text": config, "user": hostile}).status_code in (200, 422)
    assert Host.objects.count() == before
