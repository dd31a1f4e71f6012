"""Servers that were away when something was deployed: left out or waited for, then brought up to date."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import catching_up, endings, requests
from deployments.actors import ESTIVA
from deployments.errors import Refused
from deployments.inventory import placements
from deployments.models import Deployment, Host, Plan
from deployments.states import DeploymentStatus, HostState, TargetStatus
from tests.deployments.world import World, claimed, deployed, finish, look_of, make_world, planned

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

GONE = {"check": "reachable", "result": "bad", "message": "web-2 does not answer.", "remedy": "Look at it."}


@pytest.fixture
def world() -> World:
    world = make_world(servers=2)
    Host.objects.update(state=HostState.READY)
    return world


def order(world: World, **rollout: Any) -> None:
    placement = world.placement
    placement.refresh_from_db()
    world.placement = placements.save_placement(
        actor=world.actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image=placement.image,
        settings=placement.settings,
        host_ids=[host.pk for host in world.hosts],
        rollout=rollout,
    )


def with_one_away(world: World, **more: Any) -> Plan:
    first, second = world.hosts
    return planned(world, looks=[look_of(first), look_of(second, findings=[GONE, *more.get("findings", [])])])


def click(world: World, plan: Plan) -> Deployment:
    return requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)


def behind(world: World) -> list[str]:
    return [seat.host.name for seat in world.placement.seats.exclude(owed=None).select_related("host")]


def seat_of(world: World, number: int) -> int:
    return world.placement.seats.get(host=world.hosts[number]).pk


def test_a_server_that_is_away_holds_the_deploy_up(world: World) -> None:
    with pytest.raises(Refused, match="web-2 can't be deployed to"):
        click(world, with_one_away(world))


def test_one_that_may_be_left_out_is_behind_then(world: World) -> None:
    order(world, away="skip")
    plan = with_one_away(world)
    assert [row["away"] for row in plan.hosts] == ["", "skip"]
    deployment = click(world, plan)
    assert [target.host_name for target in deployment.targets.all()] == ["web-1"]
    assert behind(world) == ["web-2"]
    finish(deployment.targets.get())
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.SUCCEEDED


def test_something_else_that_is_wrong_is_no_absence(world: World) -> None:
    order(world, away="skip")
    disk = {"check": "disk", "result": "bad", "message": "full", "remedy": ""}
    plan = with_one_away(world, findings=[disk])
    assert [row["away"] for row in plan.hosts] == ["", ""]
    with pytest.raises(Refused):
        click(world, plan)


def test_one_that_is_waited_for_has_its_target(world: World) -> None:
    order(world, away="wait")
    deployment = click(world, with_one_away(world))
    assert deployment.targets.count() == 2


def test_one_that_goes_away_at_the_start_is_left_out(world: World) -> None:
    order(world, away="skip")
    deployment = deployed(world)
    first, second = deployment.targets.order_by("pk")
    finish(first)
    outcome = {"verdict": "skipped", "what": "Left out: web-2 does not answer.", "away": True}
    assert endings.end_target(claimed(second), outcome)
    second.refresh_from_db()
    deployment.refresh_from_db()
    assert (second.status, deployment.status) == (TargetStatus.SKIPPED, DeploymentStatus.SUCCEEDED)
    assert behind(world) == ["web-2"]


def test_it_catches_up_by_a_click(world: World) -> None:
    order(world, away="skip")
    deployment = click(world, with_one_away(world))
    with pytest.raises(Refused, match="under way"):
        catching_up.catch_up(actor=world.actor, seat_id=seat_of(world, 1))
    finish(deployment.targets.get())
    assert catching_up.catch_up_due() == [], "a click is wanted"
    with pytest.raises(Refused, match="up to date"):
        catching_up.catch_up(actor=world.actor, seat_id=seat_of(world, 0))
    Host.objects.filter(name="web-2").update(state=HostState.UNREACHABLE)
    with pytest.raises(Refused, match="not back"):
        catching_up.catch_up(actor=world.actor, seat_id=seat_of(world, 1))
    Host.objects.filter(name="web-2").update(state=HostState.READY)
    again = catching_up.catch_up(actor=world.actor, seat_id=seat_of(world, 1))
    assert again.release == deployment.release
    finish(again.targets.get())
    assert behind(world) == []


def test_it_catches_up_by_itself_once_each_time_it_comes_back(world: World) -> None:
    order(world, away="skip", catch_up="auto")
    finish(click(world, with_one_away(world)).targets.get())
    Host.objects.update(state_since=Now() - timedelta(seconds=5))
    (again,) = catching_up.catch_up_due()
    assert [target.host_name for target in again.targets.all()] == ["web-2"]
    finish(again.targets.get(), "failed_untouched")
    assert behind(world) == ["web-2"]
    assert catching_up.catch_up_due() == [], "what failed waits for a person"
    Host.objects.filter(name="web-2").update(state_since=Now() + timedelta(seconds=5))
    assert len(catching_up.catch_up_due()) == 1


def test_a_newer_deploy_pays_what_was_owed(world: World) -> None:
    order(world, away="skip")
    finish(click(world, with_one_away(world)).targets.get())
    for target in deployed(world, digest="sha256:" + "9" * 64).targets.order_by("pk"):
        finish(target)
    assert behind(world) == []


def test_one_that_runs_it_already_is_not_behind(world: World) -> None:
    order(world, away="skip")
    for target in deployed(world).targets.order_by("pk"):
        finish(target)
    click(world, with_one_away(world))
    assert behind(world) == []


def test_nobody_is_brought_unasked_to_what_came_to_no_good_end(world: World) -> None:
    order(world, away="skip", catch_up="auto")
    finish(click(world, with_one_away(world)).targets.get(), "failed_restored")
    came_back()
    assert catching_up.catch_up_due() == []
    requests.cancel_deployment(actor=world.actor, deployment=click(world, with_one_away(world)))
    assert catching_up.catch_up_due() == []
    assert behind(world) == ["web-2"]


def test_nor_to_what_runs_nowhere_any_more(world: World) -> None:
    order(world, away="skip", catch_up="auto")
    finish(click(world, with_one_away(world)).targets.get())
    newer = planned(world, digest="sha256:" + "9" * 64)
    left_out = [world.hosts[1].pk]
    made = requests.request_deployment(actor=world.actor, plan=newer, fingerprint=newer.fingerprint, leave_out=left_out)
    finish(made.targets.get())
    came_back()
    assert catching_up.catch_up_due() == []


def test_two_reconcilers_try_it_once(world: World) -> None:
    order(world, away="skip", catch_up="auto")
    finish(click(world, with_one_away(world)).targets.get())
    came_back()
    (seat,) = catching_up.due()
    finish(catching_up.catch_up(actor=ESTIVA, seat_id=seat).targets.get(), "failed_untouched")
    with pytest.raises(Refused, match="meanwhile"):
        catching_up.catch_up(actor=ESTIVA, seat_id=seat)


def came_back() -> None:
    Host.objects.update(state_since=Now() - timedelta(seconds=5))
