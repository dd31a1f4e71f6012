"""Who sees what and who may do what."""

from typing import Any

import pytest

from deployments import permissions, requests
from deployments.accounts import people
from deployments.inventory import applications
from deployments.models import Operation, Placement, Role, User
from tests.deployments.world import World, deployed, make_world, place, ready_host

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    """Besides the shop in production: the same in staging on another server, and a second application."""
    world = make_world()
    world.hosts.append(ready_host(world.actor, "web-2"))
    place(world.actor, world.application, world.staging, world.hosts[1:])
    billing = applications.create_application(actor=world.actor, name="billing-api")
    place(world.actor, billing, world.production, world.hosts[1:])
    for placement in Placement.objects.all():
        deployed(world, placement=placement)
    return world


def grant(world: World, *placements: Placement) -> User:
    pairs = [(each.application_id, each.environment_id) for each in placements]
    return people.change_access(actor=world.actor, user=world.bruno, role=Role.DEPLOYER, grants=pairs)


def seen(user: User) -> dict[str, int]:
    return {
        "placements": permissions.visible_placements(user).count(),
        "applications": permissions.visible_applications(user).count(),
        "environments": permissions.visible_environments(user).count(),
        "hosts": permissions.visible_hosts(user).count(),
        "deployments": permissions.visible_deployments(user).count(),
        "plans": permissions.visible_plans(user).count(),
        "operations": permissions.visible_operations(user).count(),
    }


def test_an_admin_and_an_auditor_see_everything(world: World) -> None:
    everything = {
        "placements": 3,
        "applications": 2,
        "environments": 2,
        "hosts": 2,
        "deployments": 3,
        "plans": 3,
        "operations": Operation.objects.count(),
    }

    assert seen(world.ana) == everything
    assert seen(world.carla) == everything
    world.bruno.deploys_everything = True
    assert seen(world.bruno) == everything


def test_without_a_grant_nothing_exists(world: World) -> None:
    assert set(seen(world.bruno).values()) == {0}


def test_a_grant_shows_its_pair_and_no_other(world: World) -> None:
    bruno = grant(world, world.placement)

    assert list(permissions.visible_placements(bruno)) == [world.placement]
    assert [host.name for host in permissions.visible_hosts(bruno)] == ["web-1"]
    assert [each.name for each in permissions.visible_applications(bruno)] == ["storefront"]
    assert [each.name for each in permissions.visible_environments(bruno)] == ["production"]
    assert {each.placement for each in permissions.visible_deployments(bruno)} == {world.placement}
    assert {each.placement for each in permissions.visible_plans(bruno)} == {world.placement}
    for operation in permissions.visible_operations(bruno):
        assert operation.placement == world.placement or operation.host == world.hosts[0]


def test_grants_do_not_multiply(world: World) -> None:
    """An application in one environment and another in a second don't open the two other pairs."""
    billing = Placement.objects.get(application__name="billing-api")
    staging = Placement.objects.get(environment=world.staging)
    bruno = grant(world, billing, staging)

    assert set(permissions.visible_placements(bruno)) == {billing, staging}
    assert not permissions.may_act(bruno, world.placement)


def test_a_server_taken_out_is_no_longer_seen(world: World) -> None:
    bruno = grant(world, world.placement)
    applications.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.application,
        environment=world.production,
        image="nginx",
        settings={},
        host_ids=[],
        url="",
        keep_releases=5,
    )

    assert not permissions.visible_hosts(bruno).exists()


def test_a_deactivated_person_sees_and_does_nothing(world: World) -> None:
    bruno = people.deactivate(actor=world.actor, user=grant(world, world.placement))
    carla = people.deactivate(actor=world.actor, user=world.carla)

    for user in (bruno, carla):
        assert set(seen(user).values()) == {0}
        assert not permissions.may_act(user, world.placement)
        assert not permissions.may_audit(user)
        assert not permissions.may_see_people(user)


@pytest.mark.parametrize(
    ("role", "everything", "act", "create", "administer", "audit"),
    [
        (Role.ADMIN, False, True, True, True, True),
        (Role.DEPLOYER, False, False, False, False, False),
        (Role.DEPLOYER, True, True, True, False, False),
        (Role.AUDITOR, False, False, False, False, True),
        (Role.AUDITOR, True, False, False, False, True),
    ],
)
def test_what_each_role_may(
    world: World, role: Role, everything: bool, act: bool, create: bool, administer: bool, audit: bool
) -> None:
    user = world.bruno
    user.role, user.deploys_everything = role, everything

    assert permissions.may_act(user, world.placement) is act
    assert permissions.may_create_applications(user) is create
    assert permissions.may_administer(user) is administer
    assert permissions.may_audit(user) is audit
    assert permissions.may_see_people(user) is audit


def test_a_granted_deployer_acts_there_and_only_there(world: World) -> None:
    bruno = grant(world, world.placement)

    assert permissions.may_act(bruno, world.placement)
    assert permissions.may_act_at(bruno, world.application.pk, world.production.pk)
    assert not permissions.may_act_at(bruno, world.application.pk, world.staging.pk)


def test_a_list_costs_one_query_however_much_is_granted(world: World, django_assert_num_queries: Any) -> None:
    bruno = grant(world, *Placement.objects.all())
    requests.request_plan(actor=world.actor, placement=world.placement)

    for visible in (
        permissions.visible_placements,
        permissions.visible_deployments,
        permissions.visible_hosts,
        permissions.visible_operations,
        permissions.visible_plans,
    ):
        with django_assert_num_queries(1):
            assert list(visible(bruno))
