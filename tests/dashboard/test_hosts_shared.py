"""A server that several teams share: a deployer learns of others only how many containers there are."""

from __future__ import annotations

import pytest
from django.test import Client

from deployments.models import Placement, PlacementHost
from tests.dashboard.story import Story, tell


@pytest.fixture
def story(db: None) -> Story:
    """Production, which Bruno may not see, is placed on his server too."""
    story = tell()
    PlacementHost.objects.create(placement=story.production, host=story.host)
    story.host.containers = [
        container("storefront-staging-r1.f1", story.staging),
        container("storefront-production-r7.f3", story.production),
        {**container("left-behind-r1.f1", story.staging), "placement": "999999"},
    ]
    story.host.save(update_fields=("containers",))
    return story


def container(name: str, of: Placement) -> dict[str, str]:
    """A row as the look at a server stores it."""
    image = f"registry.test/{name}"
    return {"name": name, "release": "1", "placement": str(of.pk), "state": "running", "image": image, "since": ""}


def test_a_deployer_sees_their_own_containers_and_the_number_of_others(client: Client, story: Story) -> None:
    client.force_login(story.bruno)
    page = client.get(f"/servers/{story.host.name}/").content.decode()
    assert "storefront-staging-r1.f1" in page
    assert "storefront-production" not in page
    assert "left-behind" not in page
    assert "and 2 more of others" in page


def test_who_sees_everything_sees_every_container(client: Client, story: Story) -> None:
    client.force_login(story.carla)
    page = client.get(f"/servers/{story.host.name}/").content.decode()
    for name in ("storefront-staging-r1.f1", "storefront-production-r7.f3", "left-behind-r1.f1"):
        assert name in page
    assert "more of others" not in page


@pytest.mark.parametrize(("person", "counted"), [("bruno", 1), ("carla", 2)])
def test_the_list_counts_what_the_person_may_see(client: Client, story: Story, person: str, counted: int) -> None:
    client.force_login(getattr(story, person))
    rows = {row.host.name: row.placements for row in client.get("/servers/").context["rows"]}
    assert rows[story.host.name] == counted
