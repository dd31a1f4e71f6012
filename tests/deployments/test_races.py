"""Many at once, in real threads on a real database: one at a time, in order, nothing lost and nothing twice."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from django.db import connection

from deployments import audit, claims, endings, requests
from deployments.errors import PlanChanged, Refused
from deployments.inventory import applications
from deployments.models import AuditEntry, Deployment, PlacementHost, Release, Target
from deployments.states import DEPLOYMENT_OPEN, TARGET_OPEN, DeploymentStatus, TargetStatus
from tests.deployments.world import WORKER, World, claimed, deployed, make_world, only_target, planned

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@contextmanager
def many(count: int) -> Iterator[Callable[[Callable[[int], object]], list[object]]]:
    """Run a function in `count` threads that all begin at once; each closes its own connection."""
    barrier = threading.Barrier(count)

    def one(work: Callable[[int], object], number: int) -> object:
        barrier.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        yield lambda work: list(pool.map(lambda number: one(work, number), range(count)))


def test_fifty_clicks_run_one_at_a_time_and_in_order() -> None:
    world = make_world()
    plan = planned(world)

    def click(number: int) -> object:
        return requests.request_deployment(actor=world.actor, plan=plan, fingerprint=plan.fingerprint).pk

    with many(50) as run:
        numbers = run(click)

    assert len(set(numbers)) == 50
    assert Release.objects.count() == 1, "the same content is one Release"
    order: list[int] = []
    at_once: list[int] = []
    lock = threading.Lock()
    working = 0

    def work(number: int) -> object:
        nonlocal working
        while True:
            waiting = list(Target.objects.filter(status=TargetStatus.QUEUED).values_list("pk", flat=True))
            if not waiting:
                return None
            for target_id in (*waiting[-2:], waiting[0]):  # the youngest first: they have to be refused
                claim = claims.claim_target(target_id, holder=f"deploy@{number}")
                if claim is None:
                    continue
                with lock:
                    working += 1
                    at_once.append(working)
                    order.append(Target.objects.get(pk=target_id).deployment_id)
                with lock:
                    working -= 1
                assert endings.end_target(claim, {"verdict": "succeeded"})

    with many(4) as run:
        run(work)

    assert max(at_once) == 1
    assert order == sorted(numbers), "each ran once, in the order of the numbers"  # type: ignore[type-var]
    assert set(Deployment.objects.values_list("status", flat=True)) == {DeploymentStatus.SUCCEEDED}
    assert PlacementHost.objects.get().fence == 50
    assert audit.verify().ok


def test_one_of_many_gets_the_target() -> None:
    world = make_world()
    target = only_target(deployed(world))

    with many(12) as run:
        taken = run(lambda number: claims.claim_target(target.pk, holder=f"deploy@{number}"))

    assert len([each for each in taken if each is not None]) == 1
    target.refresh_from_db()
    assert (target.fence, target.attempts) == (1, 1)


def test_two_deployments_never_run_at_once() -> None:
    world = make_world()
    targets = [only_target(deployed(world)) for _ in range(2)]

    with many(8) as run:
        taken = run(lambda number: claims.claim_target(targets[number % 2].pk, holder=f"deploy@{number}"))

    assert [claim.id for claim in taken if claim is not None] == [targets[0].pk]  # type: ignore[attr-defined]
    assert Target.objects.filter(status=TargetStatus.RUNNING).count() == 1


def test_the_targets_of_one_deployment_begin_and_end_at_once() -> None:
    world = make_world(servers=6)
    deployment = deployed(world)
    targets = list(deployment.targets.all())

    def run_one(number: int) -> object:
        claim = claimed(targets[number])
        return endings.end_target(claim, {"verdict": "succeeded"})

    with many(6) as run:
        assert run(run_one) == [True] * 6

    deployment.refresh_from_db()
    assert deployment.status == DeploymentStatus.SUCCEEDED
    assert AuditEntry.objects.filter(action="deployment.end").count() == 1
    assert audit.verify().ok


def test_ending_and_expiring_at_once_leaves_one_of_the_two() -> None:
    world = make_world()
    for _ in range(6):
        target = only_target(deployed(world))
        claim = claimed(target)
        Target.objects.filter(pk=target.pk).update(lease_until=world.ana.date_joined)

        with many(2) as run:
            work: list[Callable[[], object]] = [
                lambda claim=claim: endings.end_target(claim, {"verdict": "succeeded"}),  # type: ignore[misc]
                claims.release_expired,
            ]
            ended, released = run(lambda number, work=work: work[number]())  # type: ignore[misc]

        target.refresh_from_db()
        if ended:
            assert (target.status, released) == (TargetStatus.SUCCEEDED, [])
        else:
            assert (target.status, released) == (TargetStatus.STALLED, [target.pk])
            endings.end_target(claimed(target), {"verdict": "succeeded"})


def test_cancelling_and_claiming_at_once_agree() -> None:
    world = make_world()
    for _ in range(6):
        deployment = deployed(world)
        target = only_target(deployment)

        with many(2) as run:
            work: list[Callable[[], object]] = [
                lambda target=target: claims.claim_target(target.pk, holder=WORKER),  # type: ignore[misc]
                lambda each=deployment: requests.cancel_deployment(actor=world.actor, deployment=each),  # type: ignore[misc]
            ]
            claim, _cancelled = run(lambda number, work=work: work[number]())  # type: ignore[misc]

        target.refresh_from_db()
        deployment.refresh_from_db()
        if claim is None:
            assert (target.status, deployment.status) == (TargetStatus.CANCELLED, DeploymentStatus.CANCELLED)
        else:
            assert target.status == TargetStatus.RUNNING
            assert claims.cancel_wanted([target.pk]) == {target.pk}
            assert endings.end_target(claim, {"verdict": "cancelled_untouched"})  # type: ignore[arg-type]


def test_the_chain_holds_when_many_write() -> None:
    world = make_world()

    with many(10) as run:
        run(
            lambda number: applications.set_variable(
                actor=world.actor,
                placement=world.placement,
                name=f"NAME_{number}",
                value="x",
                is_secret=bool(number % 2),
            )
        )

    world.placement.refresh_from_db()
    assert world.placement.variables.count() == 10
    assert len(set(world.placement.variables.values_list("position", flat=True))) == 10
    assert audit.verify().ok


class Crowd:
    """What people and workers do, each act harmless when it comes at a bad moment."""

    def __init__(self, world: World) -> None:
        self.world = world

    def act(self, *names: str) -> None:
        """Do these of the things below, one after another."""
        for name in names:
            getattr(self, name)()

    def click(self) -> None:
        """Plan and deploy; an edit may come in between."""
        plan = planned(self.world)
        with suppress(PlanChanged):
            requests.request_deployment(actor=self.world.actor, plan=plan, fingerprint=plan.fingerprint)

    def cancel(self) -> None:
        """Cancel the newest that is open; it may end just now."""
        deployment = Deployment.objects.filter(status__in=DEPLOYMENT_OPEN).first()
        if deployment is not None:
            with suppress(Refused):
                requests.cancel_deployment(actor=self.world.actor, deployment=deployment)

    def work(self) -> None:
        """Take what waits; every third Target is handed back."""
        for target_id in claims.waiting_targets():
            claim = claims.claim_target(target_id, holder=WORKER)
            if claim is not None and target_id % 3:
                claims.beat(WORKER, [claim], ())
                endings.end_target(claim, {"verdict": "succeeded"})
            elif claim is not None:
                claims.hand_back_target(claim, reason="Handed over.")

    def silence(self) -> None:
        """Whoever works right now is never heard of again."""
        Target.objects.filter(status=TargetStatus.RUNNING).update(lease_until=self.world.ana.date_joined)
        claims.release_expired()

    def edit(self) -> None:
        """Save other settings."""
        world = self.world
        applications.save_placement(
            actor=world.actor,
            placement=world.placement,
            application=world.application,
            environment=world.production,
            image="nginx",
            settings={"stop_timeout": random.randint(1, 99)},
            host_ids=[host.pk for host in world.hosts],
        )

    def secret(self) -> None:
        """Give a secret another value."""
        placement = self.world.placement
        applications.set_variable(actor=self.world.actor, placement=placement, name="KEY", value="k", is_secret=True)

    def drain(self) -> None:
        """Bring what still waits to its end."""
        for _ in range(200):
            waiting = claims.waiting_targets()
            if not waiting:
                return
            for target_id in waiting:
                endings.end_target(claimed(Target.objects.get(pk=target_id)), {"verdict": "succeeded"})


def test_everybody_at_once_never_waits_for_ever_and_leaves_a_whole_record() -> None:
    """Clicks, cancels, claims, silences, endings and edits in a mix: no deadlock, and what is left is consistent."""
    world = make_world(servers=2)
    crowd = Crowd(world)
    dice = random.Random(20)
    acts = [
        dice.choice(["click", "click", "cancel", "work", "work", "work", "silence", "edit", "secret"])
        for _ in range(160)
    ]

    with many(5) as run:
        run(lambda number: crowd.act(*acts[number::5]))
    crowd.drain()

    assert not Target.objects.filter(status__in=TARGET_OPEN).exists()
    assert not Deployment.objects.filter(status__in=DEPLOYMENT_OPEN).exists()
    assert not Deployment.objects.filter(ended_at=None).exists()
    ends = AuditEntry.objects.filter(action="deployment.end").values_list("object_id", flat=True)
    assert sorted(map(int, ends)) == sorted(Deployment.objects.values_list("pk", flat=True)), "each ended once"
    assert audit.verify().ok
    seat = PlacementHost.objects.get(host=world.hosts[0])
    newest = Target.objects.filter(host=world.hosts[0], status=TargetStatus.SUCCEEDED).order_by("pk").last()
    assert seat.running_target == newest
