"""Work that only a later version of Estiva knows: nobody here takes it, fails it or ends it, until somebody comes who can."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from deployments import (
    build_settings,
    claims,
    compose_settings,
    container_settings,
    known,
    one_offs,
    requests,
    rollout_settings,
    solitude,
    sources,
    stalls,
)
from deployments.models import Deployment, Host, Operation, Placement, PlacementHost, Plan, Registry, Release, Target
from deployments.operations import request_operation
from tests.deployments.world import WORKER, World, deployed, make_world, only_target, ready_host, succeed
from tests.every_option import SETTINGS

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
LATER = "later@two"
Change = Callable[[Target], object]


@pytest.fixture
def world() -> World:
    known.leave.cache_clear()
    return make_world()


def release_with(**fields: Any) -> Change:
    """Its Release, as a later version writes one."""

    def change(target: Target) -> None:
        Release.objects.filter(deployments=target.deployment_id).update(**fields)

    return change


def settings_with(**said: Any) -> Change:
    """Its Release's settings, some of them a later version's."""

    def change(target: Target) -> None:
        release = target.deployment.release
        release_with(settings={**release.settings, **said})(target)

    return change


def deployment_with(**fields: Any) -> Change:
    """Its Deployment."""
    return lambda target: Deployment.objects.filter(pk=target.deployment_id).update(**fields)


def beside(target: Target) -> None:
    """Another Target of its Deployment, that it may have to wait for."""
    Target.objects.create(
        deployment=target.deployment,
        role="migrate",
        placement_id=target.placement_id,
        host_id=target.host_id,
        host_name=target.host_name,
    )


STRANGE: dict[str, tuple[Change, str]] = {
    "role": (lambda target: Target.objects.filter(pk=target.pk).update(role="migrate"), "the role “migrate”"),
    "role beside it": (beside, "the role “migrate”"),
    "kind": (deployment_with(kind="promote"), "deployments of the kind “promote”"),
    "source": (release_with(source={"kind": "nix", "url": "https://git.example.com/shop"}), "the source “nix”"),
    "part of a source": (release_with(source={"kind": "git", "signed": "by Ana"}), "what “signed” says of a source"),
    "build setting": (
        release_with(source={"kind": "git", "build": {"builder": "kaniko"}}),
        "the setting “build.builder”",
    ),
    "Compose setting": (
        release_with(source={"kind": "compose", "compose": {"dry_run": True}}),
        "the setting “compose.dry_run”",
    ),
    "setting": (settings_with(sidecar="proxy"), "the setting “sidecar”"),
    "setting in a group": (
        settings_with(health={"kind": "tcp", "port": 80, "body": "ok"}),
        "the setting “health.body”",
    ),
    "setting in a row": (
        settings_with(ports=[{"host_port": None, "container_port": "80", "protocol": "tcp", "tls": True}]),
        "the setting “ports.tls”",
    ),
    "choice": (settings_with(health={"kind": "grpc", "port": 80}), "“grpc” as the setting “health.kind”"),
    "variable": (
        release_with(variables=[{"name": "TOKEN", "vault": "shop/token"}]),
        "what “vault” says of a variable",
    ),
    "rollout": (deployment_with(rollout={"kind": "blue-green"}), "“blue-green” as the setting “rollout.kind”"),
    "part of a rollout": (deployment_with(rollout={"at_night": True}), "the setting “rollout.at_night”"),
    "way to a server": (
        lambda target: Host.objects.filter(pk=target.host_id).update(way="agent"),
        "servers reached by “agent”",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_target_that_only_a_later_version_knows_is_left_as_it_is(
    world: World, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    target = only_target(deployed(world))
    change, unknown = STRANGE[name]
    change(target)
    before = Target.objects.filter(pk=target.pk).values().get()

    with caplog.at_level(logging.WARNING, logger=known.__name__):
        assert claims.claim_target(target.pk, holder=WORKER) is None
        assert claims.claim_target(target.pk, holder=WORKER) is None

    assert Target.objects.filter(pk=target.pk).values().get() == before
    assert Deployment.objects.get(pk=target.deployment_id).status == "queued"
    assert PlacementHost.objects.get(placement=world.placement).fence == 0
    assert target.pk in claims.waiting_targets(), "it is hinted again, for others"
    told = [(each.target, each.unknown) for each in caplog.records if each.name == known.__name__]  # type: ignore[attr-defined]
    assert told == [(target.pk, unknown)], "the log says so, once"


def test_what_this_version_writes_it_knows(world: World) -> None:
    """Else a worker would leave what its own web asked for."""
    settings = container_settings.normalise(SETTINGS)
    build = build_settings.normalise({"args": [{"name": "A", "value": "1"}]})
    compose = compose_settings.defaults()
    for source in ({}, {"kind": "git", "build": build}, {"kind": "compose", "compose": compose}, {"kind": "local"}):
        said = dict.fromkeys(sources.FOUND) | source if source else source
        assert known.unknown_in_content(said, settings, [{"name": "A", "secret": 1, "number": 2, "set": "eu"}]) == ""
    order = {**rollout_settings.defaults(), "leads": True, "catches_up": True}
    assert known.unknown_in_deployment(Deployment(release=Release(settings=settings), rollout=order)) == ""


def test_a_silent_worker_s_target_of_an_unknown_role_is_nobody_s_to_end(world: World) -> None:
    target = only_target(deployed(world))
    silent = Now() - timedelta(seconds=1)
    Target.objects.filter(pk=target.pk).update(
        role="migrate", status="running", holder=LATER, lease_until=silent, leases_lost=2, touched=True
    )

    assert claims.release_expired() == []
    target.refresh_from_db()
    assert (target.status, target.holder, target.leases_lost) == ("running", LATER, 2)


def test_no_room_is_made_for_what_cannot_be_taken(world: World) -> None:
    target = only_target(deployed(world))
    Target.objects.filter(pk=target.pk).update(status="stalled", leases_lost=1)
    assert solitude.waits_to_be_alone(target.pk)
    settings_with(sidecar="proxy")(target)
    assert not solitude.waits_to_be_alone(target.pk)


def asked(world: World, kind: str, **fields: Any) -> Operation:
    """An Operation that waits."""
    return request_operation(actor=world.actor, kind=kind, **fields)


def left(operation: Operation) -> bool:
    """Nobody took it, and nothing of it changed."""
    before = Operation.objects.filter(pk=operation.pk).values().get()
    assert claims.claim_operation(operation.pk, holder=WORKER) is None
    return before == Operation.objects.filter(pk=operation.pk).values().get() and before["status"] == "queued"


def test_an_operation_of_an_unknown_kind_is_left_even_past_its_deadline(world: World) -> None:
    operation = asked(world, "defragment", host=world.hosts[0])
    assert left(operation)
    assert operation.pk in claims.waiting_operations()

    Operation.objects.filter(pk=operation.pk).update(deadline_at=Now() - timedelta(minutes=5))
    stalls.release_expired()
    operation.refresh_from_db()
    assert operation.status == "queued", "how it ends, only those know who know it"

    Operation.objects.filter(pk=operation.pk).update(
        status="running", holder=LATER, lease_until=Now() - timedelta(seconds=1), deadline_at=Now() + timedelta(hours=1)
    )
    stalls.release_expired()
    operation.refresh_from_db()
    assert (operation.status, operation.holder) == ("running", LATER)


def test_an_operation_goes_to_who_carries_out_its_kind(world: World) -> None:
    operation = asked(world, Operation.Kind.CHECK, host=world.hosts[0])
    assert claims.claim_operation(operation.pk, holder=WORKER, kinds={"meet", "plan"}) is None
    assert claims.claim_operation(operation.pk, holder=LATER) is not None


def test_an_operation_about_something_unknown_is_left(world: World) -> None:
    server = ready_host(world.actor, "web-9")
    Host.objects.filter(pk=server.pk).update(way="agent")
    assert left(asked(world, Operation.Kind.CHECK, host=server))

    registry = Registry.objects.create(kind="quay", host="quay.example.com")
    assert left(asked(world, Operation.Kind.REGISTRY, registry=registry))

    Placement.objects.filter(pk=world.placement.pk).update(source="nix")
    assert left(asked(world, Operation.Kind.SETTLE, placement=world.placement, host=world.hosts[0]))


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": {"sidecar": "proxy"}},
        {"source": {"kind": "nix"}},
        {"variables": [{"name": "TOKEN", "vault": "shop/token"}]},
    ],
)
def test_a_plan_that_only_a_later_version_can_read_is_left(world: World, fields: dict[str, Any]) -> None:
    plan = requests.request_plan(actor=world.actor, placement=world.placement)
    Plan.objects.filter(pk=plan.pk).update(**fields)
    assert left(plan.operation)

    Operation.objects.filter(pk=plan.operation_id).update(deadline_at=Now())
    stalls.release_expired()
    operation = Operation.objects.get(pk=plan.operation_id)
    assert operation.status == "failed", "somebody looks at the page and waits: that ends in time, whoever ends it"
    assert "this version of Estiva does not" in operation.result["why"]


def test_a_plan_of_an_unknown_order_is_left(world: World) -> None:
    plan = requests.request_plan(actor=world.actor, placement=world.placement)
    Placement.objects.filter(pk=world.placement.pk).update(rollout={"kind": "blue-green"})
    assert left(plan.operation)


def test_a_command_in_a_release_that_only_a_later_version_can_read_is_left(world: World) -> None:
    release = succeed(world)
    run = one_offs.request_run(actor=world.actor, release=release, host=world.hosts[0], command=["true"], seconds=60)
    Release.objects.filter(pk=release.pk).update(settings={**release.settings, "sidecar": "proxy"})
    assert left(run.operation)


def test_what_is_known_again_is_taken(world: World) -> None:
    """A worker of the new version, after one of the old one had looked at it."""
    target = only_target(deployed(world))
    before = target.deployment.release.settings
    settings_with(sidecar="proxy")(target)
    assert claims.claim_target(target.pk, holder=WORKER) is None
    release_with(settings=before)(target)  # as if this were the version that knows it
    assert claims.claim_target(target.pk, holder=LATER) == claims.Claim(target.pk, 1, LATER)
    assert Target.objects.filter(pk=target.pk, attempts=1, fence=F("attempts")).exists()
