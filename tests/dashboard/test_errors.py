"""What went wrong is said in words, never by a traceback, and can be found in the log."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client

from deployments.errors import FieldErrors, Refused
from tests.dashboard.story import Story, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    return tell()


@pytest.fixture
def ana(story: Story) -> Client:
    """Ana's browser; errors are pages, as in production."""
    client = Client(raise_request_exception=False)
    client.force_login(story.ana)
    return client


def broken(error: Exception) -> Any:
    return patch("dashboard.views.people.queries.people", side_effect=error)


def test_a_mistake_of_ours(ana: Client) -> None:
    with broken(ZeroDivisionError("secret detail")):
        answer = ana.get("/people/")
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "made a mistake" in page
    assert answer.headers["X-Request-Id"] in page
    assert "secret detail" not in page
    assert "Traceback" not in page


def test_the_database_is_away(ana: Client) -> None:
    with broken(OperationalError("could not connect to server: password=hunter2")):
        answer = ana.get("/people/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "database does not answer" in answer.content.decode()
    assert "hunter2" not in answer.content.decode()


def test_the_database_is_away_before_we_know_who_asks(ana: Client) -> None:
    with patch("django.contrib.sessions.backends.db.SessionStore.load", side_effect=OperationalError("gone")):
        answer = ana.get("/people/")
    assert answer.status_code == 503


def test_a_refusal_that_no_view_met(ana: Client) -> None:
    with broken(Refused("web-1 still runs storefront.", remedy="Move it first.")):
        answer = ana.get("/people/")
    assert answer.status_code == 409
    assert "web-1 still runs storefront." in answer.content.decode()
    assert "Move it first." in answer.content.decode()


def test_refusals_at_fields_that_no_view_met(ana: Client) -> None:
    with broken(FieldErrors({"ports.0.host_port": ["Between 1 and 65535."]})):
        answer = ana.get("/people/")
    assert answer.status_code == 422
    assert "Between 1 and 65535." in answer.content.decode()


def test_nothing_there(ana: Client) -> None:
    answer = ana.get("/no/such/page")
    assert answer.status_code == 404
    assert "nothing here" in answer.content.decode()


def test_not_theirs_to_do(story: Story, client: Client) -> None:
    client.force_login(story.carla)
    answer = client.get("/people/invite")
    assert answer.status_code == 403
    assert "role auditor" in answer.content.decode()


def test_a_strange_request(client: Client) -> None:
    answer = Client(raise_request_exception=False).get("/readyz", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "could not be understood" in answer.content.decode()


def test_a_form_that_is_too_old(story: Story) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(story.ana)
    answer = client.post("/people/invite", {"email": "eva@example.com"})
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()


def test_a_fragment_without_a_session_is_a_bare_401(client: Client) -> None:
    for extra in ({"fragment": "list"}, {}):
        answer = client.get("/people/", extra, headers={"hx-request": "true"} if not extra else {})
        assert answer.status_code == 401
        assert "signed out" in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/people/", "/audit/", "/servers/"])
def test_pages_are_kept_from_caches_and_frames(ana: Client, path: str) -> None:
    answer = ana.get(path)
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
