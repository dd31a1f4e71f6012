"""Deployments in waves: the page at a gate and after a stop, calm with many servers, and the settings that ask for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from deployments import endings, requests
from deployments.inventory import placements
from deployments.models import Deployment, Host
from tests.deployments.world import World, claimed, deployed, look_of, make_world, planned

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world(servers=4)


@pytest.fixture
def as_ana(world: World, client: Client) -> Client:
    client.force_login(world.ana)
    return client


def order(world: World, **rollout: Any) -> None:
    placements.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        image=world.placement.image,
        settings={},
        host_ids=[host.pk for host in world.hosts],
        rollout=rollout,
    )


def end(deployment: Deployment, wave: int, verdict: str = "succeeded") -> None:
    for target in deployment.targets.filter(wave=wave):
        assert endings.end_target(claimed(target), {"verdict": verdict, "what": "said"}, {"container": "c"}, [], 0.4)


def page_of(client: Client, deployment: Deployment) -> str:
    answer = client.get(f"/deployments/{deployment.pk}/")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_gate_is_shown_and_opened_by_a_click(as_ana: Client, world: World) -> None:
    order(world, kind="canary", size="1")
    deployment = deployed(world)
    assert "Wave 1 of 2" in page_of(as_ana, deployment)
    end(deployment, 0)
    page = page_of(as_ana, deployment)
    assert "Waiting for you" in page
    assert "web-1 runs release 1." in page
    assert "3 more wait for your word." in page
    assert "Waits for the servers before it." in page
    answer = as_ana.post(f"/deployments/{deployment.pk}/go-on", follow=True)
    assert "goes on" in answer.content.decode()
    deployment.refresh_from_db()
    assert deployment.wave == 1
    again = as_ana.post(f"/deployments/{deployment.pk}/go-on", follow=True)
    assert "does not wait for anybody" in again.content.decode()


def test_a_gate_that_opens_by_itself_says_when(as_ana: Client, world: World) -> None:
    order(world, kind="canary", size="1", gate="minutes", minutes="7")
    deployment = deployed(world)
    end(deployment, 0)
    page = page_of(as_ana, deployment)
    assert "The others follow by themselves at" in page
    assert "Go on now" in page


def test_who_may_only_look_sees_no_button(world: World, client: Client) -> None:
    order(world, kind="canary", size="1")
    deployment = deployed(world)
    end(deployment, 0)
    client.force_login(world.carla)
    assert "Go on" not in page_of(client, deployment)
    assert client.post(f"/deployments/{deployment.pk}/go-on").status_code in {403, 404}


def test_a_stop_says_what_becomes_of_the_others(as_ana: Client, world: World) -> None:
    succeed_all(world)
    order(world, kind="batches", size="1", gate="none", then="restore")
    deployment = deployed(world, digest="sha256:" + "9" * 64)
    end(deployment, 0)
    end(deployment, 1, "failed_untouched")
    page = page_of(as_ana, deployment)
    assert "Stopped after web-2 failed." in page
    assert "gets back what served before" in page
    assert "Not begun: stopped after web-2 failed." in page


def succeed_all(world: World) -> None:
    deployment = deployed(world)
    end(deployment, 0)


def test_many_servers_are_folded_and_all_there(
    as_ana: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    order(world, kind="batches", size="2", gate="none")
    deployment = deployed(world)
    with_few = _queries(as_ana, deployment)
    first = deployment.targets.first()
    assert first is not None
    for number in range(5, 301):
        copy = type(first).objects.get(pk=first.pk)
        copy.pk, copy.host, copy.host_name, copy.wave = None, _host(world, number), f"web-{number}", number // 2
        copy.save()
    claimed(first)
    page = page_of(as_ana, deployment)
    assert page.count('data-name="web-') == 600, "each once among the steps and once for the log"
    assert page.count("data-step=") == 7, "steps of the one that runs, not of three hundred"
    with django_assert_max_num_queries(with_few):
        page_of(as_ana, deployment)


def test_a_plan_says_in_which_order_and_who_is_away(as_ana: Client, world: World) -> None:
    order(world, kind="canary", size="1", gate="minutes", minutes="5", then="restore", away="skip")
    gone = {"check": "reachable", "result": "bad", "message": "web-4 does not answer.", "remedy": "Look at it."}
    looks = [look_of(host) for host in world.hosts[:3]] + [look_of(world.hosts[3], findings=[gone])]
    shown = planned(world, looks=looks)
    page = re.sub(r"\s+", " ", as_ana.get(f"/plans/{shown.pk}/").content.decode())
    assert "First web-1, then the other 2." in page
    assert "5 minutes in which all is well" in page
    assert "Left out, and behind until it catches up." in page
    assert page.count("wave 2") == 2
    assert "Deploy to 3 servers" in page


def test_a_server_that_is_behind_is_brought_up_to_date(as_ana: Client, world: World) -> None:
    order(world, away="skip")
    gone = {"check": "reachable", "result": "bad", "message": "web-4 does not answer.", "remedy": "Look at it."}
    looks = [look_of(host) for host in world.hosts[:3]] + [look_of(world.hosts[3], findings=[gone])]
    shown = planned(world, looks=looks)
    end(requests.request_deployment(actor=world.actor, plan=shown, fingerprint=shown.fingerprint), 0)
    where = "/applications/storefront/production/"
    assert "behind: release 1" in as_ana.get(where).content.decode()
    answer = as_ana.post(f"{where}catch-up", {"server": "web-1"}, follow=True)
    assert "web-1 is up to date." in answer.content.decode()
    Host.objects.update(state="ready")
    answer = as_ana.post(f"{where}catch-up", {"server": "web-4"})
    assert answer.status_code == 302
    deployment = Deployment.objects.latest("pk")
    assert answer["Location"] == f"/deployments/{deployment.pk}/"
    assert [target.host_name for target in deployment.targets.all()] == ["web-4"]


def _queries(client: Client, deployment: Deployment) -> int:
    page_of(client, deployment)
    with CaptureQueriesContext(connection) as counted:
        page_of(client, deployment)
    return len(counted)


def _host(world: World, number: int) -> Any:
    host = type(world.hosts[0]).objects.get(pk=world.hosts[0].pk)
    host.pk, host.name, host.address = None, f"web-{number}", f"10.1.{number // 250}.{number % 250 + 1}"
    host.save()
    return host


def test_the_order_is_set_on_the_settings_page(as_ana: Client, world: World) -> None:
    where = "/applications/storefront/production/settings"
    given = {
        "source": "image",
        "image": "nginx:1",
        "keep_releases": "5",
        "hosts": [str(host.pk) for host in world.hosts],
        "rollout.kind": "batches",
        "rollout.size": "half",
    }
    answer = as_ana.post(where, given)
    assert answer.status_code == 422
    assert "a share of them, such as 25 %" in answer.content.decode()
    assert as_ana.post(where, {**given, "rollout.size": "25 %"}).status_code == 302
    world.placement.refresh_from_db()
    assert world.placement.rollout["size"] == "25%"
    assert len({target.wave for target in deployed(world, digest="sha256:" + "7" * 64).targets.all()}) == 4


def test_the_overview_tells_who_waits_and_who_is_behind(as_ana: Client, world: World, client: Client) -> None:
    order(world, kind="canary", size="1")
    end(deployed(world), 0)
    world.placement.seats.filter(host=world.hosts[3]).update(owed=Deployment.objects.get().release)
    page = as_ana.get("/").content.decode()
    assert "storefront → production waits for somebody&#x27;s word before it goes on." in page
    assert "web-4 is behind" in page
    client.force_login(world.bruno)  # granted nothing
    assert "web-4" not in client.get("/").content.decode()
