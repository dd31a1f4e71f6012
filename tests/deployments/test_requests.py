"""Asking: Plans, Deployments of what was shown, and rollbacks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deployments import claims, endings, operations, plan, releases, requests
from deployments.errors import PlanChanged, Refused
from deployments.inventory import applications, hosts
from deployments.models import AuditEntry, Deployment, Host, Plan, Release, Target
from deployments.states import HostState, OperationStatus
from tests.deployments.conftest import Sent
from tests.deployments.world import (
    DIGEST,
    OTHER_DIGEST,
    World,
    deployed,
    look_of,
    make_world,
    only_target,
    planned,
    ready_host,
    succeed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world(servers=2)


def save(world: World, **changes: Any) -> None:
    placement = world.placement
    placement.refresh_from_db()
    given: dict[str, Any] = {
        "image": placement.image,
        "settings": placement.settings,
        "host_ids": [host.pk for host in world.hosts],
        **changes,
    }
    applications.save_placement(
        actor=world.actor,
        placement=placement,
        application=world.application,
        environment=world.production,
        url="",
        keep_releases=5,
        **given,
    )


def click(world: World, shown: Plan, **changes: Any) -> Deployment:
    given: dict[str, Any] = {"fingerprint": shown.fingerprint, **changes}
    return requests.request_deployment(actor=world.actor, plan=shown, **given)


def set_variable(world: World, name: str, value: str, *, secret: bool = False) -> None:
    applications.set_variable(actor=world.actor, placement=world.placement, name=name, value=value, is_secret=secret)


def test_a_plan_is_worked_out_by_its_operation(
    world: World, sent: Sent, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        asked = requests.request_plan(actor=world.actor, placement=world.placement)

    assert not asked.is_ready
    assert ("worker.run_operation", asked.operation_id) in sent.hints
    assert asked.operation.request == {"hosts": [host.pk for host in world.hosts]}
    with pytest.raises(Refused, match="worked out"):
        click(world, asked)

    shown = planned(world)
    assert (shown.is_ready, shown.digest, shown.tag, len(shown.fingerprint)) == (True, DIGEST, "2.4.1", 64)
    assert [row["ready"] for row in shown.hosts] == [True, True]
    assert shown.hosts[0]["gap"], "stop-first over something that runs has a gap"
    assert shown.changes == [
        {
            "kind": "image",
            "name": "image",
            "before": "",
            "after": f"registry.example.com/storefront:2.4.1 ({DIGEST})",
        }
    ]


def test_a_failed_look_leaves_the_plan_unready(world: World) -> None:
    asked = requests.request_plan(actor=world.actor, placement=world.placement)
    claim = claims.claim_operation(asked.operation_id, holder="look@one")
    assert claim is not None
    operations.end_operation(claim, OperationStatus.FAILED, {"what": "No server answered."})

    asked.refresh_from_db()
    assert not asked.is_ready


def test_a_click_writes_everything_at_once(world: World, sent: Sent, django_capture_on_commit_callbacks: Any) -> None:
    shown = planned(world)

    with django_capture_on_commit_callbacks(execute=True):
        deployment = click(world, shown, note="  Fix for the cart total  ")

    targets = list(deployment.targets.all())
    assert [target.host_name for target in targets] == ["web-1", "web-2"]
    assert sent.targets() == [target.pk for target in targets]
    assert (deployment.release.number, deployment.release.digest) == (1, DIGEST)
    assert (deployment.note, deployment.kind) == ("Fix for the cart total", Deployment.Kind.DEPLOY)
    assert (deployment.application_name, deployment.environment_name) == ("storefront", "production")
    assert (deployment.requested_by, deployment.requested_by_name) == (world.ana, "Ana Prado")
    entry = AuditEntry.objects.get(action="deployment.request")
    assert (entry.address, entry.after["servers"]) == ("203.0.113.7", ["web-1", "web-2"])


@pytest.mark.parametrize("servers", [1, 5])
def test_a_click_for_many_servers_asks_no_more_than_for_one(
    servers: int, sent: Sent, django_capture_on_commit_callbacks: Any
) -> None:
    """Its hints' queues are looked up once, and its Targets are written at once."""
    many = make_world(servers)
    shown = planned(many)
    with CaptureQueriesContext(connection) as asked, django_capture_on_commit_callbacks(execute=True):
        deployment = click(many, shown)
    assert len(sent.targets()) == deployment.targets.count() == servers
    assert len([each for each in asked if each["sql"].startswith('INSERT INTO "deployments_target"')]) == 1
    assert len([each for each in asked if "'beside'" in each["sql"]]) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda world: save(world, image="registry.example.com/storefront:2.4.2"),
        lambda world: save(world, settings={"memory": "512m"}),
        lambda world: save(world, host_ids=[world.hosts[0].pk]),
        lambda world: set_variable(world, "CART_V2", "on"),
        lambda world: set_variable(world, "STRIPE_KEY", "sk_live_1", secret=True),
    ],
    ids=["image", "settings", "hosts", "variable", "secret"],
)
def test_what_changed_after_it_was_shown_is_refused(world: World, change: Callable[[World], None]) -> None:
    shown = planned(world)
    change(world)

    with pytest.raises(PlanChanged):
        click(world, shown)

    assert not Deployment.objects.exists()
    assert not Release.objects.exists()
    assert not Target.objects.exists()


