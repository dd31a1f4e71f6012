"""Volumes and names in a network belong to the Placement that had them first; only an admin shares them."""

from typing import Any

import pytest

from deployments.actors import Actor
from deployments.errors import FieldErrors
from deployments.inventory import applications
from deployments.models import Placement
from tests.deployments.world import World, make_world, place, succeed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

DATA = {"volumes": [{"name": "ledger-data", "path": "/data"}], "network_aliases": ["ledger"]}


@pytest.fixture
def world() -> World:
    """Beside the shop there is a ledger, of another team, in staging."""
    return make_world()


def ledger(world: World, settings: dict[str, Any] | None = None) -> Placement:
    application = applications.create_application(actor=world.actor, name="ledger")
    return place(
        world.actor, application, world.production, world.hosts, settings=DATA if settings is None else settings
    )


def save(world: World, placement: Placement, actor: Actor, **settings: Any) -> Placement:
    return applications.save_placement(
        actor=actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image=placement.image,
        settings=settings,
        host_ids=[host.pk for host in world.hosts],
    )


def bruno(world: World) -> Actor:
    return Actor.of(world.bruno)


def test_a_deployer_takes_no_volume_and_no_name_of_another_placement(world: World) -> None:
    ledger(world)
    both = {
        "volumes": [{"name": "own", "path": "/own"}, {"name": "ledger-data", "path": "/stolen", "read_only": True}],
        "network_aliases": ["shop", "ledger"],
    }

    with pytest.raises(FieldErrors) as refused:
        save(world, world.placement, bruno(world), **both)

    assert list(refused.value.errors) == ["settings.volumes.1.name", "settings.network_aliases.1"]
    assert "ledger" not in str(refused.value.errors.values()), "it isn't told whose it is"
    world.placement.refresh_from_db()
    assert world.placement.settings["volumes"] == []
    assert save(world, world.placement, world.actor, **both).settings["network_aliases"] == ["shop", "ledger"]


def test_what_an_admin_let_it_share_it_keeps(world: World) -> None:
    ledger(world)
    save(world, world.placement, world.actor, **DATA)

    assert save(world, world.placement, bruno(world), **DATA, stop_timeout=30).settings["stop_timeout"] == 30


def test_a_release_remembers_whose_the_data_is(world: World) -> None:
    other = ledger(world)
    succeed(world, placement=other)
    save(world, other, world.actor)

    with pytest.raises(FieldErrors):
        save(world, world.placement, bruno(world), **DATA)
    other.refresh_from_db()
    assert save(world, other, bruno(world), **DATA).settings["network_aliases"] == ["ledger"], "its own, taken again"


def test_a_name_in_another_environment_s_network_is_free(world: World) -> None:
    application = applications.create_application(actor=world.actor, name="ledger")
    place(world.actor, application, world.staging, world.hosts, settings=DATA)

    saved = save(world, world.placement, bruno(world), network_aliases=["ledger"])

    assert saved.settings["network_aliases"] == ["ledger"]


def test_a_new_placement_takes_none_either(world: World) -> None:
    ledger(world)

    with pytest.raises(FieldErrors, match="another name, or ask an admin"):
        place(bruno(world), world.application, world.staging, world.hosts, settings=DATA)

    assert not Placement.objects.filter(environment=world.staging).exists()
