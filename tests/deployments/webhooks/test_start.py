"""From a push to a Deployment: planned as it was pushed, deployed by itself once, superseded by what is newer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from deployments import audit, build_settings, claims, endings, operations, releases, requests, sources
from deployments.actors import Actor
from deployments.errors import PlanChanged
from deployments.inventory import applications
from deployments.inventory import webhooks as inventory
from deployments.models import (
    CommitStatus,
    Deployment,
    Host,
    Operation,
    Placement,
    Plan,
    Repository,
    Target,
    Webhook,
    WebhookDelivery,
)
from deployments.sealing import seal
from deployments.states import OperationStatus
from deployments.webhooks import automatic, receive
from deployments.webhooks.receive import Answer
from deployments.webhooks.start import start_deploy
from tests.deployments.webhooks import samples
from tests.deployments.world import World, claimed, look_of, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

GITHUB = "https://github.com/harbour/storefront.git"


@pytest.fixture
def world() -> World:
    """A shop on two servers, built from its repository."""
    found = make_world(servers=2)
    Repository.objects.create(application=found.application, url=samples.URL)
    Placement.objects.update(source="git", image="", build=build_settings.defaults())
    found.placement.refresh_from_db()
    return found


def make_hook(world: World, kind: str = "github", **rules: list[str]) -> tuple[Webhook, str]:
    return inventory.create_webhook(
        actor=world.actor,
        placement=world.placement,
        kind=kind,
        name=kind,
        rules=rules or {"branches": ["main", "release/*"]},
    )


@pytest.fixture
def hook(world: World) -> tuple[Webhook, str]:
    return make_hook(world)


def commit_number(number: int) -> str:
    return f"{number:040x}"


def push(hook: tuple[Webhook, str], number: int, ref: str = "main", url: str = samples.URL) -> Answer:
    """GitHub delivers the push of a commit of this number."""
    row, secret = hook
    commit = commit_number(number)
    sent = samples.github(ref=f"refs/heads/{ref}", after=commit, head_commit=samples.commit(commit))
    sent["repository"]["clone_url"] = url
    body = json.dumps(sent).encode()
    request = samples.request(
        body,
        x_github_event="push",
        x_github_delivery=str(number),
        x_hub_signature_256=f"sha256={samples.sign(body, secret)}",
    )
    return deliver(row, request)


def deliver(hook: Webhook, request: Any) -> Answer:
    row = Webhook.objects.select_related("placement__application").get(pk=hook.pk)
    authentic = receive.let_in(webhook=row, request=request, address="198.51.100.4")
    return receive.receive(webhook=row, authentic=authentic, address="198.51.100.4", start=start_deploy)[0]


def delivery(number: int) -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("plan", "deployment").get(delivery_id=str(number))


def plan_of(number: int) -> Plan:
    found = delivery(number).plan
    assert found is not None
    return found


def work_out(plan: Plan, digest: str = "", **look: Any) -> Plan:
    """The looker ends the Plan's Operation, as it would for this commit; it doesn't carry on."""
    claim = claims.claim_operation(plan.operation_id, holder="look@one")
    assert claim is not None
    machines = Host.objects.filter(pk__in=plan.operation.request["hosts"]).order_by("name")
    found = {"commit": plan.source.get("commit") or samples.AFTER, "subject": "Sort"} if plan.source else {}
    result = {"digest": digest, "tag": "", "hosts": [look_of(each, **look) for each in machines], "source": found}
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
    plan.refresh_from_db()
    return plan


def pushed_and_deployed(hook: tuple[Webhook, str], number: int) -> Deployment:
    assert push(hook, number).verdict == "accepted"
    deployment = automatic.carry_on(work_out(plan_of(number)).pk)
    assert deployment is not None
    return deployment


def finish(deployment: Deployment, verdict: str = "succeeded") -> Deployment:
    """Every Target to its end, the build first."""
    for target in deployment.targets.order_by("-role", "pk").reverse():
        endings.end_target(
            claimed(target),
            {"verdict": verdict},
            built={"image_id": "sha256:" + "7" * 64} if target.role == Target.Role.BUILD else None,
        )
    deployment.refresh_from_db()
    return deployment


def test_a_push_plans_its_own_commit_and_deploys_it(world: World, hook: tuple[Webhook, str]) -> None:
    assert push(hook, 7, "release/2").verdict == "accepted"
    plan = plan_of(7)
    assert (plan.automatic, plan.source["build"]["ref"], plan.source["commit"]) == (
        "waiting",
        "release/2",
        commit_number(7),
    )
    assert automatic.carry_on(plan.pk) is None, "not before it was worked out"
    work_out(plan)

    deployment = automatic.carry_on(plan.pk)

    assert deployment is not None
    assert deployment.release.source["commit"] == commit_number(7)
    assert (deployment.requested_by, deployment.requested_by_name) == (None, "github (webhook)")
    assert deployment.note == "release/2 pushed by ana-prado"
    assert {each.host_name for each in deployment.targets.filter(role="deploy")} == {"web-1", "web-2"}
    assert delivery(7).deployment == deployment
    assert automatic.carry_on(plan.pk) is None, "once only"
    assert Deployment.objects.count() == 1
    assert audit.verify().ok


def test_what_is_set_stays_what_a_click_deploys(world: World, hook: tuple[Webhook, str]) -> None:
    pushed_and_deployed(hook, 7)
    plan = requests.request_plan(actor=world.actor, placement=world.placement)
    assert (plan.wanted, plan.source["build"]["ref"], plan.source.get("commit")) == ({}, "main", None)


def test_settings_that_change_in_between_are_not_deployed_unseen(world: World, hook: tuple[Webhook, str]) -> None:
    push(hook, 7)
    plan = work_out(plan_of(7))
    applications.set_variable(actor=world.actor, placement=world.placement, name="A", value="b", is_secret=False)
    with pytest.raises(PlanChanged):
        requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint)
    assert automatic.carry_on(plan.pk) is None
    assert (delivery(7).verdict, Deployment.objects.count()) == ("refused", 0)
    assert "settings changed" in delivery(7).reason


def test_a_server_that_is_not_ready_is_named_and_nothing_is_deployed(hook: tuple[Webhook, str]) -> None:
    push(hook, 7)
    bad = {"check": "disk", "result": "bad", "message": "The disk is full.", "remedy": "Make room."}
    assert automatic.carry_on(work_out(plan_of(7), findings=[bad]).pk) is None
    assert delivery(7).verdict == "refused"
    assert delivery(7).reason.endswith("web-1 can't be deployed to: The disk is full. Make room.")
    assert not Deployment.objects.exists()
    assert automatic.left_behind() == []


def test_a_plan_that_failed_says_why(hook: tuple[Webhook, str]) -> None:
    push(hook, 7)
    operation = plan_of(7).operation
    assert operations.fail_late(operation)
    assert automatic.carry_on(plan_of(7).pk) is None
    assert (delivery(7).verdict, plan_of(7).automatic) == ("refused", "dropped")
    assert "Nobody took this up in time." in delivery(7).reason


@pytest.mark.parametrize("end", ["switch", "delete"])
def test_a_hook_that_ended_meanwhile_deploys_nothing(world: World, hook: tuple[Webhook, str], end: str) -> None:
    push(hook, 7)
    plan = work_out(plan_of(7))
    if end == "switch":
        inventory.switch_webhook(actor=world.actor, webhook=hook[0], on=False)
    else:
        inventory.delete_webhook(actor=world.actor, webhook=hook[0])
    assert automatic.carry_on(plan.pk) is None
    plan.refresh_from_db()
    assert (plan.automatic, Deployment.objects.count()) == ("dropped", 0)


def test_a_placement_without_a_server_is_refused_at_once(world: World, hook: tuple[Webhook, str]) -> None:
    world.placement.seats.update(is_active=False)
    assert push(hook, 7).verdict == "refused"
    assert (delivery(7).plan, Plan.objects.count()) == (None, 0)


def test_what_runs_everywhere_already_is_not_deployed_again(hook: tuple[Webhook, str]) -> None:
    finish(pushed_and_deployed(hook, 7))
    WebhookDelivery.objects.filter(delivery_id="7").update(proof="")
    again = receive.send_again(actor=Actor(None, "Ana"), delivery=delivery(7), start=start_deploy)
    assert again.verdict == "accepted"
    row = WebhookDelivery.objects.order_by("-pk")[0]
    assert row.plan is not None
    assert automatic.carry_on(work_out(row.plan).pk) is None
    row.refresh_from_db()
    assert (row.verdict, Deployment.objects.count()) == ("ignored", 1)
    assert "nothing would change" in row.reason


def test_what_failed_can_be_sent_again(world: World, hook: tuple[Webhook, str]) -> None:
    first = pushed_and_deployed(hook, 7)
    endings.end_target(claimed(first.targets.get(role="build")), {"verdict": "failed_untouched"})
    first.refresh_from_db()
    assert first.status == "failed"
    receive.send_again(actor=world.actor, delivery=delivery(7), start=start_deploy)
    row = WebhookDelivery.objects.order_by("-pk")[0]
    assert row.plan is not None
    second = automatic.carry_on(work_out(row.plan).pk)
    assert second is not None
    assert (second.requested_by, second.release) == (world.ana, first.release)


def test_a_server_that_lacks_it_is_deployed_to(world: World, hook: tuple[Webhook, str]) -> None:
    finish(pushed_and_deployed(hook, 7))
    world.placement.seats.filter(host=world.hosts[1]).update(running_release=None)
    receive.send_again(actor=world.actor, delivery=delivery(7), start=start_deploy)
    row = WebhookDelivery.objects.order_by("-pk")[0]
    assert row.plan is not None
    assert automatic.carry_on(work_out(row.plan).pk) is not None


def test_two_hooks_of_one_push_deploy_once(world: World, hook: tuple[Webhook, str]) -> None:
    first = pushed_and_deployed(hook, 7)
    other = make_hook(world, "gitea", branches=["main"])
    body = json.dumps(samples.gitea(after=commit_number(7), head_commit=samples.commit(commit_number(7)))).encode()
    signature = samples.sign(body, other[1])
    request = samples.request(body, x_gitea_event="push", x_gitea_delivery="g7", x_gitea_signature=signature)
    assert deliver(other[0], request).verdict == "accepted"
    row = WebhookDelivery.objects.get(delivery_id="g7")
    assert row.plan is not None
    assert automatic.carry_on(work_out(row.plan).pk) is None
    row.refresh_from_db()
    assert (row.verdict, row.reason.split(". ")[-1]) == ("ignored", f"#{first.pk} brings the same already.")


def test_a_burst_leaves_the_newest_plan_alone(hook: tuple[Webhook, str]) -> None:
    for number in (1, 2, 3):
        assert push(hook, number).verdict == "accepted"
    assert [delivery(each).verdict for each in (1, 2, 3)] == ["superseded", "superseded", "accepted"]
    assert [plan_of(each).automatic for each in (1, 2, 3)] == ["superseded", "superseded", "waiting"]
    assert [plan_of(each).operation.status for each in (1, 2, 3)] == ["cancelled", "cancelled", "queued"]
    assert [each for each in (1, 2) if automatic.carry_on(plan_of(each).pk)] == []
    assert automatic.carry_on(work_out(plan_of(3)).pk) is not None


def test_a_plan_under_way_when_the_next_push_comes_is_not_deployed(hook: tuple[Webhook, str]) -> None:
    push(hook, 1)
    older = plan_of(1)
    claim = claims.claim_operation(older.operation_id, holder="look@one")
    assert claim is not None
    push(hook, 2)
    assert operations.end_operation(claim, OperationStatus.SUCCEEDED, {"source": {}, "hosts": []})
    assert automatic.carry_on(older.pk) is None
    assert not Deployment.objects.exists()


def test_what_is_queued_is_superseded_and_what_runs_is_not(world: World, hook: tuple[Webhook, str]) -> None:
    running = pushed_and_deployed(hook, 1)
    claimed(running.targets.get(role="build"))
    queued = pushed_and_deployed(hook, 2)
    clicked_plan = work_out(requests.request_plan(actor=world.actor, placement=world.placement))
    clicked = requests.request_deployment(actor=world.actor, plan=clicked_plan, fingerprint=clicked_plan.fingerprint)
    newest = pushed_and_deployed(hook, 3)
    for each in (running, queued, clicked, newest):
        each.refresh_from_db()
    assert [running.status, queued.status, clicked.status, newest.status] == [
        "running",
        "cancelled",
        "queued",
        "queued",
    ]
    assert queued.cancelled_by_name == f"Superseded by #{newest.pk}"
    assert {each.status for each in queued.targets.all()} == {"cancelled"}
    assert queued.targets.all()[0].outcome["what"].startswith(f"Superseded by #{newest.pk}")
    assert audit.verify().ok


def test_a_pushed_tag_is_deployed_in_place_of_the_set_one() -> None:
    world = make_world()
    hook, secret = make_hook(world, "registry", tags=["2.*"])
    event = samples.registry_event(repository="storefront")
    request = samples.request({"events": [event]}, authorization=f"Bearer {secret}")
    assert deliver(hook, request).verdict == "accepted"
    plan = Plan.objects.get()
    assert plan.image == "registry.example.com/storefront:2.4.2"
    deployment = automatic.carry_on(work_out(plan, samples.DIGEST).pk)
    assert deployment is not None
    assert (deployment.release.image, deployment.release.digest) == (plan.image, samples.DIGEST)
    world.placement.refresh_from_db()
    assert world.placement.image == "registry.example.com/storefront:2.4.1"


def test_what_was_left_behind_is_found_once_it_is_old(hook: tuple[Webhook, str]) -> None:
    push(hook, 7)
    plan = work_out(plan_of(7))
    assert automatic.left_behind() == []
    Operation.objects.filter(pk=plan.operation_id).update(ended_at=timezone.now() - timedelta(seconds=9))
    assert automatic.left_behind() == [plan.pk]
    assert automatic.carry_on(plan.pk) is not None
    assert automatic.left_behind() == []


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Each in a thread with its own connection, all beginning together."""
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))


