"""Rows as the engine's spec: a rollback's identity, what is kept, whose health counts, which secrets are opened."""

import pytest

from deployments.inventory import placements, variables
from deployments.models import Host, Installation, PlacementHost
from tests.deployments.world import DIGEST, World, deployed, make_world, only_target, succeed
from tests.worker.conftest import Sent
from worker.brief import CannotBrief, target_brief
from worker.engine.spec import DeploySpec, Secret

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop on one server."""
    return make_world()


def spec_of(world: World, fence: int = 7) -> DeploySpec:
    """Of a Deployment that waits."""
    return target_brief(only_target(deployed(world)).pk, fence).spec


def test_whose_work_it_is(world: World) -> None:
    target = only_target(deployed(world))
    identity = target_brief(target.pk, 7).spec.identity
    assert identity.container_name == "storefront-production-r1.f7"
    assert identity.installation == Installation.objects.get().name
    assert (identity.target, identity.deployment, identity.incumbent_target) == (target.pk, target.deployment_id, None)


def test_the_image_is_what_the_plan_showed(world: World) -> None:
    spec = spec_of(world)
    assert spec.incumbent_health is None
    image = spec.image
    assert (image.reference, image.digest, image.tag) == (
        f"registry.example.com/storefront@{DIGEST}",
        DIGEST,
        "2.4.1",
    )


def test_what_served_before_is_judged_by_its_own_health(world: World) -> None:
    make = world.placement
    release = succeed(world)
    make.refresh_from_db()
    settings = {**make.settings, "health": {**make.settings["health"], "kind": "tcp", "port": 81}}
    placements.save_placement(
        actor=world.actor,
        placement=make,
        application=make.application,
        environment=make.environment,
        image=make.image,
        settings=settings,
        host_ids=[world.hosts[0].pk],
    )
    make.refresh_from_db()
    spec = spec_of(world)
    assert spec.container.health.kind == "tcp"
    assert spec.incumbent_health is not None
    assert spec.incumbent_health.kind == release.settings["health"]["kind"] != "tcp"
    assert spec.incumbent_networks == spec.container.networks
    assert spec.identity.incumbent_target == PlacementHost.objects.get().running_target_id


def test_the_last_releases_that_ended_well_are_kept(world: World) -> None:
    for number in range(1, 8):
        variables.set_variable(
            actor=world.actor, placement=world.placement, name="N", value=str(number), is_secret=False
        )
        succeed(world)
    variables.set_variable(actor=world.actor, placement=world.placement, name="N", value="8", is_secret=False)
    assert spec_of(world).keep_releases == (8, 7, 6, 5, 4)


def test_secrets_are_opened_and_plain_values_are_plain(world: World) -> None:
    for name, value, is_secret in (("PLAIN", "x $ ' \" \\", False), ("TOKEN", "a\nb", True)):
        variables.set_variable(
            actor=world.actor, placement=world.placement, name=name, value=value, is_secret=is_secret
        )
    brief = target_brief(only_target(deployed(world)).pk, 1)
    assert brief.spec.container.environment == (("PLAIN", "x $ ' \" \\"), ("TOKEN", Secret("a\nb")))
    assert "a\nb" in [each.reveal() for each in brief.secrets]
    assert "BEGIN OPENSSH PRIVATE KEY" in "".join(each.reveal() for each in brief.secrets)
    assert "a\\nb" not in repr(brief)
    assert "OPENSSH" not in repr(brief)


def test_a_release_carries_the_secret_as_it_was(world: World) -> None:
    """What was changed after the click belongs to the next click."""
    variables.set_variable(actor=world.actor, placement=world.placement, name="T", value="before-it", is_secret=True)
    target = only_target(deployed(world))
    variables.set_variable(actor=world.actor, placement=world.placement, name="T", value="after-it", is_secret=True)
    assert target_brief(target.pk, 1).spec.container.environment == (("T", Secret("before-it")),)


def test_a_server_without_trust_is_refused(world: World) -> None:
    target = only_target(deployed(world))
    Host.objects.update(host_key="")
    with pytest.raises(CannotBrief, match="not confirmed"):
        target_brief(target.pk, 1)


def test_a_server_without_a_key_is_refused(world: World) -> None:
    target = only_target(deployed(world))
    Host.objects.update(private_key=None)
    with pytest.raises(CannotBrief, match="no key to log in with"):
        target_brief(target.pk, 1)


def test_a_server_whose_key_changed_is_refused(world: World) -> None:
    target = only_target(deployed(world))
    Host.objects.update(state="key_changed")
    with pytest.raises(CannotBrief, match="showed another host key"):
        target_brief(target.pk, 1)


def test_what_is_in_the_log_already_is_told_to_whoever_goes_on(world: World) -> None:
    target = only_target(deployed(world))
    assert target_brief(target.pk, 7).spec.heard == {}
    target.heard = {"fence": 6, "lines": {"aaa": 12}}
    target.save(update_fields=["heard"])
    assert target_brief(target.pk, 7).spec.heard == {"aaa": 12}
