"""What a Deployment left in doubt, and the ways out: each taken once, by who may, and never as if it had gone well."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps

from deployments import attention, claims, sights, taking_as_is, ways_out
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Attention, AuditEntry, Deployment, Host, Operation, PlacementHost, Release, Role, Target
from deployments.queries.overview import overview
from deployments.states import HostState, TargetStatus
from tests.deployments.test_races import many
from tests.deployments.world import (
    OTHER_DIGEST,
    WORKER,
    World,
    deployed,
    finish,
    make_world,
    only_target,
    person,
    succeed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    """Release 1 serves on the only server."""
    found = make_world()
    succeed(found)
    return found


def doubted(world: World) -> Deployment:
    """Release 2 ended in doubt there."""
    deployment = deployed(world, digest=OTHER_DIGEST)
    finish(only_target(deployment), "needs_attention", what="Nobody knows.")
    return deployment


def alarms(world: World) -> list[int]:
    """The Deployments that the overview raises an alarm for."""
    return [each.deployment for each in overview(world.ana).alarms if each.deployment is not None]


def row_of(deployment: Deployment) -> Attention:
    return Attention.objects.select_related("dealt_with", "release").get(target__deployment=deployment)


def container(release: int, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"storefront-production-r{release}.f9", "id": "c" * 64, "image": "shop", "image_id": "sha256:1",
        "release": release, "target": 0, "status": "running", "running": True, "health": "", "serves": True,
        "answer": "HTTP 200", "published": [],
    }  # fmt: skip
    return {**found, **changes}


def looked(deployment: Deployment, release: int | None, *containers: dict[str, Any]) -> str:
    """A worker has looked; the fingerprint of what it saw."""
    sight = sights.sighted(list(containers), [], release)
    attention.seen(row_of(deployment).pk, sight)
    return str(sight["fingerprint"])


def asked_as_is(world: World, deployment: Deployment, shown: str, reason: str = "") -> Operation:
    (operation,) = taking_as_is.request_as_is(
        actor=world.actor, deployment=deployment, shown={"web-1": shown}, reason=reason
    )
    assert claims.claim_operation(operation.pk, holder=WORKER)
    operation.refresh_from_db()
    return operation


def test_a_deployment_is_resumed_there_alone_and_stays_what_it_was(world: World) -> None:
    deployment = doubted(world)
    assert alarms(world) == [deployment.pk]

    made = ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"], reason="the disk is free again")

    assert (made.release, made.kind, made.note) == (
        deployment.release, "redeploy", f"Resumes #{deployment.pk}. the disk is free again",
    )  # fmt: skip
    row = row_of(deployment)
    assert (row.way, row.dealt_with, row.dealt_by_name, row.reason) == (
        "resume", made, "Ana Prado", "the disk is free again",
    )  # fmt: skip
    assert only_target(deployment).status == TargetStatus.NEEDS_ATTENTION
    assert alarms(world) == []
    entry = AuditEntry.objects.get(action="target.settle")
    assert (entry.actor_name, entry.after["way"], entry.after["deployment"]) == ("Ana Prado", "resume", made.pk)
    assert entry.after["reason"] == "the disk is free again"
    finish(only_target(made))
    assert row_of(deployment).way == "resume"
    assert world.placement.seats.get().running_release == deployment.release


def test_what_served_before_comes_back(world: World) -> None:
    deployment = doubted(world)
    (made,) = ways_out.restore(actor=world.actor, deployment=deployment, servers=["web-1"])
    assert (made.release.number, made.kind) == (1, "rollback")
    assert row_of(deployment).dealt_with == made
    finish(only_target(made))
    assert world.placement.seats.get().running_release == made.release


def test_nothing_is_brought_back_where_nothing_was() -> None:
    world = make_world()
    deployment = doubted(world)
    with pytest.raises(Refused, match="Nothing served on web-1 before"):
        ways_out.restore(actor=world.actor, deployment=deployment, servers=["web-1"])
    assert row_of(deployment).is_open
    assert Deployment.objects.count() == 1


def test_what_was_begun_and_touched_nothing_deals_with_nothing(world: World) -> None:
    deployment = doubted(world)
    made = ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])
    finish(only_target(made), "failed_untouched", what="Its disk is full.")
    row = row_of(deployment)
    assert (row.way, row.dealt_with, row.dealt_by_name) == ("", None, "")
    assert deployment.pk in alarms(world)
    again = ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])
    finish(only_target(again), "needs_attention", what="Again.")
    assert (row_of(deployment).way, row_of(again).way) == ("resume", "")
    assert Attention.objects.filter(way="").count() == 1


def test_a_later_deployment_settles_it_by_itself_and_says_so(world: World) -> None:
    deployment = doubted(world)
    later = deployed(world)
    finish(only_target(later))
    row = row_of(deployment)
    assert (row.way, row.dealt_with, row.dealt_by_name) == ("later", later, "Estiva")
    with pytest.raises(Refused, match="Estiva has dealt with it"):
        ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])


def test_one_in_doubt_again_takes_the_place_of_the_first(world: World) -> None:
    first = doubted(world)
    second = deployed(world)
    finish(only_target(second), "needs_attention", what="Still.")
    assert (row_of(first).way, row_of(second).way) == ("later", "")


def test_as_it_is_only_after_a_look_and_only_what_was_shown(world: World) -> None:
    deployment = doubted(world)
    with pytest.raises(Refused, match="not looked at since"):
        asked_as_is(world, deployment, "")
    stale = looked(deployment, 2, container(2))
    shown = looked(deployment, 2, container(2, name="storefront-production-r2.f10"))
    with pytest.raises(Refused, match="not what was shown"):
        asked_as_is(world, deployment, stale)
    operation = asked_as_is(world, deployment, shown, "it answers")
    with pytest.raises(Refused, match="being taken as it is already"):
        taking_as_is.request_as_is(actor=world.actor, deployment=deployment, shown={"web-1": shown})
    moved = sights.sighted([container(2, running=False, serves=False)], [], None)
    with pytest.raises(Refused, match="not what was shown"):
        taking_as_is.take_as_is(operation, moved, None)
    assert row_of(deployment).is_open

    sight = row_of(deployment).sight
    release = taking_as_is.take_as_is(operation, sight, {"container": "storefront-production-r2.f10"})
    assert release == deployment.release
    row, seat = row_of(deployment), world.placement.seats.get()
    assert (row.way, row.release, row.dealt_by_name, row.reason) == ("as_is", release, "Ana Prado", "it answers")
    assert (seat.running_release, seat.drift) == (release, "")
    assert seat.observed["container"] == "storefront-production-r2.f10"
    assert taking_as_is.taken_by(operation) == row
    entry = AuditEntry.objects.get(action="target.settle")
    assert (entry.actor_name, entry.after["recorded"]) == ("Ana Prado", "release 2")
    with pytest.raises(Refused, match="Ana Prado has dealt with it"):
        taking_as_is.take_as_is(operation, sight, None)


def test_nothing_known_runs_there_is_recorded_as_that(world: World) -> None:
    deployment = doubted(world)
    shown = looked(deployment, None)
    operation = asked_as_is(world, deployment, shown)
    assert taking_as_is.take_as_is(operation, row_of(deployment).sight, None) is None
    seat = world.placement.seats.get()
    assert (seat.running_release, seat.running_target, seat.observed) == (None, None, {})


def test_the_container_says_which_target_brought_it(world: World) -> None:
    deployment = doubted(world)
    target = only_target(deployment)
    operation = asked_as_is(world, deployment, looked(deployment, 2, container(2, target=target.pk)))
    taking_as_is.take_as_is(operation, row_of(deployment).sight, {})
    assert world.placement.seats.get().running_target == target


def test_two_people_at_once_act_once(world: World) -> None:
    deployment = doubted(world)
    shown = looked(deployment, 2, container(2))
    operation = asked_as_is(world, deployment, shown)
    ways_out.restore(actor=world.actor, deployment=deployment, servers=["web-1"])
    with pytest.raises(Refused, match="is open"):
        taking_as_is.take_as_is(operation, row_of(deployment).sight, {})
    for way in (ways_out.restore, ways_out.resume):
        with pytest.raises(Refused):
            way(actor=world.actor, deployment=deployment, servers=["web-1"])
    assert Deployment.objects.count() == 3


@pytest.mark.parametrize(
    ("state", "words"), [(HostState.UNREACHABLE, "unreachable"), (HostState.KEY_CHANGED, "host key changed")]
)
def test_nothing_is_brought_to_a_server_that_is_not_there(world: World, state: HostState, words: str) -> None:
    deployment = doubted(world)
    Host.objects.update(state=state)
    with pytest.raises(Refused, match=words):
        ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])


def test_a_server_that_was_taken_out_or_drained(world: World) -> None:
    deployment = doubted(world)
    Host.objects.update(drained_at=deployment.requested_at)
    with pytest.raises(Refused, match="drained"):
        ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])
    PlacementHost.objects.update(is_active=False)
    with pytest.raises(Refused, match="none of its servers any more"):
        ways_out.restore(actor=world.actor, deployment=deployment, servers=["web-1"])


def test_power_over_the_server_needs_an_admin_here_too(world: World) -> None:
    deployment = doubted(world)
    Release.objects.filter(pk=deployment.release_id).update(
        settings={**deployment.release.settings, "privileged": True}
    )
    deployment.release.refresh_from_db()
    bertha = Actor.of(person("Bertha Ohm", Role.DEPLOYER))
    with pytest.raises(Refused, match="Only an admin"):
        ways_out.resume(actor=bertha, deployment=deployment, servers=["web-1"])
    assert ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"]).release == deployment.release


def test_a_power_whose_words_are_masked_is_new_each_time_here_too(world: World) -> None:
    """The secret behind the words is a deployer's to change: what an admin let run there says nothing of it."""
    deployment = doubted(world)
    masked = {"kind": "compose", "powers": [["web", "volumes", "[redacted] is a folder or file of the server"]]}
    Release.objects.update(source=masked)
    deployment.release.refresh_from_db()
    bertha = Actor.of(person("Bertha Ohm", Role.DEPLOYER))
    with pytest.raises(Refused, match="Only an admin"):
        ways_out.resume(actor=bertha, deployment=deployment, servers=["web-1"])


