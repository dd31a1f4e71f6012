"""A Deployment that builds first: who may begin when, what a build leaves on record, and what its failure ends."""

from typing import Any

import pytest

from deployments import build_settings, claims, endings, operations, requests, sources
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.inventory import hosts, placements
from deployments.models import Deployment, Environment, Host, Placement, Plan, Release, Repository, Target
from deployments.states import DeploymentStatus, OperationStatus, TargetStatus
from tests.deployments.world import WORKER, World, claimed, look_of, make_world, place, ready_host

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

URL = "https://git.example.com/team/storefront.git"
COMMIT, NEXT = "4f" * 20, "5a" * 20
IMAGE = "sha256:" + "12" * 32
BUILT = {
    "image_id": IMAGE,
    "size": 12_000_000,
    "platform": "linux/amd64",
    "base_images": [["python:3.7", "sha256:" + "34" * 32]],
    "reused": False,
    "host": 1,
    "host_name": "web-1",
}


@pytest.fixture
def world() -> World:
    world = make_world(servers=2)
    Repository.objects.create(application=world.application, url=URL)
    from_git(world, world.placement)
    return world


def from_git(world: World, placement: Placement, **build: Any) -> None:
    """Let a Placement be built from the application's repository."""
    placement.refresh_from_db()
    placements.save_placement(
        actor=world.actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image="",
        settings=placement.settings,
        host_ids=[seat.host_id for seat in placement.seats.filter(is_active=True)],
        source="git",
        build=build,
    )
    placement.refresh_from_db()


def planned(world: World, commit: str = COMMIT, found: dict[str, Any] | None = None, **asked: Any) -> Plan:
    """A Plan whose Operation has found the commit."""
    plan = requests.request_plan(actor=world.actor, placement=asked.pop("placement", world.placement), **asked)
    claim = claims.claim_operation(plan.operation_id, holder="look@one")
    assert claim is not None
    hosts = Host.objects.filter(pk__in=plan.operation.request["hosts"]).order_by("name")
    told = {"commit": commit, "subject": "Fix the total", "author": "Ana", "committed_at": "2026-11-20T10:00:00+00:00"}
    result = {"digest": "", "tag": "", "hosts": [look_of(host) for host in hosts], "source": {**told, **(found or {})}}
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
    plan.refresh_from_db()
    return plan


def deployed(world: World, commit: str = COMMIT, **asked: Any) -> Deployment:
    plan = planned(world, commit, **asked)
    return requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)


def build_of(deployment: Deployment) -> Target:
    return deployment.targets.get(role=Target.Role.BUILD)


def brings(deployment: Deployment) -> list[Target]:
    return list(deployment.targets.filter(role=Target.Role.DEPLOY).order_by("pk"))


def end(target: Target, verdict: str, built: dict[str, Any] | None = None) -> None:
    assert endings.end_target(claimed(target), {"verdict": verdict, "what": "said"}, built=built)


def succeed(world: World, commit: str = COMMIT, **asked: Any) -> Deployment:
    deployment = deployed(world, commit, **asked)
    end(build_of(deployment), "succeeded", BUILT)
    for target in brings(deployment):
        end(target, "succeeded")
    return deployment


def test_the_servers_wait_for_the_build(world: World) -> None:
    deployment = deployed(world)
    build, (first, second) = build_of(deployment), brings(deployment)

    assert build.host == world.hosts[0], "without a builder of its own, the first server builds"
    assert claims.waiting_targets() == [build.pk]
    assert claims.claim_target(first.pk, holder=WORKER) is None
    end(build, "succeeded", BUILT)
    assert set(claims.waiting_targets()) == {first.pk, second.pk}
    assert claims.claim_target(first.pk, holder=WORKER) is not None
    assert claims.claim_target(second.pk, holder=WORKER) is not None


def test_a_running_build_holds_the_deployment_only(world: World) -> None:
    """The builder may be one of the servers, and may be serving this very Placement: its fence is no business of a build."""
    deployment = deployed(world)
    claim = claimed(build_of(deployment))

    assert (claim.role, claim.fence) == ("build", 1)
    assert [seat.fence for seat in world.placement.seats.all()] == [0, 0]
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.RUNNING


def test_what_was_built_is_written_once(world: World) -> None:
    deployment = deployed(world)
    end(build_of(deployment), "succeeded", BUILT)

    release = Release.objects.get(pk=deployment.release_id)
    assert (release.image_id, release.built["size"]) == (IMAGE, 12_000_000)
    assert not sources.needs_build(release)
    assert release.source["commit"] == COMMIT


