"""Compose applications: settings, plan, placement, release and deployment pages."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import compose_settings
from deployments.models import Deployment, Environment, Host, Placement, Plan, Repository, Role, User
from deployments.queries.compose_parts import file_diffs, services_seen, text_diff
from tests import factories as make
from tests.dashboard import quay, shipyard
from tests.worker.sources.test_injection import COMMANDS

pytestmark = pytest.mark.django_db

STAGING = "/applications/shop/staging/"
PRODUCTION = "/applications/shop/production/"
SETTINGS = f"{STAGING}settings"


@pytest.fixture
def found() -> dict[str, Any]:
    """A shop of several services on three servers, and one server to try things on."""
    hosts = [*(make.host(f"web-{number}") for number in (1, 2, 3)), make.host("lab-1")]
    application = make.application("shop")
    staging = make.placement(application, make.environment("staging", position=1), hosts[3:])
    production = make.placement(application, make.environment("production", position=2), hosts[:3])
    return {"hosts": hosts, **quay.quay(staging, production, hosts[:3])}


@pytest.fixture
def as_ana(found: dict[str, Any], client: Client) -> Client:
    client.force_login(User.objects.create(email="ana@example.com", name="Ana Prado", role=Role.ADMIN))
    return client


def page(client: Client, path: str) -> str:
    """What a page says."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return unescape(answer.content.decode())


def typed(found: dict[str, Any], **changes: str) -> dict[str, Any]:
    """The settings' form of staging, its file kept here."""
    staging: Placement = found["staging"]
    return {
        "source": "compose",
        "compose_from": "text",
        "image": "",
        "hosts": [str(each.pk) for each in staging.hosts.all()],
        "keep_releases": "5",
        "settings.health.kind": "http",  # without a port it couldn't be saved, and it isn't looked at
        "compose.ref": "main",
        "compose.text": quay.KEPT,
        "compose.profiles": "shop, mail",
        "compose.wait_seconds": "90",
        "compose.lfs": "on",
        **changes,
    }


def test_settings_show_the_file_and_save_it_byte_for_byte(as_ana: Client, found: dict[str, Any]) -> None:
    text = page(as_ana, SETTINGS)
    assert 'name="source" value="compose" checked' in text
    assert 'name="compose_from" value="text" checked' in text
    assert quay.KEPT in text
    changed = quay.KEPT + "# a last word\n"
    answer = as_ana.post(SETTINGS, typed(found, **{"compose.text": changed.replace("\n", "\r\n")}))
    assert answer.status_code == 302, answer.content.decode()
    placement = Placement.objects.get(pk=found["staging"].pk)
    assert placement.compose["text"] == changed
    assert (placement.compose["profiles"], placement.compose["wait_seconds"]) == (["shop", "mail"], 90)
    assert ">\nshop\nmail</textarea>" in page(as_ana, SETTINGS)
    waiting = page(as_ana, STAGING)
    assert "Set, but not deployed yet" in waiting
    assert '<span class="plus">+# a last word' in waiting