def test_servers_that_are_fine_are_not_touched() -> None:
    world = make_world(servers=3)
    succeed(world)
    deployment = deployed(world, digest=OTHER_DIGEST)
    for target, verdict in zip(
        deployment.targets.order_by("host_name"), ("needs_attention", "succeeded", "needs_attention"), strict=True
    ):
        finish(target, verdict)
    with pytest.raises(Refused, match="web-2 does not need attention"):
        ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1", "web-2"])
    made = ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1", "web-3"])
    assert sorted(made.targets.values_list("host_name", flat=True)) == ["web-1", "web-3"]


def test_a_page_asks_for_a_look_once(world: World) -> None:
    deployment = doubted(world)
    before = Operation.objects.filter(kind="check").count()
    attention.look_if_stale(deployment)
    attention.look_if_stale(deployment)
    assert Operation.objects.filter(kind="check").count() == before + 1
    assert attention.look(actor=world.actor, deployment=deployment)[0] == Operation.objects.filter(kind="check").first()
    looked(deployment, None)
    Operation.objects.filter(kind="check").update(status="succeeded")
    attention.look_if_stale(deployment)
    assert Operation.objects.filter(kind="check").count() == before + 1


def test_the_target_itself_is_never_written_anew(world: World) -> None:
    deployment = doubted(world)
    before = Target.objects.filter(deployment=deployment).values().get()
    made = ways_out.resume(actor=world.actor, deployment=deployment, servers=["web-1"])
    finish(only_target(made))
    assert Target.objects.filter(deployment=deployment).values().get() == before