@pytest.mark.django_db(transaction=True)
def test_workers_and_reconciler_at_once_deploy_once(hook: tuple[Webhook, str]) -> None:
    for number in range(1, 5):
        push(hook, number)
        plan = work_out(plan_of(number))
        found = at_once(*[lambda plan=plan: automatic.carry_on(plan.pk)] * 4)
        assert len([each for each in found if each is not None]) == 1
    assert Deployment.objects.count() == 4
    assert Deployment.objects.filter(status="queued").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_delivery_at_two_web_processes_plans_once(hook: tuple[Webhook, str]) -> None:
    for number in range(1, 5):
        answers = at_once(*[lambda number=number: push(hook, number)] * 4)
        assert sorted(each.verdict for each in answers) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert Plan.objects.count() == 4
    assert Plan.objects.filter(automatic="waiting").count() == 1


@pytest.mark.django_db(transaction=True)
def test_pushes_and_workers_in_a_crowd_end_with_the_newest(hook: tuple[Webhook, str]) -> None:
    def deliver_some(first: int) -> None:
        for number in range(first, first + 4):
            push(hook, number)

    def carry_some() -> None:
        for _round in range(6):
            for plan in Plan.objects.filter(automatic="waiting").select_related("operation"):
                claim = claims.claim_operation(plan.operation_id, holder="look@one")
                if claim is not None:
                    hosts = [look_of(each) for each in Host.objects.order_by("name")]
                    found = {"commit": plan.source["commit"], "subject": "x"}
                    result = {"source": found, "hosts": hosts}
                    operations.end_operation(claim, OperationStatus.SUCCEEDED, result)
                automatic.carry_on(plan.pk)

    at_once(lambda: deliver_some(10), lambda: deliver_some(20), carry_some, carry_some)
    carry_some()
    newest = Plan.objects.order_by("-pk")[0]
    assert not Plan.objects.filter(automatic="waiting").exists()
    open_ones = Deployment.objects.filter(status="queued")
    assert [each.plan_id for each in open_ones] == [newest.pk]
    assert audit.verify().ok