def test_from_the_repository_the_text_is_not_kept(as_ana: Client, found: dict[str, Any]) -> None:
    files = {"compose_from": "repository", "compose.files": "deploy/compose.yaml\r\ndeploy/live.yaml"}
    assert as_ana.post(SETTINGS, typed(found, **files)).status_code == 302
    compose = Placement.objects.get(pk=found["staging"].pk).compose
    assert (compose["text"], compose["files"]) == ("", ["deploy/compose.yaml", "deploy/live.yaml"])
    assert page(as_ana, "/applications/shop/repository").count("main · Compose") == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compose.text": "services:\n  web:\n\timage: x\n"}, "Line 3: A tab stands here."),
        ({"compose.text": " \r\n"}, "Paste the Compose file here."),
        ({"compose.text": "[1]"}, "This has to begin with a name"),
        ({"compose.profiles": "shop --all"}, "2: Use letters, digits"),
        ({"compose.wait_seconds": "0"}, "Use a number from 1 to 3600."),
        ({"compose.settle_seconds": "soon"}, "Write a number from"),
        ({"compose.memory": "much"}, "Write a size such as 512m"),
        ({"compose_from": "repository", "compose.files": "../compose.yaml"}, "1: Write a path inside the repository"),
        ({"compose_from": "repository", "compose.ref": "--upload-pack=x"}, "Write the name of a branch or tag"),
        ({"source": "image"}, "This field is required."),
        ({"source": "image", "image": "nginx:1"}, "would run beside each other"),
    ],
)
def test_what_can_not_be_is_said_at_its_field_and_nothing_is_lost(
    as_ana: Client, found: dict[str, Any], changes: dict[str, str], words: str
) -> None:
    if changes.get("image"):
        changes = {**changes, "settings.health.kind": "running"}
    answer = as_ana.post(SETTINGS, typed(found, **{"compose.deadline": "77", **changes}))
    text = unescape(answer.content.decode())
    assert answer.status_code == 422
    assert words in text
    assert 'name="compose.deadline" id="id_compose_deadline" value="77"' in text
    assert Placement.objects.get(pk=found["staging"].pk).compose["deadline"] == 1800


def test_without_a_repository_only_a_file_can_be_kept(as_ana: Client, found: dict[str, Any]) -> None:
    Repository.objects.all().delete()
    text = page(as_ana, SETTINGS)
    assert 'type="hidden" name="compose_from" value="text"' in text
    assert 'name="source" value="git"' not in text
    answer = as_ana.post(SETTINGS, typed(found, compose_from="repository"))
    assert "has no repository yet" in answer.content.decode()


def test_another_environment_begins_with_the_same_file(as_ana: Client, found: dict[str, Any]) -> None:
    found["production"].seats.update(is_active=False)
    make.environment("preview")
    Placement.objects.filter(pk=found["production"].pk).update(compose=found["staging"].compose)
    text = page(as_ana, "/applications/shop/add?environment=preview")
    assert quay.KEPT in text
    answer = as_ana.post("/applications/shop/add", {**typed(found), "environment": "preview", "hosts": []})
    assert answer.status_code == 302
    assert Placement.objects.get(environment__name="preview").compose["text"] == quay.KEPT


def test_the_plan_says_what_becomes_of_each_service(as_ana: Client, found: dict[str, Any]) -> None:
    plan: Plan = found["plan"]
    text = page(as_ana, f"/plans/{plan.pk}/")
    for words in (
        "Deploy shop main@",
        "Builds <strong>api</strong> first, on <strong>web-1</strong>; web-2 and web-3 get the images from there.",
        "and 3 more commits since what runs",
        "profile shop",
        "Recreated: web.",
        "3 services",
        "4 services, the same as on web-1",
        "Its volumes stay.",
        "Variables: DATABASE_URL changed",
        "image of the service",
        "1 recreated",
        "/var/run/docker.sock is the engine itself",
        '<span class="plus">+    build: api',
        '<span class="minus">-WEB_VERSION=3',
        "Exactly commit",
    ):
        assert words in text or words == "3 services", words
    left = page(as_ana, f"/plans/{plan.pk}/?leave_out={found['hosts'][0].pk}")
    assert "the same as on web-2" in left
    assert "the same as on web-1" not in left
    assert "estiva/awaited" not in text
    assert "start-first" not in text
    assert "starts beside the old one" not in text
    assert "How to have none" not in text
    assert "image registry.harbour.example/shop/web@sha256" not in text, "both images are shown beside it already"