@pytest.mark.django_db(transaction=True)
def test_of_many_clicks_at_once_one_acts() -> None:
    world = make_world()
    succeed(world)
    deployment = doubted(world)
    shown = looked(deployment, 2, container(2))

    def click(number: int) -> object:
        try:
            if number % 3 == 2:
                taking_as_is.request_as_is(actor=world.actor, deployment=deployment, shown={"web-1": shown})
                return "asked"
            way = (ways_out.resume, ways_out.restore)[number % 3]
            way(actor=world.actor, deployment=deployment, servers=["web-1"])
        except Refused as refused:
            return str(refused)
        return "done"

    with many(9) as run:
        said = run(click)

    assert said.count("done") == 1, said
    assert said.count("asked") <= 1, said
    assert Deployment.objects.count() == 3
    assert AuditEntry.objects.filter(action="target.settle").count() == 1


def test_doubts_from_before_there_was_a_place_for_them_are_filled_in() -> None:
    world = make_world(servers=2)
    old = deployed(world)
    for target in old.targets.all():
        finish(target, "needs_attention")
    newer = deployed(world, digest=OTHER_DIGEST)
    finish(newer.targets.get(host_name="web-1"))
    finish(newer.targets.get(host_name="web-2"), "failed_untouched")
    Attention.objects.all().delete()
    fill = importlib.import_module("deployments.migrations.0035_fill_attention").fill
    fill(apps, None)
    row = Attention.objects.get()
    assert (row.target.host_name, row.target.deployment, row.is_open) == ("web-2", old, True)
    assert row.opened_at == row.target.ended_at