def test_the_refusal_names_what_changed_and_no_secret(world: World) -> None:
    set_variable(world, "STRIPE_KEY", "sk_live_1", secret=True)
    shown = planned(world)
    set_variable(world, "STRIPE_KEY", "sk_live_2", secret=True)
    set_variable(world, "CART_V2", "on")

    with pytest.raises(PlanChanged) as refused:
        click(world, shown)

    assert refused.value.changes == [
        {"kind": "secret", "name": "STRIPE_KEY", "before": "version 1", "after": "version 2"},
        {"kind": "variable", "name": "CART_V2", "before": "", "after": "on"},
    ]


def test_a_value_made_secret_is_shown_by_neither_side(world: World) -> None:
    set_variable(world, "TOKEN", "hunter2")
    succeed(world)
    set_variable(world, "TOKEN", "hunter3", secret=True)

    shown = planned(world)

    assert shown.changes == [
        {"kind": "secret", "name": "TOKEN", "before": "a plain value", "after": "secret, version 1"}
    ]
    back = plan.differences(
        releases.content_now(world.placement), releases.content_as_recorded(Release.objects.get(number=1))
    )
    assert [(each["before"], each["after"]) for each in back if each["kind"] == "secret"] == [
        ("secret, version 1", "a plain value")
    ]


def test_changed_back_is_what_was_shown(world: World) -> None:
    shown = planned(world)
    save(world, settings={"memory": "512m"})
    save(world, settings={})

    assert click(world, shown).release.number == 1


def test_another_fingerprint_is_refused(world: World) -> None:
    shown = planned(world)

    with pytest.raises(PlanChanged):
        click(world, shown, fingerprint="0" * 64)


def test_a_tag_that_moved_deploys_what_was_shown(world: World) -> None:
    shown = planned(world, digest=DIGEST)
    planned(world, digest=OTHER_DIGEST)

    assert click(world, shown).release.digest == DIGEST


def test_a_server_that_cannot_is_left_out_or_refused(world: World) -> None:
    bad = {"check": "platform", "result": "bad", "message": "It runs Windows containers.", "remedy": "Use Linux."}
    looks = [look_of(world.hosts[0]), look_of(world.hosts[1], findings=[bad])]
    shown = planned(world, looks=looks)
    assert [row["ready"] for row in shown.hosts] == [True, False]

    with pytest.raises(Refused, match="web-2") as refused:
        click(world, shown)
    assert refused.value.field == "leave_out"
    deployment = click(world, shown, leave_out=[world.hosts[1].pk])
    assert [target.host_name for target in deployment.targets.all()] == ["web-1"]
    assert AuditEntry.objects.get(action="deployment.request").after["left_out"] == ["web-2"]
    with pytest.raises(Refused, match="Every server"):
        click(world, shown, leave_out=[host.pk for host in world.hosts])


def test_without_a_digest_no_server_is_ready(world: World) -> None:
    shown = planned(world, digest="")

    assert [row["ready"] for row in shown.hosts] == [False, False]


def test_a_server_whose_key_changed_meanwhile_is_refused(world: World) -> None:
    shown = planned(world)
    Host.objects.filter(pk=world.hosts[0].pk).update(state=HostState.KEY_CHANGED)

    with pytest.raises(Refused, match="web-1"):
        click(world, shown)


def test_nothing_to_plan_is_said(world: World) -> None:
    save(world, host_ids=[])

    with pytest.raises(Refused, match="no server"):
        requests.request_plan(actor=world.actor, placement=world.placement)


def test_the_same_content_is_the_same_release(world: World) -> None:
    first = succeed(world)
    again = deployed(world)

    assert (again.release, again.kind) == (first, Deployment.Kind.REDEPLOY)
    other = deployed(world, digest=OTHER_DIGEST)
    assert (other.release.number, other.kind) == (2, Deployment.Kind.DEPLOY)


def test_a_release_is_not_changed_by_what_is_set_later(world: World) -> None:
    set_variable(world, "CART_V2", "off")
    release = succeed(world)
    set_variable(world, "CART_V2", "on")
    save(world, settings={"memory": "1g"})

    release.refresh_from_db()
    assert release.variables == [{"name": "CART_V2", "value": "off"}]
    assert release.settings["memory"] is None