def test_new_power_needs_an_admin(client: Client, found: dict[str, Any]) -> None:
    plan: Plan = found["plan"]
    client.force_login(make.bruno(found["production"]))
    text = page(client, f"/plans/{plan.pk}/")
    assert "An admin has to deploy this." in text
    needed = text[text.index('id="needs-admin"') :]
    assert "docker.sock" in needed[: needed.index("</ul>")]
    assert "network_mode" not in needed[: needed.index("</ul>")], "what runs has that already"
    assert 'class="button main go" disabled aria-describedby="needs-admin"' in text
    answer = client.post(f"/plans/{plan.pk}/deploy", {"fingerprint": plan.fingerprint, "confirm": "shop"})
    assert answer.status_code in {302, 422}
    assert not Deployment.objects.filter(plan=plan).exists()
    client.force_login(make.ana())
    text = page(client, f"/plans/{plan.pk}/")
    assert "This gives power over the server" in text
    assert "An admin has to deploy this." not in text
    assert 'class="button main go">' in text


def test_power_over_one_server_is_none_over_another(client: Client, found: dict[str, Any]) -> None:
    host = make.host("web-4")
    found["production"].seats.create(host=host)
    plan = quay.plan(found["production"], [found["hosts"][0], host], source=quay.source(powers=[quay.NETWORK]))
    client.force_login(make.bruno(found["production"]))
    assert 'aria-describedby="needs-admin"' in page(client, f"/plans/{plan.pk}/")
    assert 'class="button main go">' in page(client, f"/plans/{plan.pk}/?leave_out={host.pk}")


def test_power_that_runs_already_needs_nobody(client: Client, found: dict[str, Any]) -> None:
    plan = quay.plan(found["production"], found["hosts"][:1], source=quay.source(powers=[quay.NETWORK]))
    client.force_login(make.bruno(found["production"]))
    text = page(client, f"/plans/{plan.pk}/")
    assert "What runs has power over the server already" in text
    assert 'class="button main go">' in text


def test_a_server_without_compose_says_what_to_install(as_ana: Client, found: dict[str, Any]) -> None:
    plan = quay.plan(found["production"], found["hosts"][:3], lacking=True)
    text = page(as_ana, f"/plans/{plan.pk}/")
    assert "Compose v2 is missing on web-3." in text
    assert "Install Compose v2 there" in text
    assert "web-3 can't be deployed to." in text.replace("\n", " ")


def test_images_that_were_built_are_said_to_be_used_again(as_ana: Client, found: dict[str, Any]) -> None:
    built = quay.release(found["production"], quay.source(), found["hosts"][0])
    plan = quay.plan(found["production"], found["hosts"][:1], source=built.source, of_release=built)
    assert f"api: the images of release {built.number} are used." in page(as_ana, f"/plans/{plan.pk}/")


def test_a_file_that_is_kept_is_planned_without_commits(as_ana: Client, found: dict[str, Any]) -> None:
    rows = [quay.services_row(found["hosts"][3])]
    plan = make.planned(found["staging"], rows, image="", tag="", digest="", source=quay.kept_source())
    text = page(as_ana, f"/plans/{plan.pk}/")
    assert "The Compose file that is kept here" in text
    assert "Deploy shop to staging" in text
    assert "Build again without cache" not in text
    assert "Exactly the digests shown are deployed" in text


def test_the_placement_shows_each_service_as_it_was_seen(as_ana: Client, found: dict[str, Any]) -> None:
    text = page(as_ana, STAGING)
    seats = text[text.index('id="seats"') : text.index('id="releases"')]
    assert '<span class="state good small">running</span><strong>web</strong>' in seats
    assert "2 containers" in seats
    assert '<span class="state warn small">restarting</span><strong>db</strong>' in seats
    assert "stranger" not in seats
    assert "shop-old-1" not in seats
    assert "2 services" in text, "a release says how many it brings up"
    assert "Set, but not deployed yet" not in text


