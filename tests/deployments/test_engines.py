"""Engines beside workers: who may take what, which queue it is hinted in, and what is said while nobody can."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments import claims, endings, engines, hints, operations, power, queue, requests, sightings
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import beside, hosts, placements
from deployments.models import (
    AuditEntry,
    Deployment,
    Environment,
    Host,
    Operation,
    Placement,
    PlacementHost,
    Release,
    Target,
    WorkerProcess,
)
from deployments.states import HostState
from tests.deployments.test_builds import BUILT, NEXT, brings, build_of, deployed, end, succeed
from tests.deployments.test_builds import world as world
from tests.deployments.world import WORKER, World
from tests.factories import engine_worker, host_beside

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

ENGINE = "AAAA:BBBB@build-1:/var/lib/docker"
OTHER = "CCCC:DDDD@build-2:/var/lib/docker"


@pytest.fixture
def local() -> Host:
    """An engine beside a worker that is alive, as a server."""
    engine_worker(engine=ENGINE)
    return host_beside("local", ENGINE)


def build_there(local: Host) -> None:
    Environment.objects.update(builder=local)


def on(world: World, *machines: Host) -> None:
    """Let these be the shop's servers."""
    seats = world.placement.seats
    seats.update(is_active=False)
    for each in machines:
        PlacementHost.objects.update_or_create(placement=world.placement, host=each, defaults={"is_active": True})


def takes(target: Target, *held: str) -> bool:
    return claims.claim_target(target.pk, holder=WORKER, engines=held) is not None


def queues(*targets: Target) -> dict[str, list[int]]:
    return hints.by_queue(queue.RUN_TARGET, [each.pk for each in targets])


def test_a_build_there_is_only_for_a_worker_that_has_it(world: World, local: Host) -> None:
    build_there(local)
    build = build_of(deployed(world))
    assert queues(build) == {f"deploy.{engines.short(ENGINE)}": [build.pk]}
    assert not takes(build)
    assert not takes(build, OTHER)
    assert takes(build, ENGINE)


def test_so_is_each_deploy_that_needs_the_image_from_there(world: World, local: Host) -> None:
    build_there(local)
    deployment = deployed(world)
    first, second = brings(deployment)
    assert claims.claim_target(build_of(deployment).pk, holder=WORKER, engines=[ENGINE]) is not None
    _end_build(deployment, local)
    assert queues(first, second) == {f"deploy.{engines.short(ENGINE)}": [first.pk, second.pk]}
    assert not takes(first)
    assert takes(first, ENGINE)


def test_once_a_server_runs_it_any_worker_can_bring_it_to_the_others(world: World, local: Host) -> None:
    build_there(local)
    deployment = deployed(world)
    first, second = brings(deployment)
    claims.claim_target(build_of(deployment).pk, holder=WORKER, engines=[ENGINE])
    _end_build(deployment, local)
    world.placement.seats.filter(host=first.host).update(running_release=deployment.release)
    assert queues(second) == {"deploy": [second.pk]}
    assert takes(second)


def test_what_a_registry_has_comes_from_there(world: World, local: Host) -> None:
    build_there(local)
    deployment = deployed(world)
    claims.claim_target(build_of(deployment).pk, holder=WORKER, engines=[ENGINE])
    _end_build(deployment, local, digest="sha256:" + "56" * 32)
    first, _second = brings(deployment)
    assert takes(first)


def test_going_back_needs_no_builder_where_the_image_is_kept(world: World, local: Host) -> None:
    """Else a rollback would wait for a machine that it doesn't need."""
    first = succeed(world)
    second = deployed(world, NEXT)
    end(build_of(second), "succeeded", {**BUILT, "image_id": "sha256:" + "98" * 32})
    for each in brings(second):
        end(each, "succeeded")
    Release.objects.filter(pk=first.release_id).update(built={**BUILT, "host": local.pk})
    back = deployed(world, of_release=first.release)
    assert (back.kind, back.targets.count()) == (Deployment.Kind.ROLLBACK, 2)
    assert _needed(back) == {}
    Placement.objects.update(keep_releases=1)
    assert set(_needed(back)) == set(back.targets.values_list("pk", flat=True)), "it is kept nowhere any more"


def test_a_deploy_to_it_is_for_its_workers_too(world: World, local: Host) -> None:
    world.placement.refresh_from_db()
    on(world, local)
    _silence()  # so that anybody may plan
    deployment = deployed(world)
    assert {engines.queue_of("deploy", each) for each in _needed(deployment).values()} == {
        f"deploy.{engines.short(ENGINE)}"
    }


