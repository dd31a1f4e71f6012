"""What a later version wrote is shown as well as it can be, and says what it waits for: no page breaks on it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from deployments.models import Deployment, Host, Operation, Placement, Plan, Registry, Release, Target
from tests import factories as make
from tests.dashboard.api.calls import Api, token
from tests.dashboard.story import Story, command_run, plan, tell

PLACE = "/applications/storefront/production/"
PAGES = (
    "/",
    "/applications/",
    "/applications/storefront/",
    PLACE,
    f"{PLACE}settings",
    f"{PLACE}variables",
    f"{PLACE}runs/",
    f"{PLACE}releases/1/",
    f"{PLACE}releases/1/run",
    f"{PLACE}servers/web-3/",
    "/applications/storefront/repository",
    "/deployments/",
    "/deployments/{deployment}/",
    "/deployments/{deployment}/raw",
    "/plans/{plan}/",
    "/runs/{run}/",
    "/servers/",
    "/servers/web-3/",
    "/servers/web-3/edit",
    "/servers/web-3/health",
    "/servers/web-3/room/",
    "/registries/",
    "/registries/{registry}/",
    "/registries/{registry}/edit",
    "/environments/",
    "/environments/production/sets/",
    "/audit/",
    "/metrics",
)
CALLS = (
    "applications",
    "servers",
    "servers/web-3",
    "placements",
    "placements/storefront/production",
    "placements/storefront/production/releases",
    "deployments",
    "deployments/{deployment}",
    "plans/{plan}",
)


@pytest.fixture
def story(db: None) -> Story:
    """A shop whose production a later version has taken in hand."""
    story = tell()
    now = timezone.now()
    Deployment.objects.filter(pk=story.foreign.pk).update(
        kind="promote", status="queued", rollout={"kind": "blue-green"}, gate="weather"
    )
    Target.objects.filter(deployment=story.foreign).update(role="migrate", status="queued")
    Release.objects.filter(placement=story.production).update(
        source={"kind": "nix", "url": "https://git.example.com/shop", "flake": {"ref": "main"}},
        settings={"sidecar": "proxy", "health": {"kind": "grpc", "body": "ok"}},
        variables=[{"name": "TOKEN", "vault": "shop/token"}],
    )
    for fields in ({"host": story.foreign_host}, {"placement": story.production}, {"repository": story.repository}):
        Operation.objects.create(
            kind="defragment", requested_at=now, deadline_at=now + timedelta(minutes=1), result={}, **fields
        )
    return story


def addresses(story: Story) -> dict[str, int]:
    """What the pages' addresses are filled in with."""
    later = plan(story.production, story.ana)
    Plan.objects.filter(pk=later.pk).update(source={"kind": "nix"}, settings={"sidecar": "proxy"})
    run = command_run(story.foreign_host, story.production)
    registry = Registry.objects.create(kind="quay", host="quay.example.com")
    Placement.objects.filter(pk=story.production.pk).update(source="nix", rollout={"kind": "blue-green"})
    Host.objects.filter(pk=story.foreign_host.pk).update(way="agent")
    return {"deployment": story.foreign.pk, "plan": later.pk, "run": run.pk, "registry": registry.pk}


def test_no_page_breaks_on_what_a_later_version_wrote(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    numbers = addresses(story)
    answers = {path: client.get(path.format(**numbers)).status_code for path in PAGES}
    assert {path: code for path, code in answers.items() if code != 200} == {}


def test_nor_does_the_api(story: Story) -> None:
    numbers, api = addresses(story), Api(token(story.ana, "read"))
    answers = {path: api.get(path.format(**numbers)).status_code for path in CALLS}
    assert {path: code for path, code in answers.items() if code != 200} == {}


@pytest.mark.parametrize("status", ["queued", "stalled"])
def test_a_deployment_says_that_it_waits_for_who_knows_it(story: Story, client: Client, status: str) -> None:
    client.force_login(story.ana)
    Target.objects.filter(deployment=story.foreign).update(status=status, role="deploy")
    Deployment.objects.filter(pk=story.foreign.pk).update(kind="deploy")
    text = client.get(f"/deployments/{story.foreign.pk}/").content.decode()
    assert "Waits for a worker that knows the source “nix”; this version of Estiva does not." in text
    assert "Waits for a worker" not in client.get(f"/deployments/{story.running.pk}/").content.decode()


def test_workers_of_another_version_are_told_of(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    make.worker(version="0.1.0")
    assert "another version" not in client.get("/").content.decode()
    make.worker(name="deploy@far", version="0.0.9")
    text = client.get("/").content.decode()
    assert "Workers of another version are running." in text
    assert "deploy@far (0.0.9); this page is of 0.1.0." in text