def test_a_release_shows_files_images_and_what_differs(as_ana: Client, found: dict[str, Any]) -> None:
    text = page(as_ana, f"{STAGING}releases/2/")
    for words in (
        quay.KEPT,
        quay.images(4)["web"].partition("@")[2],
        "What Compose was given",
        '<span class="minus">-    image: registry.harbour.example/shop/web:3',
        "Seconds to become healthy in",
    ):
        assert words in text
    assert "Memory limit" not in text, "the settings of a single container say nothing here"
    built = quay.release(found["production"], quay.source(powers=[quay.SOCKET]), found["hosts"][0])
    text = page(as_ana, f"{PRODUCTION}releases/{built.number}/")
    for words in ("built on web-1", "91.4 MB", "python:3.12-slim", make.digest("api"), "Power over the server", ".env"):
        assert words in text


def test_a_deployment_shows_that_images_are_built_first(as_ana: Client, found: dict[str, Any]) -> None:
    text = page(as_ana, f"/deployments/{found['building'].pk}/")
    for words in ("Build on web-1", "Waits for the image.", "api: RUN pip", "<dt>Services</dt><dd>3</dd>"):
        assert words in text
    assert "Seconds to become healthy in" in text


def test_every_other_page_takes_it(as_ana: Client, found: dict[str, Any]) -> None:
    for path in (
        "/",
        "/applications/",
        "/applications/shop/",
        "/deployments/",
        "/servers/web-1/",
        f"{STAGING}variables",
    ):
        page(as_ana, path)
    assert "release 2" in page(as_ana, "/applications/")
    assert "They take the place of ${NAME}" in page(as_ana, f"{STAGING}variables")
    other = make.placement(make.application("quiet"), Environment.objects.get(name="staging"))
    quay.composed(other, quay.KEPT)
    assert "a Compose file" in page(as_ana, "/")


@pytest.mark.parametrize("text", [each.format("canary") for each in COMMANDS])
def test_whatever_is_typed_is_taken_or_refused_and_stays_text(as_ana: Client, found: dict[str, Any], text: str) -> None:
    names = [each.name for each in compose_settings.FIELDS if each.kind != "toggle"]
    form = typed(found, **{f"compose.{name}": f"{text}<b>" for name in names}, compose_from="repository")
    answer = as_ana.post(SETTINGS, form)
    assert answer.status_code == 422, "a number can't be any of these"
    assert "<b>" not in answer.content.decode()
    assert Placement.objects.get(pk=found["staging"].pk).compose["text"] == quay.KEPT


def test_markup_in_a_file_stays_text(as_ana: Client, found: dict[str, Any]) -> None:
    evil = quay.KEPT.replace("postgres:16", "<script>alert(1)</script>") + "# </textarea><script>\n"
    quay.composed(found["staging"], evil)
    made = quay.release(found["staging"], quay.kept_source(evil, powers=[["<script>", "<b>", "</ul><script>"]]))
    plan = make.planned(
        found["staging"],
        [
            quay.services_row(
                found["hosts"][3], services=[quay.change("<script>", "recreated", "<script>", after="<i>")]
            )
        ],
        source=quay.kept_source(evil, powers=[["<script>", "<b>", "</ul><script>"]]),
    )
    for path in (SETTINGS, STAGING, f"{STAGING}releases/{made.number}/", f"/plans/{plan.pk}/"):
        html = as_ana.get(path).content.decode()
        assert "<script>" not in html, path
        assert "style=" not in html, path


@pytest.mark.parametrize("what", ["placement", "settings", "plan", "release", "deployment", "overview"])
def test_the_number_of_queries_does_not_grow(as_ana: Client, found: dict[str, Any], what: str) -> None:
    production: Placement = found["production"]
    plan: Plan = found["plan"]
    path = {
        "placement": PRODUCTION,
        "settings": f"{PRODUCTION}settings",
        "plan": f"/plans/{plan.pk}/",
        "release": f"{PRODUCTION}releases/1/",
        "deployment": f"/deployments/{found['building'].pk}/",
        "overview": "/",
    }[what]

    def queries() -> int:
        page(as_ana, path)
        with CaptureQueriesContext(connection) as asked:
            page(as_ana, path)
        return len(asked)

    few = queries()
    for number in range(4, 8):
        host = make.host(f"web-{number}")
        production.seats.create(host=host, running_release=production.releases.get(number=1))
        quay.seen(production, host)
        make.target(found["building"], host)
        plan.hosts.append(quay.services_row(host))
    plan.save()
    assert queries() == few


