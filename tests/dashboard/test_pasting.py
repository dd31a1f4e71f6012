"""Starting from a docker run line or a compose file: the form is filled, the rest is named, nothing is saved before it is."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from deployments.models import Application, AuditEntry, Environment, Host, Placement, User
from tests import factories as make

pytestmark = pytest.mark.django_db

LINE = """\
docker stop shop
docker run -d --name my_shop -p 8080:5000 -v data:/data:ro -v $(pwd):/app --restart always -m 512m \\
  -e FLASK_ENV=production -e DB_PASSWORD='correct horse' -e TOKEN \\
  registry.example.com/shop:2 gunicorn 'app:make()'
"""
COMPOSE = """\
services:
  web:
    image: registry.example.com/shop:2
    ports: ["8080:5000"]
    scale: 2
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: hunter22}
"""


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


@pytest.fixture
def server() -> Host:
    return make.host("web-1")


@pytest.fixture
def staging() -> Environment:
    return make.environment("staging")


def page(client: Client, text: str, kind: str = "run", status: int = 200, **more: str) -> str:
    answer = client.post("/applications/paste", {"kind": kind, "text": text, **more})
    assert answer.status_code == status
    return answer.content.decode()


def fields(html: str) -> dict[str, str]:
    """What a browser would send of the form as it stands, its blank rows included."""
    form = html[html.index('id="placement-form"') :]
    form = re.sub(r"<template.*?</template>", "", form, flags=re.DOTALL)
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        is_off = attributes.get("type") in {"radio", "checkbox"} and " checked" not in tag
        if "name" in attributes and not is_off:
            is_tick = attributes.get("type") in {"radio", "checkbox"}
            found[attributes["name"]] = unescape(attributes.get("value", "on" if is_tick else ""))
    for head, text in re.findall(r"<textarea([^>]*)>(.*?)</textarea>", form, re.DOTALL):
        found[dict(re.findall(r'([\w-]+)="([^"]*)"', head))["name"]] = unescape(text.removeprefix("\n"))
    for head, inner in re.findall(r"<select([^>]*)>(.*?)</select>", form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        found[dict(re.findall(r'([\w-]+)="([^"]*)"', head))["name"]] = chosen[1] if chosen else ""
    return found


@pytest.mark.usefixtures("staging", "server")
def test_a_run_line_fills_the_form_and_the_rest_is_named(as_ana: Client) -> None:
    html = page(as_ana, LINE)
    found = fields(html)
    assert found["name"] == "my-shop"
    assert found["image"] == "registry.example.com/shop:2"
    assert (found["settings.ports.0.container_port"], found["settings.ports.0.host_port"]) == ("5000", "8080")
    assert (found["settings.volumes.0.name"], found["settings.volumes.0.path"]) == ("data", "/data")
    assert found["settings.memory"] == "512m"
    assert found["settings.restart"] == "always"
    assert found["settings.command"] == "gunicorn\napp:make()"
    assert found["variables-text"] == "FLASK_ENV=production\nDB_PASSWORD='correct horse'\n# TOKEN=\n"
    assert found["variables-secret_names"] == "DB_PASSWORD TOKEN"
    text = unescape(html)
    assert "but for 2 things" in text
    assert "<code>-v $(pwd):/app</code>" in text
    assert "<code>-e TOKEN</code>" in text
    assert "<code>docker stop shop</code>" in text
    assert 'action="/applications/new"' in text
    assert '<details class="section" open>' in text, "volumes and command were filled in, so they show"
    assert not Application.objects.exists(), "nothing is saved by pasting"
    assert not AuditEntry.objects.filter(action__startswith="application").exists()


@pytest.mark.usefixtures("staging")
def test_the_filled_form_saves_application_and_variables_together(as_ana: Client, server: Host) -> None:
    typed: dict[str, Any] = {**fields(page(as_ana, LINE)), "hosts": [str(server.pk)]}
    answer = as_ana.post("/applications/new", typed)
    assert (answer.status_code, answer.get("Location")) == (302, "/applications/my-shop/staging/"), (
        answer.content.decode()
    )
    placement = Placement.objects.get()
    assert placement.image == "registry.example.com/shop:2"
    assert placement.settings["ports"][0]["host_port"] == 8080
    assert placement.settings["command"] == ["gunicorn", "app:make()"]
    variables = {each.name: (each.value, each.is_secret) for each in placement.variables.all()}
    assert variables == {"FLASK_ENV": ("production", False), "DB_PASSWORD": ("", True)}
    assert "correct horse" not in str(list(AuditEntry.objects.values()))


@pytest.mark.usefixtures("staging")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "My Shop!"}, "single dashes"),
        ({"variables-text": "A=1\nB"}, "Line 2"),
        ({"variables-text": "A=1\nA=2"}, "already set"),
        ({"variables-text": f"{'A' * 300}=1"}, "at most"),
    ],
)
def test_what_is_wrong_is_said_and_the_notes_stay(
    as_ana: Client, server: Host, changes: dict[str, str], words: str
) -> None:
    typed: dict[str, Any] = {**fields(page(as_ana, LINE)), "hosts": [str(server.pk)], **changes}
    answer = as_ana.post("/applications/new", typed)
    html = unescape(answer.content.decode())
    assert answer.status_code == 422
    assert words in html
    assert "Nothing was saved" in html
    assert "<code>-v $(pwd):/app</code>" in html, "what was not understood is still named"
    assert fields(answer.content.decode())["variables-text"] == typed["variables-text"]
    assert not Application.objects.exists(), "application, placement and variables are saved together or not at all"


@pytest.mark.usefixtures("staging")
def test_an_image_that_is_built_there_says_so(as_ana: Client) -> None:
    html = unescape(
        page(as_ana, "git clone https://git.example.com/shop.git\ndocker build -t shop .\ndocker run -p 80:80 shop")
    )
    assert "the servers can't pull it" in html
    assert "https://git.example.com/shop.git" in html
    html = unescape(page(as_ana, "docker build -t shop ."))
    assert "the servers can't pull it" in html
    assert fields(html)["image"] == ""


@pytest.mark.parametrize("text", ["hello", "docker ps", "docker run", "", "docker compose up -d"])
def test_what_is_no_run_line_is_refused(as_ana: Client, text: str) -> None:
    html = page(as_ana, text, status=422)
    assert 'id="id_text_error"' in html
    assert text in unescape(html), "what was typed is still there"


@pytest.mark.usefixtures("staging")
def test_of_a_compose_file_one_service_is_chosen(as_ana: Client) -> None:
    html = page(as_ana, COMPOSE, "compose")
    assert re.findall(r'name="service" value="(\w+)"', html) == ["web", "db"]
    assert "postgres:15" in html
    html = page(as_ana, COMPOSE, "compose", service="db")
    found = fields(html)
    assert (found["name"], found["image"]) == ("db", "postgres:15")
    assert found["settings.network_aliases"] == "db"
    assert found["variables-text"] == "POSTGRES_PASSWORD=hunter22\n"
    assert found["variables-secret_names"] == "POSTGRES_PASSWORD"
    html = unescape(page(as_ana, COMPOSE, "compose", service="web"))
    assert "<code>scale: 2</code>" in html
    assert "line 5" in html


def test_a_compose_file_that_is_none_is_refused_by_line(as_ana: Client) -> None:
    html = unescape(page(as_ana, "services:\n  web:\n\timage: x\n", "compose", status=422))
    assert "Line 3: A tab stands here." in html


@pytest.mark.usefixtures("staging")
def test_markup_stays_text(as_ana: Client) -> None:
    html = page(as_ana, "docker run -e A='<script>x</script>' --frob='<script>' nginx:<script>alert(1)</script>")
    assert "<script>" not in html[html.index("</head>") :].replace('<script type="module"', "")
    assert "&lt;script&gt;" in html


@pytest.mark.usefixtures("staging")
def test_each_way_to_start_leads_to_the_others(as_ana: Client) -> None:
    for address in (
        "/applications/new",
        "/applications/paste",
        "/applications/paste?kind=compose",
        "/applications/paste?kind=odd",
    ):
        html = as_ana.get(address).content.decode()
        assert 'href="/applications/paste?kind=run"' in html
        assert 'href="/applications/paste?kind=compose"' in html
        assert html.count('aria-current="page"') >= 1


def test_only_who_may_create_may_paste(client: Client) -> None:
    client.force_login(make.carla())
    assert client.get("/applications/paste").status_code == 403
    assert client.post("/applications/paste", {"kind": "run", "text": LINE}).status_code == 403


WHOLE = """\
name: Harbour_Shop
services:
  web:
    image: registry.example.com/shop:${SHOP_VERSION}
    environment: [DB_PASSWORD=hunter22, "MODE=${MODE:-live}"]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD:?set it}"}