@pytest.mark.parametrize("verdict", ["failed_untouched", "cancelled_untouched"])
def test_without_an_image_no_server_is_begun(world: World, verdict: str) -> None:
    deployment = deployed(world)
    end(build_of(deployment), verdict)

    deployment.refresh_from_db()
    assert {target.status for target in brings(deployment)} == {TargetStatus.SKIPPED}
    expected = DeploymentStatus.FAILED if verdict.startswith("failed") else DeploymentStatus.CANCELLED
    assert deployment.status == expected
    assert [seat.running_release for seat in world.placement.seats.all()] == [None, None]


def test_a_build_whose_workers_die_ends_everything(world: World) -> None:
    deployment = deployed(world)
    build = build_of(deployment)
    for _ in range(3):
        claimed(build)
        Target.objects.filter(pk=build.pk).update(lease_until="2020-01-01T00:00:00Z")
        claims.release_expired()
        build.refresh_from_db()

    assert build.status == TargetStatus.FAILED_UNTOUCHED
    assert {target.status for target in brings(deployment)} == {TargetStatus.SKIPPED}


def test_cancelling_ends_what_waits_at_once(world: World) -> None:
    deployment = deployed(world)
    requests.cancel_deployment(actor=world.actor, deployment=deployment)

    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.CANCELLED
    assert {target.status for target in deployment.targets.all()} == {TargetStatus.CANCELLED}


def test_a_builder_builds_one_at_a_time(world: World) -> None:
    other = place(world.actor, world.application, world.staging, world.hosts)
    from_git(world, other)
    first, second = deployed(world), deployed(world, placement=other)
    claim = claimed(build_of(first))

    assert claims.claim_target(build_of(second).pk, holder="deploy@two") is None
    Host.objects.filter(pk=world.hosts[0].pk).update(builds_at_once=2)
    assert claims.claim_target(build_of(second).pk, holder="deploy@two") is not None
    assert endings.end_target(claim, {"verdict": "failed_untouched"})


def test_an_environment_may_have_its_own_builder(world: World) -> None:
    Environment.objects.filter(pk=world.production.pk).update(builder=world.hosts[1])

    assert build_of(deployed(world)).host == world.hosts[1]


def test_a_rollback_builds_nothing(world: World) -> None:
    release = succeed(world).release
    succeed(world, NEXT)

    back = deployed(world, of_release=release)

    assert back.release == release
    assert not back.targets.filter(role=Target.Role.BUILD).exists()
    assert back.kind == Deployment.Kind.ROLLBACK


def test_the_same_commit_is_looked_at_by_the_builder_again(world: World) -> None:
    """Its base images may have moved; where they haven't, the builder finds the image that is there."""
    first = succeed(world)
    assert deployed(world).release == first.release


def test_building_anew_makes_another_release(world: World) -> None:
    first = succeed(world)
    again = deployed(world, build_anew=True)

    assert again.release != first.release
    assert again.release.source["anew"] == again.plan_id
    assert build_of(again)


def test_a_plan_holds_only_for_what_it_was_made_of(world: World) -> None:
    plan = planned(world)
    from_git(world, world.placement, ref="release")

    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)


def test_the_repositorys_own_file_goes_before_the_settings(world: World) -> None:
    port = {"container_port": 5000, "host_port": 5000, "host_address": "127.0.0.1", "protocol": "tcp"}
    said = {"build": {"target": "web"}, "settings": {"ports": [port], "health": {"kind": "http", "path": "/up"}}}

    release = deployed(world, found={"file": said}).release

    assert release.source["build"]["target"] == "web"
    assert release.settings["ports"] == [port]
    assert (release.settings["health"]["path"], release.settings["health"]["passes"]) == ("/up", 2)


def test_the_commit_is_the_change(world: World) -> None:
    succeed(world)
    plan = planned(world, NEXT)

    assert [(each["kind"], each["before"], each["after"]) for each in plan.changes] == [
        ("commit", f"{COMMIT[:7]} Fix the total", f"{NEXT[:7]} Fix the total")
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ref", "--upload-pack=touch"),
        ("ref", "a..b"),
        ("ref", "main\nother"),
        ("subdirectory", "../outside"),
        ("dockerfile", "a/../../b"),
        ("platform", "windows/amd64"),
        ("target", "-x"),
        ("args", [{"name": "A B", "value": "1"}]),
        ("args", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        ("secrets", [{"id": "../x", "variable": "TOKEN"}]),
        ("push_to", "registry.example.com/shop:1"),
        ("deadline", 1),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(field: str, value: Any) -> None:
    with pytest.raises(FieldErrors) as refused:
        build_settings.normalise({field: value})
    assert {path.split(".")[0] for path in refused.value.errors} == {field}


def test_a_builder_is_not_retired(world: World) -> None:
    builder = ready_host(world.actor, "builder-1")
    Environment.objects.filter(pk=world.production.pk).update(builder=builder)

    with pytest.raises(Refused, match="builds for: production"):
        hosts.retire_host(actor=world.actor, host=builder)