def test_a_rollback_brings_back_settings_and_variables(world: World) -> None:
    set_variable(world, "CART_V2", "off")
    first = succeed(world)
    set_variable(world, "CART_V2", "on")
    succeed(world, digest=OTHER_DIGEST)

    shown = planned(world, of_release=first)
    assert {change["kind"] for change in shown.changes} == {"image", "variable"}
    deployment = click(world, shown)

    assert (deployment.release, deployment.kind) == (first, Deployment.Kind.ROLLBACK)
    assert deployment.previous_release is not None
    assert deployment.previous_release.number == 2


def test_a_rollback_takes_today_s_secrets_unless_asked_otherwise(world: World) -> None:
    set_variable(world, "STRIPE_KEY", "sk_live_1", secret=True)
    first = succeed(world)
    set_variable(world, "STRIPE_KEY", "sk_live_2", secret=True)
    succeed(world, digest=OTHER_DIGEST)

    today = click(world, planned(world, of_release=first))
    as_they_were = click(world, planned(world, of_release=first, secrets_of_release=True))

    assert (today.release.number, today.release.repeats, today.kind) == (3, first, Deployment.Kind.ROLLBACK)
    assert [each["number"] for each in today.release.variables] == [2]
    assert today.release.digest == first.digest
    assert as_they_were.release == first


def test_a_rollback_whose_secret_was_deleted_is_not_ready_and_says_so(world: World) -> None:
    set_variable(world, "STRIPE_KEY", "sk_live_1", secret=True)
    first = succeed(world)
    applications.delete_variable(actor=world.actor, placement=world.placement, name="STRIPE_KEY")

    shown = planned(world, of_release=first)

    assert [row["ready"] for row in shown.hosts] == [False, False]
    assert "STRIPE_KEY" in shown.hosts[0]["findings"][-1]["message"]
    first.refresh_from_db()
    assert first.lost_secrets == ["STRIPE_KEY"]
    set_variable(world, "STRIPE_KEY", "sk_live_2", secret=True)
    assert planned(world, of_release=first).hosts[0]["ready"], "today's value takes its place"


def test_a_release_of_something_else_is_refused(world: World) -> None:
    release = succeed(world)
    other = applications.save_placement(
        actor=world.actor,
        placement=None,
        application=world.application,
        environment=world.staging,
        image="nginx",
        settings={},
        host_ids=[world.hosts[0].pk],
        url="",
        keep_releases=5,
    )

    with pytest.raises(Refused, match="something else"):
        requests.request_plan(actor=world.actor, placement=other, of_release=release)


def test_what_most_servers_run_is_what_runs(world: World) -> None:
    world.hosts.append(ready_host(world.actor, "web-3"))
    save(world)
    first = succeed(world)
    deployment = deployed(world, digest=OTHER_DIGEST)
    one, *others = deployment.targets.all()
    for target in others:
        claim = claims.claim_target(target.pk, holder="deploy@one")
        assert claim is not None
        endings.end_target(claim, {"verdict": "failed_restored", "serving_release": 1})
    claim = claims.claim_target(one.pk, holder="deploy@one")
    assert claim is not None
    endings.end_target(claim, {"verdict": "succeeded"})

    assert releases.running_release(world.placement.pk) == first


def test_kept_releases_are_those_deployed_last(world: World) -> None:
    numbers = [succeed(world, digest=f"sha256:{number:064x}").number for number in range(7)]

    kept = releases.kept_releases(world.placement)

    assert [release.number for release in kept] == numbers[:1:-1]


def test_the_fingerprint_covers_each_part() -> None:
    content = releases.Content("nginx", {"memory": None}, [{"name": "A", "value": "1"}])
    same = plan.fingerprint(1, content, DIGEST, [2, 1])
    others = {
        plan.fingerprint(2, content, DIGEST, [1, 2]),
        plan.fingerprint(1, content, OTHER_DIGEST, [1, 2]),
        plan.fingerprint(1, content, DIGEST, [1]),
        plan.fingerprint(1, releases.Content("nginx:1", *_rest(content)), DIGEST, [1, 2]),
        plan.fingerprint(1, releases.Content("nginx", {"memory": 1}, content.variables), DIGEST, [1, 2]),
        plan.fingerprint(1, releases.Content("nginx", content.settings, []), DIGEST, [1, 2]),
    }

    assert same == plan.fingerprint(1, content, DIGEST, [1, 2]), "the servers' order doesn't matter"
    assert len(others) == 6
    assert same not in others


def _rest(content: releases.Content) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return content.settings, content.variables


def test_a_retired_server_is_planned_no_more(world: World) -> None:
    save(world, host_ids=[world.hosts[0].pk])
    hosts.retire_host(actor=world.actor, host=world.hosts[1])

    assert [target.host_name for target in deployed(world).targets.all()] == ["web-1"]
    assert only_target(deployed(world)).host_name == "web-1"


def test_queries_do_not_grow_with_history(world: World, django_assert_max_num_queries: Any) -> None:
    for _ in range(4):
        succeed(world)
    shown = planned(world)

    with django_assert_max_num_queries(24):
        click(world, shown)