def test_the_git_service_is_told(world: World, hook: tuple[Webhook, str]) -> None:
    Repository.objects.update(url=GITHUB, credential="token", token=seal("t0k3n"))
    assert push(hook, 1, url=GITHUB).verdict == "accepted"
    first = automatic.carry_on(work_out(plan_of(1)).pk)
    assert push(hook, 2, url=GITHUB).verdict == "accepted"
    second = automatic.carry_on(work_out(plan_of(2)).pk)
    assert first is not None
    assert second is not None
    finish(second)
    rows = CommitStatus.objects.order_by("pk").values_list("deployment", "state", "commit", "description")
    assert list(rows) == [
        (first.pk, "pending", commit_number(1), f"#{first.pk}: Waits for its turn to be deployed"),
        (second.pk, "pending", commit_number(2), f"#{second.pk}: Waits for its turn to be deployed"),
        (first.pk, "failure", commit_number(1), f"#{first.pk}: Cancelled: Superseded by #{second.pk}"),
        (second.pk, "success", commit_number(2), f"#{second.pk}: Runs in production"),
    ]
    assert CommitStatus.objects.all()[0].link.endswith(f"/deployments/{first.pk}/")


def test_what_does_not_fit_the_source_is_left_out() -> None:
    image = releases.Content("nginx:1", {}, [])
    git = releases.Content("", {}, [], source={"kind": "git", "url": "u", "build": {"ref": "main", "lfs": True}})
    assert sources.overlaid(image, {"ref": "main", "commit": "c"}) == image
    assert sources.overlaid(image, {"image": "nginx:2"}).image == "nginx:2"
    assert sources.overlaid(git, {"image": "nginx:2"}) == git
    assert sources.overlaid(git, {"ref": "next"}).source == {**git.source, "build": {"ref": "next", "lfs": True}}
    assert sources.overlaid(git, {"ref": "next", "commit": "c"}).source["commit"] == "c"
    assert git.source["build"]["ref"] == "main"
