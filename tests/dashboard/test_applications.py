"""Applications: describing one, listing them, putting one away."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments.models import Application, AuditEntry, Host, Placement, User
from tests import factories as make

pytestmark = pytest.mark.django_db

ANYWHERE = "0.0.0.0"  # noqa: S104 - Docker's default


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


def typed(server: Host, **changes: Any) -> dict[str, Any]:
    """What a person types for the usual case; the last row of ports is left blank, as the form has it."""
    make.environment("staging")
    return {
        "name": "storefront",
        "description": "What customers see",
        "environment": "staging",
        "image": "registry.example.com/storefront:2.4.1",
        "hosts": [str(server.pk)],
        "url": "https://shop.example.com",
        "keep_releases": "5",
        "settings.ports.0.container_port": "5000",
        "settings.ports.0.host_port": "8080",
        "settings.ports.0.host_address": ANYWHERE,
        "settings.ports.0.protocol": "tcp",
        "settings.ports.1.container_port": "",
        "settings.ports.1.host_port": "",
        "settings.ports.1.host_address": ANYWHERE,
        "settings.ports.1.protocol": "tcp",
        "settings.health.kind": "http",
        "settings.health.path": "/healthz",
        **changes,
    }


def test_one_form_makes_an_application_with_its_first_placement(as_ana: Client, server: Host) -> None:
    answer = as_ana.post("/applications/new", typed(server))
    assert (answer.status_code, answer["Location"]) == (302, "/applications/storefront/staging/")
    placement = Placement.objects.get(application__name="storefront")
    assert placement.image == "registry.example.com/storefront:2.4.1"
    assert [seat.host for seat in placement.seats.all()] == [server]
    assert placement.settings["ports"] == [
        {"container_port": 5000, "host_port": 8080, "host_address": ANYWHERE, "protocol": "tcp"}
    ]
    assert placement.settings["health"]["path"] == "/healthz"
    assert set(AuditEntry.objects.values_list("action", "actor_name")) == {
        ("application.create", "Ana Prado"),
        ("placement.create", "Ana Prado"),
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Store Front!"}, "lowercase letters, digits and single dashes"),
        ({"name": ""}, "This field is required."),
        ({"image": "https://registry.example.com/x"}, "registry.example.com/x"),
        ({"environment": "moon"}, "Select a valid choice"),
        ({"url": "shop"}, "Write a web address"),
        ({"hosts": ["999999"]}, "Select a valid choice"),
        ({"keep_releases": "0"}, "Use a number from 1 to 50."),
        ({"settings.ports.0.host_port": "99999"}, "Use a number from 1 to 65535."),
        ({"settings.memory": "much"}, "Write a size such as 512m or 2g."),
        ({"settings.health.path": "healthz"}, "Write a path that begins with"),
        ({"settings.network_aliases": "ok\nNot Ok"}, "Use lowercase letters, digits and dashes"),
    ],
)
def test_what_can_not_be_is_said_at_its_field_and_nothing_is_lost(
    as_ana: Client, server: Host, changes: dict[str, Any], words: str
) -> None:
    answer = as_ana.post("/applications/new", typed(server, **changes))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert "Nothing was saved" in text
    assert 'aria-invalid="true"' in text or "has-error" in text
    assert not Application.objects.exists(), "the application and its placement are saved together or not at all"
    for value in {**typed(server), **changes}.values():
        if isinstance(value, str) and value.isascii() and "\n" not in value:
            assert value in text, f"what was typed is still there: {value}"


def test_everything_wrong_is_said_at_once(as_ana: Client, server: Host) -> None:
    wrong = {"name": "Store Front", "image": "Shop:2", "url": "shop", "environment": "moon", "settings.memory": "much"}
    text = as_ana.post(
        "/applications/new", typed(server, **wrong, **{"settings.ports.0.container_port": "x"})
    ).content.decode()
    assert "lowercase letters, digits and single dashes" in text
    assert "Write a web address" in text
    assert "Select a valid choice" in text
    assert 'id="id_image_error"' in text
    assert "Write a size such as 512m or 2g." in text
    assert "Write a whole number from 1 to 65535." in text


def test_a_name_that_is_taken_is_refused_at_the_name(as_ana: Client, server: Host) -> None:
    make.application("storefront")
    answer = as_ana.post("/applications/new", typed(server))
    assert answer.status_code == 422
    assert 'id="id_name_error"' in answer.content.decode()
    assert "This name is taken." in answer.content.decode()


def test_the_first_environment_is_chosen_and_its_lack_is_said(as_ana: Client) -> None:
    assert "There is no environment yet." in as_ana.get("/applications/new").content.decode()
    make.environment("staging")
    assert 'value="staging" checked' in as_ana.get("/applications/new").content.decode()


@pytest.mark.parametrize(("everything", "status"), [(True, 200), (False, 403)])
def test_a_deployer_makes_applications_only_where_everything_is_theirs(
    client: Client, everything: bool, status: int
) -> None:
    bruno = make.bruno()
    bruno.deploys_everything = everything
    bruno.save()
    client.force_login(bruno)
    assert client.get("/applications/new").status_code == status


def test_an_auditor_makes_none(client: Client) -> None:
    client.force_login(make.carla())
    assert client.get("/applications/new").status_code == 403
    assert client.post("/applications/new").status_code == 403


def test_the_list_shows_what_is_granted_and_nothing_else(client: Client) -> None:
    granted = make.placement(make.application("storefront"))
    make.placement(make.application("payroll"))
    client.force_login(make.bruno(granted))
    text = client.get("/applications/").content.decode()
    assert "storefront" in text
    assert "payroll" not in text
    assert client.get("/applications/payroll/").status_code == 404
    assert client.get("/applications/storefront/").status_code == 200


def test_a_page_says_where_else_it_could_be(as_ana: Client) -> None:
    make.environment("production")
    placement = make.placement(make.application("storefront"), make.environment("staging"))
    text = as_ana.get("/applications/storefront/").content.decode()
    assert 'href="/applications/storefront/add"' in text
    make.placement(placement.application, make.environment("production"))
    assert 'href="/applications/storefront/add"' not in as_ana.get("/applications/storefront/").content.decode()


def test_its_description_can_be_changed(as_ana: Client) -> None:
    make.application("storefront")
    assert as_ana.post("/applications/storefront/edit", {"description": "The shop"}).status_code == 302
    assert Application.objects.get().description == "The shop"
    assert as_ana.post("/applications/storefront/edit", {"description": "x" * 201}).status_code == 422


def test_putting_away_asks_for_the_name_and_says_what_keeps_running(as_ana: Client) -> None:
    placement = make.placement(make.application("storefront"), hosts=[make.host("web-1")])
    make.ran(make.release(placement))
    assert "web-1" in as_ana.get("/applications/storefront/archive").content.decode()
    assert as_ana.post("/applications/storefront/archive", {"name": "shop"}).status_code == 422
    assert Application.objects.get().archived_at is None
    assert as_ana.post("/applications/storefront/archive", {"name": "storefront"}).status_code == 302
    assert Application.objects.get().archived_at is not None
    assert "1 archived application" in as_ana.get("/applications/").content.decode()


def test_an_open_deployment_is_in_the_way_of_putting_away(as_ana: Client) -> None:
    make.deployment(make.release(make.placement(make.application("storefront"))))
    answer = as_ana.post("/applications/storefront/archive", {"name": "storefront"})
    assert answer.status_code == 422
    assert "A deployment of it is still open." in answer.content.decode()


@pytest.mark.parametrize("path", ["/applications/", "/applications/app-0/"])
def test_the_number_of_queries_does_not_grow_with_the_rows(as_ana: Client, path: str) -> None:
    application = make.application("app-0")

    def grow(times: int) -> None:
        for _each in range(times):
            own = make.placement(application, make.environment(f"e-{Placement.objects.count()}"), [make.host()])
            make.ran(make.release(own))
            make.ran(make.release(make.placement(hosts=[make.host()])))

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert as_ana.get(path).status_code == 200
        return len(found)

    grow(1)
    as_ana.get(path)
    few = queries()
    grow(5)
    assert queries() == few
    assert few <= 15
