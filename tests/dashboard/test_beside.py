"""The engine beside a worker: offered, added with a word on what it means, shown without what only SSH has."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from deployments import engines
from deployments.models import AuditEntry, Host, Operation
from deployments.states import HostState
from tests.factories import ana, carla, engine_worker, host_beside

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    """Ana, signed in."""
    client.force_login(ana())
    return client


def path(engine_id: str) -> str:
    return reverse("host_beside", args=[engines.short(engine_id)])


def test_an_admin_finds_it_offered_and_an_auditor_does_not(client: Client) -> None:
    worker = engine_worker()
    client.force_login(ana())
    page = client.get(reverse("hosts")).content.decode()
    assert path(worker.engine_id) in page
    assert "not used until you add it" in page
    client.force_login(carla())
    assert path(worker.engine_id) not in client.get(reverse("hosts")).content.decode()


def test_what_is_a_server_already_is_not_offered(admin: Client) -> None:
    worker = engine_worker()
    host_beside(engine=worker.engine_id)
    assert path(worker.engine_id) not in admin.get(reverse("hosts")).content.decode()
    assert admin.get(path(worker.engine_id)).status_code == 404


def test_it_is_added_by_a_click_and_looked_at(admin: Client) -> None:
    worker = engine_worker()
    assert b"gives power over Estiva" in admin.get(path(worker.engine_id)).content
    answer = admin.post(path(worker.engine_id), {"name": "local"})
    host = Host.objects.get(name="local")
    assert answer["Location"] == reverse("host", args=["local"])
    assert (host.way, host.engine_id, host.state) == ("beside", worker.engine_id, HostState.NEW)
    assert host.operations.get().kind == Operation.Kind.CHECK
    assert AuditEntry.objects.get(action="host.add_engine").after["engine"] == worker.engine_id


def test_a_name_that_is_taken_is_said_at_its_field(admin: Client) -> None:
    worker = engine_worker()
    host_beside("local", "another@x:/y")
    answer = admin.post(path(worker.engine_id), {"name": "local"})
    assert answer.status_code == 422
    assert b"Another server has this name." in answer.content


def test_an_engine_that_nobody_announced_can_not_be_added(admin: Client) -> None:
    assert admin.post(path("made up"), {"name": "local"}).status_code == 404
    assert not Host.objects.exists()


def test_its_page_has_neither_key_nor_address(admin: Client) -> None:
    worker = engine_worker()
    host_beside(engine=worker.engine_id)
    page = admin.get(reverse("host", args=["local"])).content.decode()
    assert "without SSH" in page
    assert worker.name in page
    assert worker.engine_id in page
    assert "authorized_keys" not in page
    assert reverse("host_rotate", args=["local"]) not in page


def test_only_its_name_and_how_much_it_builds_can_be_changed(admin: Client) -> None:
    host = host_beside()
    page = admin.get(reverse("host_edit", args=["local"])).content.decode()
    assert 'name="address"' not in page
    admin.post(reverse("host_edit", args=["local"]), {"name": "here", "builds_at_once": "3", "address": "203.0.113.9"})
    host.refresh_from_db()
    assert (host.name, host.builds_at_once, host.address) == ("here", 3, "")


@pytest.mark.parametrize("route", ["host_rotate", "host_refuse", "host_socket"])
def test_what_only_ssh_has_is_refused(admin: Client, route: str) -> None:
    host = host_beside()
    answer = admin.post(reverse(route, args=["local"]), {"docker_socket": "/tmp/other.sock"}, follow=True)
    assert answer.status_code == 200
    before = (host.docker_socket, host.spare_public_key)
    host.refresh_from_db()
    assert (host.docker_socket, host.spare_public_key) == before
    assert not host.operations.exists()