def test_without_such_a_server_nothing_is_asked_and_nothing_changes(world: World) -> None:
    deployment = deployed(world)
    assert engines.needed_by_targets([build_of(deployment).pk]) == {}
    assert takes(build_of(deployment))


def test_what_is_asked_of_it_is_for_its_workers(world: World, local: Host) -> None:
    operation = hosts.check(actor=world.actor, host=local)
    assert hints.by_queue(queue.RUN_OPERATION, [operation.pk]) == {f"look.{engines.short(ENGINE)}": [operation.pk]}
    assert claims.claim_operation(operation.pk, holder=WORKER) is None
    assert claims.claim_operation(operation.pk, holder=WORKER, engines=[ENGINE]) is not None


def test_a_plan_goes_to_its_worker_and_without_one_to_anybody(world: World, local: Host) -> None:
    on(world, local, world.hosts[0])
    plan = requests.request_plan(actor=world.actor, placement=world.placement)
    assert hints.by_queue(queue.RUN_OPERATION, [plan.operation_id]) == {
        f"look.{engines.short(ENGINE)}": [plan.operation_id]
    }
    _silence()
    assert hints.by_queue(queue.RUN_OPERATION, [plan.operation_id]) == {"look": [plan.operation_id]}
    assert claims.claim_operation(plan.operation_id, holder=WORKER) is not None


def test_while_no_worker_has_it_the_page_says_so(world: World, local: Host) -> None:
    build_there(local)
    build = build_of(deployed(world))
    assert engines.waiting_reasons([build]) == {}
    _silence()
    assert engines.waiting_reasons([build]) == {
        build.pk: "Waits for the worker that has the engine of local beside it; none is running."
    }


def test_without_its_workers_it_can_not_be_reached_and_says_why(local: Host) -> None:
    assert sightings.engines_absent() == []
    _silence()
    assert sightings.engines_absent() == [local.pk]
    local.refresh_from_db()
    assert (local.state, local.state_text) == (
        HostState.UNREACHABLE,
        "No worker that has this engine beside it is running.",
    )
    assert sightings.engines_absent() == [], "it is told once"


def test_a_check_that_nobody_could_take_says_why(world: World, local: Host) -> None:
    operation = hosts.check(actor=world.actor, host=local)
    _silence()
    operations.fail_late(operation)
    operation.refresh_from_db()
    assert operation.result["why"] == "No worker that has this engine beside it is running."


def test_what_is_announced_is_offered_once_and_not_when_it_is_silent() -> None:
    engine_worker(engine=ENGINE)
    engine_worker("look@build-1", ENGINE, role="look")
    (found,) = engines.offered()
    assert (found.engine_id, found.workers, found.whole) == (ENGINE, ("deploy@build-1", "look@build-1"), True)
    _silence()
    assert engines.offered() == []


def test_adding_it_is_recorded_and_done_once(world: World) -> None:
    engine_worker(engine=ENGINE)
    host, operation = beside.add_engine(actor=world.actor, engine_id=ENGINE, name="Local")
    assert (host.name, host.is_trusted, host.private_key, host.builds_only) == ("local", True, None, False)
    assert operation.kind == Operation.Kind.CHECK
    assert AuditEntry.objects.get(action="host.add_engine").object_name == "local"
    with pytest.raises(Refused):
        beside.add_engine(actor=world.actor, engine_id=ENGINE, name="again")


def test_what_no_worker_announced_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="No worker"):
        beside.add_engine(actor=world.actor, engine_id=ENGINE, name="local")


@pytest.mark.parametrize("name", ["", "beside", "new", "web-1", "$(id)", "a" * 64])
def test_a_name_that_can_not_be_is_refused(world: World, name: str) -> None:
    engine_worker(engine=ENGINE)
    with pytest.raises(FieldErrors):
        beside.add_engine(actor=world.actor, engine_id=ENGINE, name=name)
    assert not Host.objects.filter(way=Host.Way.BESIDE).exists()


def test_one_whose_worker_is_in_a_container_only_builds(world: World, local: Host) -> None:
    Host.objects.filter(pk=local.pk).update(builds_only=True)
    with pytest.raises(FieldErrors, match="can only build"):
        _save(world, [local.pk])
    build_there(local)
    assert build_of(deployed(world)).host == local


