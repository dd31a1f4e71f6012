"""An application in an environment: what runs, its settings, its releases."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.forms.settings import SettingsForm, read
from deployments import container_settings
from deployments.models import Host, Placement, Target, User
from deployments.queries.placement_page import placement_page
from tests import factories as make

pytestmark = pytest.mark.django_db

ANYWHERE = "0.0.0.0"  # noqa: S104 - Docker's default

PATH = "/applications/storefront/staging/"


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


@pytest.fixture
def placement() -> Placement:
    return make.placement(make.application("storefront"), hosts=[make.host("web-1"), make.host("web-2")])


def page(client: Client, path: str = PATH) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def as_typed(placement: Placement, **changes: Any) -> dict[str, Any]:
    """The settings form as it was shown, with some fields typed over."""
    fields: dict[str, Any] = {
        "image": placement.image,
        "url": placement.url,
        "keep_releases": str(placement.keep_releases),
        "version": str(placement.version),
        "hosts": [str(pk) for pk in placement.seats.filter(is_active=True).values_list("host_id", flat=True)],
    }
    for bound in SettingsForm(placement.settings):
        cells = [*bound.columns, *(cell for row in bound.rows for cell in row)]
        fields.update({cell.path: cell.value for cell in cells or [bound] if cell.field.kind != "rows"})
    return {**fields, **changes}


def test_it_shows_what_each_server_runs(as_ana: Client, placement: Placement) -> None:
    make.ran(make.release(placement, "2.4.1"), requested_by_name="Bruno Lima")
    seat = placement.seats.get(host__name="web-2")
    seat.observed, seat.drift = {"container": "storefront-staging-r1.f3"}, "stopped by hand"
    seat.save()
    share = Target.objects.get(host=seat.host)
    share.published = [[ANYWHERE, 8080, 5000, "tcp"]]
    share.save()
    text = page(as_ana)
    for words in (
        "web-1",
        "web-2",
        "2.4.1",
        "storefront-staging-r1.f3",
        "stopped by hand",
        "0.0.0.0:8080",
        "Bruno Lima",
    ):
        assert words in text


def test_without_servers_it_says_where_to_choose_them(as_ana: Client) -> None:
    make.placement(make.application("storefront"))
    assert "On no server yet" in page(as_ana)


def test_what_is_set_but_not_deployed_is_said_before_anybody_asks(as_ana: Client, placement: Placement) -> None:
    make.ran(make.release(placement))
    assert "Set, but not deployed yet" not in page(as_ana)
    make.variable(placement, "CART_V2", "on")
    make.variable(placement, "STRIPE_KEY", "sk_live_topsecret", secret=True)
    Placement.objects.update(image="registry.example.com/storefront:2.0")
    text = page(as_ana)
    for words in ("Set, but not deployed yet", "CART_V2", "STRIPE_KEY", "registry.example.com/storefront:2.0"):
        assert words in text
    assert "sk_live_topsecret" not in text


def test_only_what_once_succeeded_and_does_not_run_can_be_gone_back_to(as_ana: Client, placement: Placement) -> None:
    old, running, never = (make.release(placement, tag) for tag in ("1.0", "2.0", "3.0"))
    make.ran(old)
    make.ran(running)
    rows = {row.release: row for row in placement_page(placement).releases}
    assert [rows[each].can_return for each in (old, running, never)] == [True, False, False]
    assert page(as_ana).count('name="of_release"') == 1
    old.lost_secrets = ["STRIPE_KEY"]
    old.save()
    assert 'name="of_release"' not in page(as_ana)


def test_kept_are_as_many_as_the_settings_say(placement: Placement) -> None:
    Placement.objects.update(keep_releases=2)
    placement.refresh_from_db()
    for tag in ("1", "2", "3"):
        make.ran(make.release(placement, tag))
    assert [row.is_kept for row in placement_page(placement).releases] == [True, True, False]


def test_saving_what_was_shown_changes_nothing(as_ana: Client, placement: Placement) -> None:
    raw = {
        "ports": [{"container_port": 5000, "host_port": 8080}, {"container_port": 53, "protocol": "udp"}],
        "volumes": [{"name": "data", "path": "/data", "read_only": True}],
        "command": ["sh", "-c", "echo 'one\ntwo'", "", "[odd]"],
        "entrypoint": ["/bin/start"],
        "restart": "on-failure",
        "restart_retries": 3,
        "memory": 512 * 1024**2,
        "cpus": 0.5,
        "user": "1000:1000",
        "network_aliases": ["db", "db.internal"],
        "health": {"kind": "http", "path": "/healthz?full=1", "port": 5000, "interval": 0.25},
    }
    placement.settings = container_settings.normalise(raw)
    placement.save()
    answer = as_ana.post(f"{PATH}settings", as_typed(placement))
    assert answer.status_code == 302
    saved = Placement.objects.get()
    assert saved.settings == placement.settings
    assert saved.version == placement.version, "nothing differs, so nothing is recorded"


def test_a_change_is_saved_and_said_to_come_with_the_next_deploy(as_ana: Client, placement: Placement) -> None:
    web_3 = make.host("web-3")
    changes = {"hosts": [str(web_3.pk)], "settings.memory": "1g", "settings.command": "serve\r\n--port 80\r\n"}
    answer = as_ana.post(f"{PATH}settings", as_typed(placement, **changes), follow=True)
    assert "the next deploy brings the change" in answer.content.decode()
    saved = Placement.objects.get()
    assert saved.settings["memory"] == 1024**3
    assert saved.settings["command"] == ["serve", "--port 80"]
    assert list(saved.seats.filter(is_active=True).values_list("host__name", flat=True)) == ["web-3"]


def test_rows_are_told_apart_by_number_and_errors_stand_in_their_row(as_ana: Client, placement: Placement) -> None:
    answer = as_ana.post(
        f"{PATH}settings",
        as_typed(
            placement,
            **{
                "settings.ports.3.container_port": "",
                "settings.ports.7.container_port": "70000",
                "settings.ports.7.host_port": "81",
            },
        ),
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'id="id_settings_ports_1_container_port_error"' in text, (
        "blank rows are gone, so the wrong one is the second"
    )
    assert 'value="70000"' in text


def test_whoever_saves_second_is_told(as_ana: Client, placement: Placement) -> None:
    typed = as_typed(placement, url="https://one.example.com")
    Placement.objects.update(version=7)
    answer = as_ana.post(f"{PATH}settings", typed)
    assert answer.status_code == 422
    assert "Somebody else saved these settings" in answer.content.decode()
    assert Placement.objects.get().url == ""


def test_a_deployer_edits_what_is_granted_on_servers_they_know(client: Client, placement: Placement) -> None:
    make.host("secret-server")
    client.force_login(make.bruno(placement))
    text = page(client, f"{PATH}settings")
    assert "web-1" in text
    assert "secret-server" not in text
    foreign = Host.objects.get(name="secret-server")
    answer = client.post(f"{PATH}settings", as_typed(placement, hosts=[str(foreign.pk)]))
    assert answer.status_code == 422
    assert client.post(f"{PATH}settings", as_typed(placement)).status_code == 302


def test_nobody_else_gets_near(client: Client, placement: Placement) -> None:
    client.force_login(make.dora())
    assert client.get(PATH).status_code == 404
    assert client.get(f"{PATH}settings").status_code == 404
    client.force_login(make.carla())
    assert client.get(f"{PATH}settings").status_code == 403
    text = page(client)
    assert "Deploy…" not in text
    assert "Roll back…" not in text


def test_an_archived_one_is_only_looked_at(as_ana: Client, placement: Placement) -> None:
    placement.application.archived_at = timezone.now()
    placement.application.save()
    assert "Deploy…" not in page(as_ana)
    assert as_ana.get(f"{PATH}settings").status_code == 404


def test_another_environment_begins_with_what_this_one_has(as_ana: Client, placement: Placement) -> None:
    make.environment("production", is_production=True)
    text = page(as_ana, "/applications/storefront/add?environment=production")
    assert 'value="production" checked' in text
    assert placement.image in text
    answer = as_ana.post("/applications/storefront/add", as_typed(placement, environment="production", hosts=[]))
    assert answer["Location"] == "/applications/storefront/production/"
    assert Placement.objects.get(environment__name="production").settings == placement.settings


def test_the_same_environment_twice_is_refused(as_ana: Client, placement: Placement) -> None:
    make.environment("production")
    answer = as_ana.post("/applications/storefront/add", as_typed(placement, environment="staging"))
    assert answer.status_code == 422


def test_a_release_shows_everything_as_it_was_but_secrets(as_ana: Client, placement: Placement) -> None:
    first = make.release(placement, "1.0")
    second = make.release(
        placement,
        "2.0",
        variables=[{"name": "CART_V2", "value": "on"}, {"name": "STRIPE_KEY", "secret": 1, "number": 4}],
        settings=container_settings.normalise({"memory": "256m"}),
    )
    make.ran(first)
    make.ran(second)
    text = page(as_ana, f"{PATH}releases/2/")
    for words in ("against release 1", "CART_V2", "secret, version 4", "256m", second.digest, "Running", "Redeploy…"):
        assert words in text
    assert "Roll back to release 1…" in page(as_ana, f"{PATH}releases/1/")
    assert as_ana.get(f"{PATH}releases/9/").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_rows(as_ana: Client, placement: Placement) -> None:
    def grow(times: int) -> None:
        for each in range(times):
            placement.seats.create(host=make.host())
            make.variable(placement, f"NAME_{placement.variables.count()}", str(each), secret=bool(each % 2))
            make.ran(make.release(placement))

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as found:
            page(as_ana, path)
        return len(found)

    paths = (PATH, f"{PATH}settings", f"{PATH}variables", f"{PATH}releases/1/")
    grow(2)
    page(as_ana)
    few = [queries(path) for path in paths]
    grow(6)
    assert [queries(path) for path in paths] == few
    assert max(few) <= 20


def test_a_new_row_of_the_domains_table_appears_by_itself() -> None:
    names = {bound.field.name for bound in SettingsForm(container_settings.defaults())}
    assert names == {field.name for field in container_settings.FIELDS}


def test_reading_nothing_gives_the_defaults(rf: Any) -> None:
    assert container_settings.normalise(read(rf.post("/").POST)) == container_settings.defaults()
