"""Endings: what is written down when a Target, a Deployment or an Operation is over."""

from typing import Any

import pytest
from django.db.models.functions import Now

from deployments import audit, claims, endings, requests
from deployments.errors import Refused
from deployments.models import AuditEntry, Deployment, PlacementHost, Step, Target
from deployments.queries import history
from deployments.states import DeploymentStatus, TargetStatus, derive_deployment_status
from tests.deployments.conftest import Sent
from tests.deployments.world import (
    OTHER_DIGEST,
    World,
    claimed,
    deployed,
    finish,
    make_world,
    only_target,
    succeed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def world() -> World:
    return make_world()


def seat(world: World) -> PlacementHost:
    return PlacementHost.objects.select_related("running_release", "running_target").get(placement=world.placement)


def restored(world: World, release: int, made_by: int | None) -> Target:
    """A deploy that failed, and was seen to have brought back a container that says so of itself."""
    target = only_target(deployed(world))
    ended = {"verdict": "failed_restored", "serving_release": release}
    named = {} if made_by is None else {"target": made_by}
    assert endings.end_target(claimed(target), ended, {"container": "c1", "release": release, **named})
    target.refresh_from_db()
    return target


def test_success_is_what_runs_now(world: World) -> None:
    deployment = deployed(world)
    target = only_target(deployment)
    claim = claimed(target)
    Step.objects.create(target=target, fence=claim.fence, key="verify", started_at=target.deployment.requested_at)

    assert endings.end_target(
        claim,
        {"verdict": "succeeded", "what": "Release 1 serves.", "serving_release": 1},
        {"container": "storefront-production-r1.f1", "image_id": "sha256:1"},
        [["127.0.0.1", 8080, 5000, "tcp"]],
        0.8,
    )

    target.refresh_from_db()
    deployment.refresh_from_db()
    now = seat(world)
    assert (target.status, target.gap_seconds, target.serving_release) == (TargetStatus.SUCCEEDED, 0.8, 1)
    assert target.published == [["127.0.0.1", 8080, 5000, "tcp"]]
    assert (now.running_release, now.running_target) == (deployment.release, target)
    assert now.observed["container"] == "storefront-production-r1.f1"
    assert now.running_since is not None
    assert deployment.status == DeploymentStatus.SUCCEEDED
    assert deployment.ended_at is not None
    assert target.steps.get().status == Step.Status.BROKEN_OFF, "no step of an ended Target still runs"


@pytest.mark.parametrize("verdict", ["failed_untouched", "cancelled_untouched"])
def test_untouched_leaves_the_record_as_it_was(world: World, verdict: str) -> None:
    release = succeed(world)
    before = seat(world)

    target = finish(only_target(deployed(world, digest=OTHER_DIGEST)), verdict)

    after = seat(world)
    assert (after.running_release, after.running_target, after.running_since) == (
        release,
        before.running_target,
        before.running_since,
    )
    assert target.serving_release == release.number


def test_restored_keeps_who_brought_what_serves(world: World) -> None:
    release = succeed(world)
    brought_by = seat(world).running_target
    deployment = deployed(world, digest=OTHER_DIGEST)

    target = finish(only_target(deployment), "failed_restored", serving_release=1, why="It exited with code 1.")

    deployment.refresh_from_db()
    assert (seat(world).running_release, seat(world).running_target) == (release, brought_by)
    assert (target.status, target.serving_release) == (TargetStatus.FAILED_RESTORED, 1)
    assert deployment.status == DeploymentStatus.FAILED


@pytest.mark.parametrize("is_named", [True, False])
def test_restored_to_what_is_on_record_ends_the_drift_that_was_seen_before(world: World, is_named: bool) -> None:
    release = succeed(world)
    brought_by = seat(world).running_target
    PlacementHost.objects.update(drift="It does not run.", drift_at=Now(), difference={"words": "It does not run."})

    restored(world, release.number, brought_by.pk if brought_by and is_named else None)

    now = seat(world)
    assert (now.running_release, now.running_target) == (release, brought_by)
    assert (now.drift, now.drift_at, now.difference, now.ignored) == ("", None, {}, {})


@pytest.mark.parametrize("is_named", [True, False])
def test_restored_to_another_release_than_recorded_is_believed(world: World, is_named: bool) -> None:
    """By the Target that made its container; of a Compose application none is named, nor by a worker of an earlier version."""
    first = succeed(world)
    brought_by = seat(world).running_target
    succeed(world, digest=OTHER_DIGEST)

    restored(world, first.number, brought_by.pk if brought_by and is_named else None)

    assert (seat(world).running_release, seat(world).running_target) == (first, brought_by)


@pytest.mark.parametrize("made_by", ["a deploy that only the server remembers", "another release's deploy", "nobody"])
def test_a_number_alone_is_not_believed(world: World, made_by: str) -> None:
    """As after a restore, where the server went on to a release of that number before."""
    first = succeed(world)
    succeed(world, digest=OTHER_DIGEST)
    other = seat(world).running_target
    assert other is not None

    target = restored(
        world, first.number, {"nobody": 0, "another release's deploy": other.pk}.get(made_by, other.pk + 1000)
    )

    now = seat(world)
    assert (now.running_release, now.running_target, now.running_since) == (None, None, None)
    assert now.drift == "A container of release 1 runs, though none is on record."
    assert (target.status, target.serving_release) == (TargetStatus.FAILED_RESTORED, None)


def test_failed_with_nothing_serving_says_so(world: World) -> None:
    succeed(world)

    finish(only_target(deployed(world, digest=OTHER_DIGEST)), "failed", serving_release=None)

    assert seat(world).running_release is None
    assert seat(world).running_target is None


def test_needs_attention_keeps_the_record_and_raises_doubt(world: World) -> None:
    release = succeed(world)

    target = finish(only_target(deployed(world, digest=OTHER_DIGEST)), "needs_attention")

    assert (seat(world).running_release, seat(world).drift) == (release, "It is not proven that anything serves here.")
    assert (target.status, target.serving_release) == (TargetStatus.NEEDS_ATTENTION, None), "nobody saw what serves"
    succeed(world)
    assert seat(world).drift == "", "the next success proves it"


def test_what_ran_is_not_known_after_a_run_that_left_doubt(world: World) -> None:
    succeed(world)
    target = finish(only_target(deployed(world, digest=OTHER_DIGEST)), "needs_attention")
    assert target.ended_at is not None

    (ran,) = history.what_ran(world.hosts[0], target.ended_at, Deployment.objects.all())

    assert (ran.release, ran.image, ran.deployment) == (None, "", target.deployment_id)


def test_a_verdict_that_nobody_knows_is_a_mistake(world: World) -> None:
    claim = claimed(only_target(deployed(world)))

    with pytest.raises(KeyError):
        endings.end_target(claim, {"verdict": "fine"})


def test_a_lost_claim_ends_nothing(world: World) -> None:
    deployment = deployed(world)
    target = only_target(deployment)
    old = claimed(target)
    claims.hand_back_target(old, reason="Handed over.")
    claimed(target, "deploy@two")
    entries = AuditEntry.objects.count()

    assert not endings.end_target(old, {"verdict": "succeeded"})

    target.refresh_from_db()
    assert (target.status, target.holder, AuditEntry.objects.count()) == (TargetStatus.RUNNING, "deploy@two", entries)
    assert seat(world).running_release is None


def test_an_ended_target_ends_once(world: World) -> None:
    target = only_target(deployed(world))
    claim = claimed(target)

    assert endings.end_target(claim, {"verdict": "succeeded"})
    assert not endings.end_target(claim, {"verdict": "failed"})


def test_a_deployment_ends_with_its_last_target() -> None:
    world = make_world(servers=2)
    deployment = deployed(world)
    first, second = deployment.targets.all()

    finish(first)
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.RUNNING
    finish(second, "failed_restored", serving_release=None)
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.FAILED


def test_ending_hints_the_next_in_line(world: World, sent: Sent, django_capture_on_commit_callbacks: Any) -> None:
    first, second, third = (only_target(deployed(world)) for _ in range(3))
    claim = claimed(first)

    with django_capture_on_commit_callbacks(execute=True):
        endings.end_target(claim, {"verdict": "succeeded"})

    assert sent.targets() == [second.pk]
    assert third.pk not in sent.targets()
    assert sent.changed("deployment") == [first.deployment_id, second.deployment_id]
    assert sent.changed("host") == [world.hosts[0].pk]


def test_the_end_is_on_record_with_who_asked(world: World) -> None:
    target = finish(only_target(deployed(world)), "failed_restored", what="web-1 never became healthy.", why="503")

    entry = AuditEntry.objects.get(action="target.end")
    assert (entry.actor_name, entry.outcome) == ("Estiva", AuditEntry.Outcome.FAILED)
    assert entry.message == "web-1 never became healthy."
    assert entry.after["asked_by"] == "Ana Prado"
    assert entry.object_name == f"#{target.deployment_id} on web-1"
    assert AuditEntry.objects.get(action="deployment.end").after["status"] == "failed"
    assert audit.verify().ok


def test_cancelling_what_waits_ends_it_at_once(world: World) -> None:
    deployment = deployed(world)

    requests.cancel_deployment(actor=world.actor, deployment=deployment)

    deployment.refresh_from_db()
    target = only_target(deployment)
    assert (deployment.status, target.status) == (DeploymentStatus.CANCELLED, TargetStatus.CANCELLED)
    assert deployment.cancelled_by_name == "Ana Prado"
    assert claims.claim_target(target.pk, holder="deploy@one") is None


def test_cancelling_what_runs_asks_its_worker(world: World) -> None:
    deployment = deployed(world)
    target = only_target(deployment)
    claim = claimed(target)
    assert claims.cancel_wanted([target.pk]) == set()

    requests.cancel_deployment(actor=world.actor, deployment=deployment)

    target.refresh_from_db()
    assert target.status == TargetStatus.RUNNING
    assert claims.cancel_wanted([target.pk]) == {target.pk}
    assert endings.end_target(claim, {"verdict": "cancelled_restored", "serving_release": None})
    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.CANCELLED


@pytest.mark.parametrize(("touched", "status"), [(False, TargetStatus.CANCELLED), (True, TargetStatus.STALLED)])
def test_cancelling_what_stalled_ends_only_what_never_began(world: World, touched: bool, status: TargetStatus) -> None:
    deployment = deployed(world)
    target = only_target(deployment)
    claims.hand_back_target(claimed(target), reason="Connection lost.", broke=True)
    Target.objects.filter(pk=target.pk).update(touched=touched)

    requests.cancel_deployment(actor=world.actor, deployment=deployment)

    target.refresh_from_db()
    assert target.status == status
    if touched:
        assert claims.claim_target(target.pk, holder="deploy@two"), "somebody has to restore it"


def test_handing_back_what_is_cancelled_and_never_began_ends_it(world: World) -> None:
    deployment = deployed(world)
    claim = claimed(only_target(deployment))
    requests.cancel_deployment(actor=world.actor, deployment=deployment)

    assert claims.hand_back_target(claim, reason="The worker is being stopped.")

    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.CANCELLED


def test_cancelling_what_is_over_is_refused(world: World) -> None:
    deployment = deployed(world)
    finish(only_target(deployment))

    with pytest.raises(Refused):
        requests.cancel_deployment(actor=world.actor, deployment=deployment)
    deployment.refresh_from_db()
    assert deployment.cancel_requested_at is None


def test_cancelling_several_targets_behind_a_running_deployment() -> None:
    """Between the first and the second cancelled Target it would look as if it ran."""
    world = make_world(servers=3)
    running, waiting = deployed(world), deployed(world)
    claimed(next(iter(running.targets.all())))

    requests.cancel_deployment(actor=world.actor, deployment=waiting)

    waiting.refresh_from_db()
    assert waiting.status == DeploymentStatus.CANCELLED
    assert AuditEntry.objects.filter(action="deployment.end").count() == 1
    entries = list(AuditEntry.objects.order_by("-number").values_list("action", flat=True)[:5])
    assert entries == ["deployment.end", "target.end", "target.end", "target.end", "deployment.cancel"]


def test_cancelling_one_leaves_the_next(world: World) -> None:
    first, second = deployed(world), deployed(world)

    requests.cancel_deployment(actor=world.actor, deployment=first)

    assert claims.claim_target(only_target(second).pk, holder="deploy@one")


def test_ending_costs_the_same_however_long_the_history(world: World, django_assert_max_num_queries: Any) -> None:
    for _ in range(5):
        finish(only_target(deployed(world)))
    claim = claimed(only_target(deployed(world)))

    with django_assert_max_num_queries(27):
        assert endings.end_target(claim, {"verdict": "succeeded"})


S = TargetStatus


@pytest.mark.parametrize(
    ("targets", "status"),
    [
        ([S.QUEUED, S.QUEUED], DeploymentStatus.QUEUED),
        ([S.RUNNING, S.QUEUED], DeploymentStatus.RUNNING),
        ([S.STALLED], DeploymentStatus.RUNNING),
        ([S.SUCCEEDED, S.QUEUED], DeploymentStatus.RUNNING),
        ([S.SUCCEEDED, S.SUCCEEDED], DeploymentStatus.SUCCEEDED),
        ([S.SUCCEEDED, S.FAILED_UNTOUCHED], DeploymentStatus.FAILED),
        ([S.NEEDS_ATTENTION, S.FAILED], DeploymentStatus.NEEDS_ATTENTION),
        ([S.CANCELLED, S.SUCCEEDED], DeploymentStatus.CANCELLED),
        ([S.CANCELLED_RESTORED, S.FAILED_RESTORED], DeploymentStatus.FAILED),
        ([S.SKIPPED, S.FAILED], DeploymentStatus.FAILED),
    ],
)
def test_a_deployment_is_what_its_targets_are(targets: list[TargetStatus], status: DeploymentStatus) -> None:
    assert derive_deployment_status(targets) == status


def test_every_verdict_of_the_engine_has_an_end() -> None:
    """And `skipped`, the worker's own word for a server that is left out."""
    assert set(endings.VERDICTS) == {
        "skipped",
        "succeeded",
        "failed_untouched",
        "failed_restored",
        "failed",
        "cancelled_untouched",
        "cancelled_restored",
        "needs_attention",
    }
    assert Deployment.objects.count() == 0