def test_two_workers_engines_do_not_serve_together(world: World, local: Host) -> None:
    other = host_beside("other", OTHER)
    with pytest.raises(FieldErrors, match="beside different workers"):
        _save(world, [local.pk, other.pk])
    _save(world, [local.pk])
    build_there(other)
    _silence()  # so that anybody may plan
    with pytest.raises(Refused, match="beside different workers"):
        deployed(world)


def test_nothing_of_ssh_is_done_with_it(world: World, local: Host) -> None:
    for act in (
        lambda: hosts.update_host(actor=world.actor, host=local, address="203.0.113.9"),
        lambda: hosts.meet(actor=world.actor, host=local),
        lambda: hosts.replace_credential(actor=world.actor, host=local),
        lambda: hosts.register_host(actor=world.actor, name="behind", address="10.0.0.9", via=local),
    ):
        with pytest.raises(Refused):
            act()


def test_it_can_be_retired_and_then_added_anew(world: World, local: Host) -> None:
    hosts.retire_host(actor=world.actor, host=local)
    local.refresh_from_db()
    assert not local.is_trusted
    again, _check = beside.add_engine(actor=world.actor, engine_id=ENGINE, name="again")
    assert again.pk != local.pk


def _needed(deployment: Deployment) -> dict[int, frozenset[str]]:
    return engines.needed_by_targets(deployment.targets.values_list("pk", flat=True))


def _silence() -> None:
    """Every worker was last heard from two minutes ago."""
    WorkerProcess.objects.update(beat_at=timezone.now() - timedelta(minutes=2))


def _end_build(deployment: Deployment, local: Host, **built: Any) -> None:
    build = build_of(deployment)
    claim = claims.Claim(build.pk, build.fence, WORKER, role="build")
    outcome = {"verdict": "succeeded", "what": "said"}
    assert endings.end_target(claim, outcome, built={**BUILT, "host": local.pk, "host_name": "local", **built})


def _save(world: World, host_ids: list[int]) -> Placement:
    world.placement.refresh_from_db()
    return placements.save_placement(
        actor=world.actor,
        placement=world.placement,
        application=world.placement.application,
        environment=world.placement.environment,
        image="",
        settings=world.placement.settings,
        host_ids=host_ids,
        source="git",
        build=world.placement.build,
    )


def test_an_engine_serves_only_where_each_of_its_workers_reaches_what_runs_there(local: Host) -> None:
    assert not engines.can_only_build(ENGINE)
    inside = engine_worker("deploy@container", engine=ENGINE)
    WorkerProcess.objects.filter(pk=inside.pk).update(engine={"name": "build-1", "whole": False})
    assert engines.can_only_build(ENGINE), "any of them may take a Target"
    WorkerProcess.objects.filter(pk=inside.pk).update(beat_at=timezone.now() - timedelta(minutes=2))
    assert not engines.can_only_build(ENGINE)


def test_beside_a_worker_only_an_admin_names_a_volume(world: World, local: Host) -> None:
    bruno, web = Actor.of(world.bruno), world.hosts[0]
    volumes = [{"name": "estiva_database", "path": "/data", "read_only": False}]

    def save(actor: Actor, settings: dict[str, Any], *machines: Host) -> None:
        placements.save_placement(
            actor=actor,
            placement=world.placement,
            application=world.application,
            environment=world.production,
            image="registry.example.com/shop",
            settings=settings,
            host_ids=[each.pk for each in machines],
        )
        world.placement.refresh_from_db()

    plain = {**world.placement.settings, "volumes": []}
    named = {**plain, "volumes": volumes}
    save(bruno, named, web)
    for settings, machines in ((named, (web, local)), (named, (local,))):
        with pytest.raises(FieldErrors, match="Only an admin"):
            save(bruno, settings, *machines)
    save(bruno, plain, local)
    with pytest.raises(FieldErrors, match=r"settings.volumes.0.name: Only an admin"):
        save(bruno, named, local)
    with pytest.raises(Refused, match="Only an admin may deploy"):
        power.check_deploy(actor=bruno, planned=named, placement_id=world.placement.pk, host_ids=[local.pk])
    save(world.actor, named, local)
    save(bruno, {**named, "memory": 300 * 1024**2}, local)
    power.check_deploy(actor=bruno, planned=named, placement_id=world.placement.pk, host_ids=[local.pk])