def test_only_files_that_differ_are_compared() -> None:
    before, after = quay.kept_source(quay.OLDER), quay.kept_source(quay.KEPT)
    after["files"] = [*after["files"], [".env", "A=1"]]
    assert [(each.name, each.kind) for each in file_diffs(before, after)] == [
        ("compose.yaml", "changed"),
        (".env", "added"),
    ]
    assert file_diffs({}, after) == []
    assert file_diffs(after, after) == []


def test_a_long_file_is_not_compared_line_by_line() -> None:
    long = "\n".join(f"line {number % 7}" for number in range(4_001))
    assert text_diff("a", long, long + "\nmore").left_out == 4_002
    files = [["a", long[:6_000]], ["b", long[:6_000]], ["c", long[:6_000]]]
    compared = file_diffs({"files": []}, {"files": files})
    assert [bool(each.lines) for each in compared] == [True, True, False], "a page's time is bounded, not each file's"
    shown = text_diff("a", None, "\n".join(map(str, range(1_000))))
    assert (len(shown.lines), shown.left_out) == (400, 601)


def test_containers_that_do_not_say_their_service_are_left_out() -> None:
    rows = [
        {"placement": "7", "service": "web", "state": "running", "image": "a"},
        {"placement": "7", "service": "job", "state": "exited", "image": "b"},
        {"placement": "7", "state": "running", "image": "c"},
        {"placement": "8", "service": "web", "state": "running", "image": "d"},
    ]
    assert [(each.service, each.state, each.image) for each in services_seen(rows, 7)] == [
        ("job", "waiting", "b"),
        ("web", "ready", "a"),
    ]
    assert services_seen(rows, 9) == []


def test_what_a_deploy_left_stands_until_somebody_looked_again() -> None:
    left: list[dict[str, object]] = [
        {"service": "web", "container": "shop-web-1", "digest": None, "image_id": "sha256:1", "running": True},
        {"service": "db", "container": "shop-db-1", "digest": "sha256:2", "image_id": "sha256:3", "running": False},
    ]
    seen = [{"placement": "7", "service": "web", "state": "exited", "image": "a"}]
    before, after = services_seen(seen, 7, left), services_seen(seen, 7, left, is_later=True)
    assert [(each.service, each.word, each.image) for each in before] == [
        ("db", "exited", "sha256:2"),
        ("web", "running", "sha256:1"),
    ]
    assert [(each.service, each.word, each.state, each.is_missing) for each in after] == [
        ("db", "", "warn", True),
        ("web", "exited", "waiting", False),
    ]


def test_a_plan_without_a_repository_leads_to_the_settings(as_ana: Client, found: dict[str, Any]) -> None:
    Repository.objects.all().delete()
    answer = as_ana.post(f"{PRODUCTION}plan")
    assert answer["Location"] == f"{PRODUCTION}settings"


def test_looking_at_the_repository_keeps_it_a_compose_application(as_ana: Client, found: dict[str, Any]) -> None:
    look = shipyard.look(found["repository"])
    text = page(as_ana, f"{PRODUCTION}settings?look={look.pk}")
    assert 'name="source" value="compose" checked' in text
    host: Host = found["hosts"][0]
    assert host.name in text
    Environment.objects.create(name="preview")
    for query in ("", "&source=compose"):
        text = page(as_ana, f"/applications/shop/add?look={look.pk}{query}")
        assert 'name="compose_from" value="repository" checked' in text
        assert 'name="compose.ref" id="id_compose_ref" value="main"' in text
    assert f"?look={look.pk}&source=compose" in page(as_ana, "/applications/shop/repository")
