"""Servers one group after another: the gate between, the stop, and what those get back that were switched already."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import claims, clock, endings, requests, restoring, rollout_settings, waves
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.inventory import placements
from deployments.models import Deployment, Host, PlacementHost, Release, Target
from deployments.states import DeploymentStatus
from tests.deployments.world import World, claimed, deployed, make_world, planned, succeed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

NEXT = "sha256:" + "9" * 64


@pytest.fixture
def world() -> World:
    return make_world(servers=4)


def order(world: World, **rollout: Any) -> None:
    """Let the Placement be deployed in this order."""
    placement = world.placement
    placement.refresh_from_db()
    world.placement = placements.save_placement(
        actor=world.actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image=placement.image,
        settings=placement.settings,
        host_ids=[seat.host_id for seat in placement.seats.filter(is_active=True)],
        rollout=rollout,
    )


def of(deployment: Deployment, wave: int) -> list[Target]:
    return list(deployment.targets.filter(wave=wave).order_by("pk"))


def end(target: Target, verdict: str = "succeeded") -> None:
    ended = {"verdict": verdict, "what": "said", "serving_release": None}
    assert endings.end_target(claimed(target), ended, {"container": "c"}, [], 0.1)


def statuses(deployment: Deployment) -> list[str]:
    return list(deployment.targets.order_by("pk").values_list("status", flat=True))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["abcde"]),
        ({"kind": "batches", "size": "2"}, ["ab", "cd", "e"]),
        ({"kind": "batches", "size": "40 %"}, ["ab", "cd", "e"]),
        ({"kind": "batches", "size": "1%"}, ["a", "b", "c", "d", "e"]),
        ({"kind": "batches", "size": "9"}, ["abcde"]),
        ({"kind": "canary", "size": "1"}, ["a", "bcde"]),
        ({"kind": "canary", "size": "100%"}, ["abcde"]),
    ],
)
def test_who_comes_when(settings: dict[str, Any], expected: list[str]) -> None:
    found = rollout_settings.waves(rollout_settings.normalise(settings), "abcde")
    assert ["".join(each) for each in found] == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"size": "0"}, "size"),
        ({"size": "101%"}, "size"),
        ({"size": "two"}, "size"),
        ({"kind": "random"}, "kind"),
        ({"minutes": "0"}, "minutes"),
        ({"stop_after": "-1"}, "stop_after"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(given: dict[str, Any], path: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        rollout_settings.normalise(given)
    assert list(refused.value.errors) == [path]


def test_batches_follow_one_another(world: World) -> None:
    order(world, kind="batches", size="2", gate="none")
    deployment = deployed(world)
    first, second = of(deployment, 0), of(deployment, 1)

    assert set(claims.waiting_targets()) == {each.pk for each in first}
    assert claims.claim_target(second[0].pk, holder="w") is None
    end(first[0])
    assert claims.claim_target(second[0].pk, holder="w") is None, "the other one of its batch still runs"
    end(first[1])
    assert set(claims.waiting_targets()) == {each.pk for each in second}
    for target in second:
        end(target)
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.SUCCEEDED


def test_a_canary_waits_for_a_person(world: World) -> None:
    order(world, kind="canary", size="1")
    deployment = deployed(world)
    with pytest.raises(Refused, match="does not wait"):
        waves.go_on(actor=world.actor, deployment=deployment)
    end(of(deployment, 0)[0])
    deployment.refresh_from_db()
    assert (deployment.status, deployment.gate) == (DeploymentStatus.RUNNING, "person")
    assert claims.waiting_targets() == []

    waves.go_on(actor=world.actor, deployment=deployment)
    assert set(claims.waiting_targets()) == {each.pk for each in of(deployment, 1)}
    with pytest.raises(Refused):
        waves.go_on(actor=world.actor, deployment=deployment)
    for target in of(deployment, 1):
        end(target)
    deployment.refresh_from_db()
    assert (deployment.status, deployment.gate) == (DeploymentStatus.SUCCEEDED, "")


def test_a_waiting_deployment_can_be_ended(world: World) -> None:
    order(world, kind="canary", size="1")
    deployment = deployed(world)
    end(of(deployment, 0)[0])
    requests.cancel_deployment(actor=world.actor, deployment=deployment)
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.CANCELLED
    assert statuses(deployment) == ["succeeded", "cancelled", "cancelled", "cancelled"]
    with pytest.raises(Refused):
        waves.go_on(actor=world.actor, deployment=deployment)


def test_minutes_of_health_open_the_gate(world: World) -> None:
    order(world, kind="canary", size="1", gate="minutes", minutes="5")
    deployment = deployed(world)
    canary = of(deployment, 0)[0]
    end(canary)
    assert waves.gates_due() == []
    Deployment.objects.update(gate_opens_at=Now() - timedelta(seconds=1))
    assert waves.gates_due() == [deployment.pk]
    Host.objects.update(checked_at=Now() - timedelta(minutes=3))
    assert waves.open_gate(deployment.pk) == [canary.host_id], "nobody has looked since"
    assert claims.waiting_targets() == []
    Host.objects.update(checked_at=Now())
    assert waves.open_gate(deployment.pk) == []
    assert set(claims.waiting_targets()) == {each.pk for each in of(deployment, 1)}


@pytest.mark.parametrize("seen", [True, False])
def test_a_sick_canary_asks_a_person(world: World, seen: bool) -> None:
    order(world, kind="canary", size="1", gate="minutes")
    deployment = deployed(world)
    end(of(deployment, 0)[0])
    if seen:  # long before the time is over
        PlacementHost.objects.filter(host=world.hosts[0]).update(
            drift="Its own health check says that it is unhealthy."
        )
    else:
        Deployment.objects.update(gate_opens_at=clock.now() - waves.UNSEEN - timedelta(seconds=1))
        Host.objects.update(checked_at=None)
    assert waves.gates_due() == [deployment.pk]
    waves.open_gate(deployment.pk)
    deployment.refresh_from_db()
    assert deployment.gate == "person"
    assert deployment.gate_text == (
        "web-1: Its own health check says that it is unhealthy." if seen else "web-1 could not be looked at."
    )
    assert claims.waiting_targets() == []


def test_a_failure_stops_what_has_not_begun(world: World) -> None:
    order(world, kind="batches", size="2", gate="none")
    deployment = deployed(world)
    first = of(deployment, 0)
    end(first[0], "failed_untouched")
    assert statuses(deployment) == ["failed_untouched", "skipped", "skipped", "skipped"]
    deployment.refresh_from_db()
    assert (deployment.status, deployment.halted) == (DeploymentStatus.FAILED, "Stopped after web-1 failed.")
    skipped = deployment.targets.get(host_name="web-4")
    assert skipped.outcome["what"] == "Not begun: stopped after web-1 failed."


def test_as_many_failures_as_were_allowed(world: World) -> None:
    order(world, kind="batches", size="1", gate="none", stop_after="2")
    deployment = deployed(world)
    end(of(deployment, 0)[0], "failed_untouched")
    end(of(deployment, 1)[0])
    end(of(deployment, 2)[0], "failed_untouched")
    assert statuses(deployment) == ["failed_untouched", "succeeded", "failed_untouched", "skipped"]


def test_all_at_once_never_stops(world: World) -> None:
    deployment = deployed(world)
    end(of(deployment, 0)[0], "failed_untouched")
    assert statuses(deployment) == ["failed_untouched", "queued", "queued", "queued"]


def _stopped(world: World) -> tuple[Release, Deployment]:
    """Release 1 ran everywhere; of release 2 one batch of one succeeded and the next one failed."""
    before = succeed(world)
    order(world, kind="batches", size="1", gate="none", then="restore")
    deployment = deployed(world, digest=NEXT)
    end(of(deployment, 0)[0])
    assert restoring.due() == []
    end(of(deployment, 1)[0], "failed_untouched")
    return before, deployment


def test_the_switched_get_back_what_they_had(world: World) -> None:
    before, deployment = _stopped(world)
    assert restoring.due() == [deployment.pk]
    (back,) = restoring.restore(deployment.pk)

    assert (back.release, back.kind, back.restores) == (before, Deployment.Kind.ROLLBACK, deployment)
    assert [target.host_name for target in back.targets.all()] == ["web-1"]
    assert back.rollout == {}
    assert restoring.due() == []
    assert restoring.restore(deployment.pk) == []
    end(back.targets.get())
    assert {seat.running_release for seat in world.placement.seats.all()} == {before}


def test_nothing_comes_back_where_another_deploy_follows(world: World) -> None:
    succeed(world)
    order(world, kind="batches", size="1", gate="none", then="restore")
    deployment = deployed(world, digest=NEXT)
    follows = deployed(world, digest="sha256:" + "8" * 64)
    end(of(deployment, 0)[0])
    end(of(deployment, 1)[0], "failed_untouched")
    assert restoring.restore(deployment.pk) == []
    deployment.refresh_from_db()
    assert deployment.restore == Deployment.Restore.LEFT
    assert claims.waiting_targets() == [of(follows, 0)[0].pk]
    assert not deployment.restored_by.exists()


def test_a_server_that_is_new_keeps_what_it_got(world: World) -> None:
    order(world, kind="batches", size="1", gate="none", then="restore")
    deployment = deployed(world)
    end(of(deployment, 0)[0])
    end(of(deployment, 1)[0], "failed_untouched")
    assert restoring.restore(deployment.pk) == [], "nothing ran there before"
    assert restoring.due() == []


def test_another_order_makes_the_plan_stale(world: World) -> None:
    shown = planned(world)
    order(world, kind="canary")
    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=shown, fingerprint=shown.fingerprint)


def test_a_newer_one_replaces_those_that_wait_where_that_is_wanted(world: World) -> None:
    running = deployed(world)
    claimed(of(running, 0)[0])
    waiting = deployed(world, digest=NEXT)
    order(world, newer="replace")
    newest = deployed(world, digest="sha256:" + "8" * 64)

    for each, status in ((running, "running"), (waiting, "cancelled"), (newest, "queued")):
        each.refresh_from_db()
        assert each.status == status
    assert waiting.targets.first().outcome["what"].startswith(f"Superseded by #{newest.pk}")  # type: ignore[union-attr]