"""


@pytest.mark.usefixtures("staging")
def test_a_whole_compose_file_is_kept_and_its_variables_are_asked_for(as_ana: Client, server: Host) -> None:
    html = page(as_ana, WHOLE, "compose", way="whole")
    found = fields(html)
    assert (found["name"], found["source"], found["compose_from"]) == ("harbour-shop", "compose", "text")
    assert found["compose.text"] == WHOLE
    assert found["variables-text"] == "# SHOP_VERSION=\n# DB_PASSWORD=\n"
    assert found["variables-secret_names"] == "DB_PASSWORD"
    assert not any(name.startswith("settings.") for name in found), "what a container is like stands in the file"
    text = unescape(html)
    assert "The whole file is kept: 2 services" in text
    assert "<code>DB_PASSWORD</code> <span>web</span>" in text, "it stands in the file itself"
    assert not Application.objects.exists()
    typed: dict[str, Any] = {
        **found,
        "hosts": [str(server.pk)],
        "variables-text": "SHOP_VERSION=2\nDB_PASSWORD=correct horse\n",
    }
    wrong = as_ana.post(
        "/applications/new", {**typed, "compose.text": WHOLE + "\tx: 1\n", "compose.wait_seconds": "no"}
    )
    html = unescape(wrong.content.decode())
    assert wrong.status_code == 422
    assert "Line 9: A tab stands here." in html
    assert 'data-bad-lines="9"' in html
    assert 'id="id_compose_wait_seconds_error"' in html
    assert "SHOP_VERSION=2" in html
    assert "\tx: 1" in html
    answer = as_ana.post("/applications/new", typed)
    assert answer["Location"] == "/applications/harbour-shop/staging/", answer.content.decode()
    placement = Placement.objects.get()
    assert (placement.source, placement.image, placement.compose["text"]) == ("compose", "", WHOLE)
    assert placement.variables.get(name="DB_PASSWORD").is_secret


def test_a_compose_file_offers_two_ways(as_ana: Client) -> None:
    html = as_ana.get("/applications/paste?kind=compose").content.decode()
    assert 'name="way" value="whole" checked' in html
    assert 'name="way" value="service"' in html
    assert 'name="way"' not in as_ana.get("/applications/paste?kind=run").content.decode()
    assert "services:” and a service below it" in unescape(page(as_ana, "a: 1", "compose", 422, way="whole"))
