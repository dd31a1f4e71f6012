"""What was changed by hand: shown with its ways out, and each of them done by who may."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments import drifting
from deployments.models import AuditEntry, Deployment, Host, Operation, PlacementHost, User
from deployments.queries.drift_page import unknown_containers
from deployments.states import HostState
from tests.dashboard.story import Story, command_run, tell
from tests.dashboard.web import sign_in
from tests.deployments.test_settings_injection import CORPUS

pytestmark = pytest.mark.django_db


def differs(seat: PlacementHost, **more: Any) -> str:
    """It runs with another limit than on record; the fingerprint."""
    found = {
        "words": "Changed by hand: Memory limit 300m.",
        "container": "storefront-staging-r1.f3",
        "container_id": "c" * 64,
        "status": "running",
        "changes": [{"kind": "setting", "name": "Memory limit", "before": "256m", "after": "300m"}],
        "settings": {"memory": 300 * 1024**2},
        "variables": [],
        "image": {},
        "release": 1,
        "why_not": "",
        **more,
    }
    seat.difference = {**found, "fingerprint": drifting.fingerprint(found)}
    seat.drift = found["words"]
    seat.running_release = seat.placement.releases.get(number=1)
    seat.save()
    return str(seat.difference["fingerprint"])


@pytest.fixture
def story() -> Story:
    told = tell()
    Deployment.objects.all().update(status="succeeded")
    return told


@pytest.fixture
def seat(story: Story) -> PlacementHost:
    return story.staging.seats.get(host__name="web-1")


def client_of(user: User) -> Client:
    client = Client()
    client.cookies["estiva_session"] = sign_in(user)
    return client


URL = "/applications/storefront/staging/servers/web-1/"


def test_it_shows_the_difference_and_three_ways_out(story: Story, seat: PlacementHost) -> None:
    shown = differs(seat)
    text = client_of(story.bruno).get(URL).content.decode()
    for words in ("Memory limit", "256m", "300m", "Redeploy…", "Adopt as a new release", "Ignore it", shown):
        assert words in text
    quiet = client_of(story.carla).get(URL).content.decode()
    assert "Memory limit" in quiet
    assert "<form" not in quiet.split("<main")[1]
    assert URL in client_of(story.bruno).get("/applications/storefront/staging/").content.decode()
    assert URL in client_of(story.bruno).get("/servers/web-1/").content.decode()


def record(seat: PlacementHost, state: HostState, **host: Any) -> None:
    """Nothing differs; the server is in that state since two days."""
    seat.running_release = seat.placement.releases.get(number=1)
    seat.running_since = timezone.now() - timedelta(days=9)
    seat.save()
    since = timezone.now() - timedelta(days=2)
    Host.objects.filter(pk=seat.host_id).update(state=state, state_since=since, **host)


def test_what_is_as_on_record_says_when_that_was_seen(story: Story, seat: PlacementHost) -> None:
    record(seat, HostState.READY, checked_at=timezone.now() - timedelta(seconds=130))
    shown = client_of(story.carla).get(URL).content.decode()
    assert 'class="note good"' in shown
    assert "Release 1 runs there as it is on record." in shown
    assert "2 min ago" in shown
    assert "As on record" in shown
    PlacementHost.objects.filter(pk=seat.pk).update(running_since=timezone.now() - timedelta(seconds=62))
    assert "1 min ago" in client_of(story.carla).get(URL).content.decode(), "its deploy saw it later"


@pytest.mark.parametrize("state", [HostState.UNREACHABLE, HostState.KEY_CHANGED, HostState.UNSUPPORTED])
def test_of_a_server_out_of_sight_nothing_is_said_to_run(story: Story, seat: PlacementHost, state: HostState) -> None:
    """It was tried to look a moment ago, and that saw nothing."""
    record(seat, state, checked_at=timezone.now())
    shown = client_of(story.carla).get(URL).content.decode()
    assert 'class="note good"' not in shown
    assert "As on record" not in shown
    assert "runs there as it is on record" not in shown
    assert "Not known now" in shown
    assert f"{state.label}." in shown
    told = html.unescape(shown)
    assert "not looked at since" in told
    assert "2 days ago" in told


def test_a_difference_on_a_server_out_of_sight_was_not_seen_now(story: Story, seat: PlacementHost) -> None:
    differs(seat)
    Host.objects.filter(pk=seat.host_id).update(
        state=HostState.UNREACHABLE, state_since=timezone.now() - timedelta(days=2), checked_at=timezone.now()
    )
    shown = client_of(story.carla).get(URL).content.decode()
    assert "not looked at since" in shown
    assert "2 days ago" in shown


def test_ignored_it_is_quiet_until_it_is_another(story: Story, seat: PlacementHost) -> None:
    shown, client = differs(seat), client_of(story.bruno)
    refused = client.post(URL, {"act": "ignore", "shown": shown, "reason": " "})
    assert refused.status_code == 422
    assert client.post(URL, {"act": "ignore", "shown": "stale", "reason": "Friday"}).status_code == 422
    assert client.post(URL, {"act": "ignore", "shown": shown, "reason": "until Friday"}).status_code == 302
    page = client.get("/applications/storefront/staging/").content.decode()
    assert "A difference is ignored by Bruno Lima: until Friday" in page
    assert "300m" not in page
    assert "shown again once it is another" in client.get(URL).content.decode()
    assert AuditEntry.objects.get(action="drift.ignore").after["reason"] == "until Friday"
    seat.refresh_from_db()
    assert drifting.seen(seat, seat.ignored["words"], seat.difference)["drift"] == ""
    assert drifting.seen(seat, "another", {"fingerprint": "x"})["drift"] == "another"
    assert client.post(URL, {"act": "heed"}).status_code == 302
    seat.refresh_from_db()
    assert (seat.drift, seat.ignored) == ("Changed by hand: Memory limit 300m.", {})


@pytest.mark.parametrize("act", ["", "unheed", "HEED"])
def test_an_act_that_nobody_knows_shows_nothing_again(story: Story, seat: PlacementHost, act: str) -> None:
    shown, client = differs(seat), client_of(story.bruno)
    assert client.post(URL, {"act": "ignore", "shown": shown, "reason": "until Friday"}).status_code == 302
    assert client.post(URL, {"act": act}).status_code == 400
    seat.refresh_from_db()
    assert seat.ignored["reason"] == "until Friday"
    assert client.post(URL, {"act": "heed"}).status_code == 302
    seat.refresh_from_db()
    assert not seat.ignored


def test_adopting_is_asked_for_with_what_was_shown(story: Story, seat: PlacementHost) -> None:
    shown, client = differs(seat), client_of(story.bruno)
    assert client.post(URL, {"act": "adopt", "shown": "stale", "note": "by hand"}).status_code == 422
    assert client.post(URL, {"act": "adopt", "shown": shown, "note": "by hand", "follow": "on"}).status_code == 302
    operation = Operation.objects.get(kind="adopt")
    wanted = {"fingerprint": shown, "note": "by hand", "follow": True, "without": False, "as_admin": False}
    assert operation.request == wanted
    assert "Being adopted" in client.get(URL).content.decode()
    assert AuditEntry.objects.filter(action="drift.adopt", actor_name="Bruno Lima").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"why_not": "No setting says this: PidMode."}, "No setting says this"),
        ({"settings": {"privileged": True}}, "Only an admin"),
        ({"variables": [{"name": "API_TOKEN", "how": "changed", "value": None, "hidden": True}]}, "never read back"),
    ],
)
def test_what_can_not_be_adopted_says_why(story: Story, seat: PlacementHost, more: dict[str, Any], words: str) -> None:
    shown = differs(seat, **more)
    refused = client_of(story.bruno).post(URL, {"act": "adopt", "shown": shown, "note": "by hand"})
    assert (refused.status_code, words in refused.content.decode()) == (422, True)
    assert not Operation.objects.filter(kind="adopt").exists()


def test_an_admin_gives_the_power_and_a_secret_is_left_out(story: Story, seat: PlacementHost) -> None:
    hidden = {"name": "API_TOKEN", "how": "changed", "value": None, "hidden": True}
    shown, client = differs(seat, settings={"privileged": True}, variables=[hidden]), client_of(story.ana)
    asked = {"act": "adopt", "shown": shown, "note": "by hand", "without": "on"}
    assert client.post(URL, asked).status_code == 302


def test_nothing_is_adopted_while_a_deployment_is_open(story: Story, seat: PlacementHost) -> None:
    shown = differs(seat)
    Deployment.objects.filter(pk=story.running.pk).update(status="queued")
    refused = client_of(story.bruno).post(URL, {"act": "adopt", "shown": shown, "note": "by hand"})
    assert f"Deployment #{story.running.pk} is open." in refused.content.decode()


def test_containers_that_no_record_knows(story: Story, seat: PlacementHost) -> None:
    run = command_run(story.host, story.staging)
    row = {"name": "left", "release": "", "placement": "", "state": "running", "image": "shop:1", "since": ""}
    rows = [
        {**row, "id": "a" * 64, "name": "stray"},
        {**row, "id": "b" * 64, "name": "gone", "placement": "9999"},
        {**row, "id": "c" * 64, "name": "serves", "placement": str(story.staging.pk)},
        {**row, "id": "d" * 64, "name": "runs", "beside": {"run": str(run.pk)}},
        {**row, "id": "e" * 64, "name": "hooked", "beside": {"hook": str(story.staging.pk)}},
    ]
    Host.objects.filter(pk=story.host.pk).update(containers=rows)
    story.host.refresh_from_db()
    assert [each.row["name"] for each in unknown_containers([story.host])[story.host.pk]] == ["stray", "gone"]
    client = client_of(story.ana)
    assert "on no record" in client.get("/").content.decode()
    assert "on no record" not in client_of(story.bruno).get("/servers/web-1/").content.decode()
    url = reverse("host_unknown", args=("web-1",))
    for each in ("a" * 64, "b" * 64):
        assert client.post(url, {"act": "ignore", "container": each, "reason": "a trial"}).status_code == 302
    assert "on no record" not in client.get("/").content.decode()
    assert "Ignored by Ana Prado: a trial" in client.get("/servers/web-1/").content.decode()
    client.post(url, {"act": "heed", "container": "a" * 64})
    assert "stray" in client.get("/").content.decode()


@pytest.mark.parametrize("text", CORPUS)
def test_what_is_typed_stays_text(story: Story, seat: PlacementHost, text: str) -> None:
    shown, client = differs(seat), client_of(story.bruno)
    answer = client.post(URL, {"act": "ignore", "shown": shown, "reason": text})
    seat.refresh_from_db()
    if answer.status_code == 302:
        assert seat.ignored["reason"] == text.strip()
        page = client.get(URL).content.decode()
        assert text.strip() in html.unescape(page)
        assert "<script>alert" not in page
        client.post(URL, {"act": "heed"})
    answer = client.post(URL, {"act": "adopt", "shown": shown, "note": text})
    notes = [each.request["note"] for each in Operation.objects.filter(kind="adopt")]
    assert notes == ([text.strip()] if answer.status_code == 302 else [])
    assert client.post(URL, {"act": "adopt", "shown": text, "note": "x"}).status_code == 422
