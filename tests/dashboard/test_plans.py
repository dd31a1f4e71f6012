"""Plans: what is said before the click, and what the click does."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import plan as plans
from deployments import releases
from deployments.models import Deployment, Host, Operation, Placement, Plan, User
from deployments.states import OperationStatus
from tests import factories as make
from tests.dashboard.harbour import finding, plan_row

pytestmark = pytest.mark.django_db

NEW = "/applications/storefront/staging/plan"


@pytest.fixture
def hosts() -> list[Host]:
    return [make.host("web-1"), make.host("web-2"), make.host("web-3")]


@pytest.fixture
def placement(hosts: list[Host]) -> Placement:
    return make.placement(make.application("storefront"), hosts=hosts)


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


def looked(placement: Placement, rows: list[dict[str, Any]], **fields: Any) -> Plan:
    """A Plan that can be deployed: its fingerprint is the true one."""
    content = releases.content_now(placement)
    ids = [row["host"] for row in rows]
    fingerprint = plans.fingerprint(placement.pk, content, make.digest("new"), ids)
    return make.planned(placement, rows, fingerprint=fingerprint, **{"settings": content.settings, **fields})


def page(client: Client, plan: Plan, query: str = "") -> str:
    answer = client.get(f"/plans/{plan.pk}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def click(client: Client, plan: Plan, **fields: Any) -> Any:
    return client.post(f"/plans/{plan.pk}/deploy", {"fingerprint": plan.fingerprint, **fields})


def test_asking_leads_to_a_plan_that_looks(as_ana: Client, placement: Placement) -> None:
    answer = as_ana.post(NEW)
    plan = Plan.objects.get()
    assert answer["Location"] == f"/plans/{plan.pk}/"
    text = page(as_ana, plan)
    assert f'data-live="operation:{plan.operation_id}"' in text
    assert "Looking at the servers" in text
    assert "Deploy to" not in text


def test_asking_for_what_can_not_be_leads_to_where_it_is_mended(as_ana: Client) -> None:
    make.placement(make.application("storefront"))
    answer = as_ana.post(NEW, follow=True)
    assert answer.redirect_chain[-1][0] == "/applications/storefront/staging/settings"
    assert "This has no server yet." in answer.content.decode()


def test_steps_are_shown_while_it_looks(as_ana: Client, placement: Placement) -> None:
    steps = [{"key": "host:1", "status": "good", "title": "web-1", "message": "7 checks, all good", "seconds": 0.8}]
    looking = make.operation(placement, status=OperationStatus.RUNNING, steps=steps)
    text = page(as_ana, make.plan(placement, looking), "?fragment=plan")
    assert "7 checks, all good" in text
    assert "<html" not in text


def test_a_look_that_failed_says_why_and_what_to_do(as_ana: Client, placement: Placement) -> None:
    result = {"what": "Nobody took this up in time.", "why": "No worker.", "remedy": "Start one."}
    failed = make.operation(placement, status=OperationStatus.FAILED, result=result)
    text = page(as_ana, make.plan(placement, failed))
    for words in (*result.values(), "Look again", "Nothing was touched."):
        assert words in text
    assert "data-live" not in text


def test_it_says_what_will_change_and_never_a_secrets_value(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    changes = [
        {"kind": "image", "name": "image", "before": "shop:1 (sha256:04be)", "after": "shop:2 (sha256:9f2c)"},
        {"kind": "variable", "name": "CART_V2", "before": "off", "after": "on"},
        {"kind": "secret", "name": "STRIPE_KEY", "before": "version 1", "after": "version 2"},
    ]
    text = page(as_ana, looked(placement, [plan_row(hosts[0])], changes=changes))
    for words in ("shop:2 (sha256:9f2c)", "CART_V2", "STRIPE_KEY", "secret, value never shown"):
        assert words in text


def test_a_gap_is_announced_with_its_reason_and_what_it_was_last_time(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    make.ran(make.release(placement)).targets.filter(host=hosts[0]).update(gap_seconds=0.8)
    text = page(as_ana, looked(placement, [plan_row(hosts[0])]))
    assert "A gap of about 0.8 s per server, as last time." in text
    assert "about 0.8 s without service" in text
    assert "Port 8080 is published on the server" in text


def test_no_gap_and_a_first_deploy_are_said_too(as_ana: Client, placement: Placement, hosts: list[Host]) -> None:
    assert "No gap." in page(as_ana, looked(placement, [plan_row(hosts[0], gap=False)]))
    assert "The first deploy here." in page(as_ana, looked(placement, [plan_row(hosts[0], gap=False, first=True)]))


def test_what_is_unknown_is_said_as_unknown(as_ana: Client, placement: Placement, hosts: list[Host]) -> None:
    unsure = finding("port", "unknown", "Who holds port 8080 can not be told.")
    text = page(as_ana, looked(placement, [plan_row(hosts[0], findings=[unsure])]))
    assert "<strong>Unknown:</strong> Who holds port 8080 can not be told." in text


def test_a_server_in_the_way_is_left_out_and_taken_back(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    bad = finding("platform", "bad", "web-3 runs Windows containers.", "Leave web-3 out.")
    rows = [plan_row(hosts[0]), plan_row(hosts[1]), plan_row(hosts[2], ready=False, findings=[bad])]
    plan = looked(placement, rows)
    text = page(as_ana, plan)
    assert "web-3 runs Windows containers." in text
    assert 'go" disabled>Deploy to 3 servers' in text
    assert click(as_ana, plan).status_code == 422
    answer = click(as_ana, plan, leave=str(hosts[2].pk), note="Fix, SHOP-311")
    assert answer.status_code == 303
    text = page(as_ana, plan, answer["Location"].partition("/" + str(plan.pk) + "/")[2].partition("#")[0])
    assert 'go">Deploy to 2 servers' in text
    assert 'value="Fix, SHOP-311"' in text
    assert (
        click(as_ana, plan, leave_out=str(hosts[2].pk), keep=str(hosts[2].pk))["Location"]
        == f"/plans/{plan.pk}/#servers"
    )
    click(as_ana, plan, leave_out=str(hosts[2].pk), note="Fix, SHOP-311")
    deployment = Deployment.objects.get()
    assert deployment.note == "Fix, SHOP-311"
    assert sorted(deployment.targets.values_list("host_name", flat=True)) == ["web-1", "web-2"]


def test_the_click_leads_to_the_deployment(as_ana: Client, placement: Placement, hosts: list[Host]) -> None:
    answer = click(as_ana, looked(placement, [plan_row(host) for host in hosts]))
    assert answer["Location"] == f"/deployments/{Deployment.objects.get().pk}/"


def test_settings_that_changed_meanwhile_refuse_it_with_the_new_plan(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    plan = looked(placement, [plan_row(host) for host in hosts])
    make.variable(placement, "CART_V2", "on")
    Placement.objects.update(version=2)
    assert "The settings were changed after this plan was made." in page(as_ana, plan)
    answer = click(as_ana, plan)
    fresh = Plan.objects.latest("pk")
    assert fresh != plan
    assert answer["Location"] == f"/plans/{fresh.pk}/"
    assert not Deployment.objects.exists()
    text = page(as_ana, fresh)
    assert "Nothing was deployed; look at the new plan." in text
    assert "CART_V2" in text


def test_production_is_named_once_more(as_ana: Client, hosts: list[Host]) -> None:
    production = make.environment("production", is_production=True)
    plan = looked(make.placement(make.application("storefront"), production, hosts), [plan_row(host) for host in hosts])
    assert "Yes, <strong>storefront</strong> in <strong>production</strong>" in page(as_ana, plan)
    answer = click(as_ana, plan, note="kept")
    assert answer.status_code == 422
    assert "Say that you mean it." in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()
    assert not Deployment.objects.exists()
    assert click(as_ana, plan, confirm="storefront").status_code == 302
    assert Deployment.objects.count() == 1


def test_going_back_says_which_secrets_and_offers_the_others(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    old = make.release(placement)
    make.ran(old)
    make.ran(make.release(placement))
    answer = as_ana.post(NEW, {"of_release": str(old.number), "secrets_of_release": "1"})
    plan = Plan.objects.get()
    assert (plan.of_release, plan.secrets_of_release) == (old, True)
    assert answer["Location"] == f"/plans/{plan.pk}/"
    text = page(as_ana, looked(placement, [plan_row(hosts[0])], of_release=old))
    for words in ("Bring release 1 back to staging", "secrets with today's values", "Use the secrets of then instead"):
        assert words in text
    for unheard_of in ("77", "9" * 5000, "two"):
        assert as_ana.post(NEW, {"of_release": unheard_of}).status_code == 404


def test_what_runs_is_redeployed_not_brought_back(as_ana: Client, placement: Placement, hosts: list[Host]) -> None:
    running = make.release(placement)
    make.ran(running)
    text = page(as_ana, looked(placement, [plan_row(hosts[0])], of_release=running))
    assert "Redeploy release 1 in staging" in text
    assert "Redeploy to 1 server" in text


def test_a_release_of_another_placement_is_not_found(as_ana: Client, placement: Placement) -> None:
    other = make.placement(make.application("payroll"))
    for _each in range(3):
        make.release(other)
    assert as_ana.post(NEW, {"of_release": "3"}).status_code == 404


def test_the_domains_refusal_is_shown_on_the_plan(as_ana: Client, placement: Placement, hosts: list[Host]) -> None:
    plan = looked(placement, [plan_row(host) for host in hosts])
    Host.objects.filter(pk=hosts[1].pk).update(state="key_changed")
    answer = click(as_ana, plan, note="kept")
    assert answer.status_code == 422
    assert "web-2 can&#x27;t be deployed to." in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()


def test_who_may_look_and_who_may_click(client: Client, placement: Placement, hosts: list[Host]) -> None:
    plan = looked(placement, [plan_row(host) for host in hosts])
    client.force_login(make.carla())
    assert "You may look at this plan, not deploy it." in page(client, plan)
    assert click(client, plan).status_code == 403
    assert client.post(NEW).status_code == 403
    client.force_login(make.dora())
    assert client.get(f"/plans/{plan.pk}/").status_code == 404
    assert click(client, plan).status_code == 404
    assert client.post(NEW).status_code == 404
    client.force_login(make.bruno(placement))
    assert client.get(NEW).status_code == 405
    assert click(client, plan).status_code == 302
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("text", ["", "x", "9" * 30, "-1"])
def test_nonsense_in_the_address_is_passed_over(
    as_ana: Client, placement: Placement, hosts: list[Host], text: str
) -> None:
    assert "Deploy to 1 server" in page(as_ana, looked(placement, [plan_row(hosts[0])]), f"?leave_out={text}")


def test_the_number_of_queries_does_not_grow_with_the_servers(
    as_ana: Client, placement: Placement, hosts: list[Host]
) -> None:
    def queries(count: int) -> int:
        plan = looked(placement, [plan_row(host) for host in hosts[:count]])
        page(as_ana, plan)
        with CaptureQueriesContext(connection) as found:
            page(as_ana, plan)
        return len(found)

    make.ran(make.release(placement))
    few = queries(1)
    assert queries(3) == few
    assert few <= 12
