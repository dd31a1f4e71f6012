"""One Target from claim to end, on the in-memory server: every way out of a run ends in a written state."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from deployments import claims, endings, queue, requests
from deployments.inventory import hosts, variables
from deployments.live import decode_lines
from deployments.models import AuditEntry, Deployment, Host, LogChunk, PlacementHost, Release, SecretVersion, Target
from tests.deployments.world import OTHER_KEY, World, deployed, make_world, only_target, planned
from tests.worker.conftest import Sent
from worker import runs
from worker.brief import HostConnection
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.connections.signals import Signals
from worker.engine.errors import AuthenticationRefused, BuilderLost, HostKeyChanged, HostLost, NewerFence
from worker.keeper import Keeper
from worker.servers import Opener

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
IMAGE = "registry.example.com/storefront"
LOST = HostLost("The connection to server web-1 was lost.", why="The network broke.", remedy="Nothing to do.")
REFUSED = AuthenticationRefused("Server web-1 refused the login.", why="The key is unknown.", remedy="Put it there.")
CHANGED = HostKeyChanged("Server web-1 shows another host key.", offered_type="ssh-ed25519", offered_key=OTHER_KEY)


class Stage:
    """A shop, its in-memory server, and what happens when somebody connects."""

    def __init__(self) -> None:
        self.world: World = make_world()
        self.server = FakeServer()
        self.digest = self.server.images.publish(IMAGE, "2.4.1").partition("@")[2]
        self.at_connect: list[Any] = []  # an error to raise or a function to call with the host, one a connection
        self.hosts: list[FakeHost] = []

    def deployed(self) -> Deployment:
        """Click."""
        return deployed(self.world, digest=self.digest)

    @contextmanager
    def open(
        self, _connection: HostConnection, signals: Signals, image_from: HostConnection | None = None
    ) -> Iterator[FakeHost]:
        """What `servers.open_server` does."""
        signals.check()
        host = FakeHost(self.server, signals)
        self.hosts.append(host)
        happening = self.at_connect.pop(0) if self.at_connect else None
        if isinstance(happening, Exception):
            raise happening
        if happening is not None:
            happening(host)
        yield host


@pytest.fixture
def stage(sent: Sent) -> Stage:
    """Everything in place."""
    return Stage()


def run(target: Target, keeper: Keeper, opener: Opener) -> Target:
    """One attempt."""
    runs.run(target.pk, keeper, opener)
    return Target.objects.get(pk=target.pk)


def log() -> list[str]:
    """The whole log."""
    return [line.text for chunk in LogChunk.objects.order_by("pk") for line in decode_lines(chunk.lines)]


def again(target: Target, keeper: Keeper, opener: Opener) -> Target:
    """The next attempt, its back-off over."""
    Target.objects.filter(pk=target.pk).update(not_before=None)
    return run(target, keeper, opener)


@pytest.mark.both_databases
def test_a_deploy_succeeds_and_is_on_record(stage: Stage, keeper: Keeper) -> None:
    deployment = stage.deployed()
    target = run(only_target(deployment), keeper, stage.open)
    deployment.refresh_from_db()
    assert (deployment.status, target.status, target.touched) == ("succeeded", "succeeded", True)
    seat = PlacementHost.objects.get()
    assert (seat.running_release, seat.running_target) == (deployment.release, target)
    assert seat.observed["container"] == "storefront-production-r1.f1"
    steps = list(target.steps.order_by("pk").values_list("key", "status"))
    assert steps[:3] == [("connect", "good"), ("preflight", "good"), ("pull", "good")]
    assert {status for _, status in steps} == {"good"}
    assert "Connected: Docker 20.10.24, linux/amd64." in log()


def test_a_second_worker_gets_nothing(stage: Stage, keeper: Keeper) -> None:
    target = only_target(stage.deployed())
    run(target, keeper, stage.open)
    before = len(log())
    run(target, keeper, stage.open)
    assert len(stage.hosts) == 1
    assert len(log()) == before


@pytest.mark.both_databases
def test_a_lost_connection_is_tried_again_later_with_a_new_fence(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [lambda host: host.fail_after("start")]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.connections_lost, target.touched) == ("stalled", 1, True)
    assert target.not_before is not None
    assert "lost" in target.stalled_reason
    assert log()[-1] == "Trying again in 2 s."
    runs.run(target.pk, keeper, stage.open)
    assert len(stage.hosts) == 1, "not before its time"
    target = again(target, keeper, stage.open)
    assert (target.status, target.fence, target.attempts) == ("succeeded", 2, 2)
    assert target.steps.filter(fence=1, status="broken_off").count() == 1
    assert len(stage.server.containers) == 1


def losing_the_builder(host: FakeHost) -> None:
    """In the middle of the image that comes from there."""

    def lose() -> None:
        raise BuilderLost("The image comes from builder-1, and that failed: the connection was lost.")

    host.on_call("receive_progress", 4, "before", lose)


def shipped(stage: Stage, away: str) -> Target:
    """A Target whose image is on a builder alone."""
    deployment = stage.deployed()
    image_id = stage.server.images.build("made")
    Release.objects.update(digest="", image_id=image_id, source={"kind": "git", "commit": "c" * 40})
    Deployment.objects.update(rollout={"away": away})
    return only_target(deployment)


def test_a_builder_lost_midway_is_waited_for_like_any_server(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [losing_the_builder]
    target = run(shipped(stage, "fail"), keeper, stage.open)
    assert (target.status, target.connections_lost, target.touched) == ("stalled", 1, False)
    assert "comes from builder-1" in target.stalled_reason
    assert log()[-1] == "Trying again in 2 s."
    target = again(target, keeper, stage.open)
    assert (target.status, target.attempts) == ("succeeded", 2)


@pytest.mark.parametrize("away", ["fail", "skip", "wait"])
def test_a_builder_that_stays_lost_ends_it_and_the_server_is_not_blamed(
    stage: Stage, keeper: Keeper, away: str
) -> None:
    stage.at_connect = [losing_the_builder] * 9
    target = run(shipped(stage, away), keeper, stage.open)
    while target.status == "stalled":
        target = again(target, keeper, stage.open)
    assert (target.status, target.attempts) == ("failed_untouched", 5)
    assert "comes from builder-1" in target.outcome["what"]
    assert "Nothing was changed on web-1" in target.outcome["what"]


def test_a_server_that_is_away_is_left_out_where_that_is_wanted(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [LOST] * 5
    deployment = stage.deployed()
    Deployment.objects.update(rollout={"away": "skip"})
    target = run(only_target(deployment), keeper, stage.open)
    while target.status == "stalled":
        target = again(target, keeper, stage.open)
    assert (target.status, target.attempts) == ("skipped", 5)
    assert "behind until it catches up" in target.outcome["what"]
    assert PlacementHost.objects.get().owed == deployment.release
    assert target.steps.filter(status="running").count() == 0


def test_a_server_that_refuses_the_login_is_not_away(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [REFUSED]
    deployment = stage.deployed()
    Deployment.objects.update(rollout={"away": "skip"})
    assert run(only_target(deployment), keeper, stage.open).status == "failed_untouched"


def test_a_server_that_is_away_is_waited_for_where_that_is_wanted(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [LOST] * 6
    deployment = stage.deployed()
    Deployment.objects.update(rollout={"away": "wait"})
    target = run(only_target(deployment), keeper, stage.open)
    for _attempt in range(5):
        target = again(target, keeper, stage.open)
    assert (target.status, log()[-1]) == ("stalled", "Trying again in 30 s.")
    assert again(target, keeper, stage.open).status == "succeeded"


def test_a_server_that_never_answers_is_given_up_and_nothing_was_changed(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [LOST] * 5
    deployment = stage.deployed()
    target = run(only_target(deployment), keeper, stage.open)
    delays = [line for line in log() if line.startswith("Trying again")]
    while target.status == "stalled":
        target = again(target, keeper, stage.open)
    delays = [line for line in log() if line.startswith("Trying again")]
    assert delays == [f"Trying again in {seconds} s." for seconds in (2, 5, 10, 20)]
    assert (target.status, target.attempts) == ("failed_untouched", 5)
    assert target.outcome["what"] == f"{LOST.message} Nothing was changed on web-1."
    assert target.outcome["why"] == LOST.why
    assert list(target.steps.filter(fence=5).values_list("key", "status")) == [("connect", "bad")]


def test_a_changed_server_that_never_answers_again_needs_attention(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [lambda host: host.fail_after("start"), *[LOST] * 8]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    while target.status == "stalled":
        target = again(target, keeper, stage.open)
    assert (target.status, target.attempts) == ("needs_attention", 9)
    assert "web-1 was changed already; what runs there now is not known." in target.outcome["what"]


def test_a_refused_login_is_not_tried_again(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [REFUSED]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.attempts, target.outcome["remedy"]) == ("failed_untouched", 1, "Put it there.")


def test_a_changed_host_key_raises_the_alarm_and_ends_it(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [CHANGED]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    host = Host.objects.get()
    assert (target.status, host.state, host.offered_key) == ("failed_untouched", "key_changed", OTHER_KEY)
    assert AuditEntry.objects.filter(action="host.key_changed").count() == 1


def test_nobody_connects_while_the_host_key_is_in_doubt(stage: Stage, keeper: Keeper) -> None:
    target = only_target(stage.deployed())
    Host.objects.update(state="key_changed")
    target = run(target, keeper, stage.open)
    assert (target.status, stage.hosts) == ("failed_untouched", [])
    assert "showed another host key" in target.outcome["what"]


@pytest.mark.both_databases
def test_a_changed_server_whose_key_changes_waits_for_the_admin(stage: Stage, keeper: Keeper) -> None:
    stage.at_connect = [lambda host: host.fail_after("start"), CHANGED]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    target = again(target, keeper, stage.open)
    assert (target.status, Host.objects.get().state) == ("stalled", "key_changed")
    assert target.stalled_reason.endswith("once an admin has trusted its key again.")
    target = again(target, keeper, stage.open)
    assert (target.status, target.attempts, len(stage.hosts)) == ("stalled", 3, 2), "nothing was sent"
    assert target.not_before is not None
    hosts.retrust_host(actor=stage.world.actor, host=Host.objects.get(), key=OTHER_KEY)
    target = again(target, keeper, stage.open)
    assert target.status == "succeeded"


@pytest.mark.both_databases
def test_after_a_restored_database_the_fence_goes_on_from_the_server_s(
    stage: Stage, keeper: Keeper, sent: Sent
) -> None:
    run(only_target(stage.deployed()), keeper, stage.open)
    PlacementHost.objects.update(fence=8)
    run(only_target(stage.deployed()), keeper, stage.open)
    PlacementHost.objects.update(fence=2)  # the backup is older
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.fence, PlacementHost.objects.get().fence) == ("stalled", 3, 9)
    assert "remembers newer work (fence 9)" in target.stalled_reason
    assert target.stalled_reason in log()
    assert sent.targets()[-1] == target.pk
    target = again(target, keeper, stage.open)
    assert (target.status, target.fence) == ("succeeded", 10)


def test_a_newer_holder_is_left_alone(stage: Stage, keeper: Keeper) -> None:
    def overtaken(_host: FakeHost) -> None:
        Target.objects.update(fence=5, holder="deploy@other")
        raise NewerFence("storefront-production-r1.f5 bears a newer fence than 1.", 5)

    stage.at_connect = [overtaken]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.holder, PlacementHost.objects.get().fence) == ("running", "deploy@other", 1)


def test_an_error_that_nobody_foresaw_ends_it_with_an_id(
    stage: Stage, keeper: Keeper, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.at_connect = [ZeroDivisionError("a bug")]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert target.status == "failed_untouched"
    assert "Nothing was changed on web-1." in target.outcome["what"]
    number = target.outcome["why"].rpartition("error_id=")[2].rstrip(".")
    assert len(number) == 8
    said = capsys.readouterr()
    assert number in said.out + said.err
    assert "ZeroDivisionError" in said.out + said.err


def test_an_error_after_the_server_was_changed_needs_attention(stage: Stage, keeper: Keeper) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    stage.at_connect = [lambda host: host.on_call("start", 1, "before", bug)]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert target.status == "needs_attention"


def test_a_secret_that_is_gone_is_said_before_anybody_connects(stage: Stage, keeper: Keeper) -> None:
    variables.set_variable(
        actor=stage.world.actor, placement=stage.world.placement, name="TOKEN", value="abcdefgh", is_secret=True
    )
    target = only_target(stage.deployed())
    SecretVersion.objects.update(sealed=None)
    target = run(target, keeper, stage.open)
    assert target.status == "failed_untouched"
    assert "TOKEN" in target.outcome["what"]
    assert not stage.hosts


def test_secrets_reach_the_container_and_nothing_else(stage: Stage, keeper: Keeper) -> None:
    secret = "correct-horse-battery"
    variables.set_variable(
        actor=stage.world.actor, placement=stage.world.placement, name="TOKEN", value=secret, is_secret=True
    )
    run(only_target(stage.deployed()), keeper, stage.open)
    (container,) = stage.server.containers.values()
    assert f"TOKEN={secret}" in container.body["Env"]
    assert secret not in repr([*log(), *Target.objects.values(), *PlacementHost.objects.values()])


def test_the_reason_for_standing_still_tells_no_secret(stage: Stage, keeper: Keeper) -> None:
    secret = "correct-horse-battery"
    variables.set_variable(
        actor=stage.world.actor, placement=stage.world.placement, name="TOKEN", value=secret, is_secret=True
    )
    stage.at_connect = [HostLost(f"web-1 said: TOKEN={secret} is in the way.")]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.stalled_reason[:18]) == ("stalled", "web-1 said: TOKEN=")
    assert secret not in target.stalled_reason


def test_a_cancel_before_the_connection_ends_at_once(stage: Stage, keeper: Keeper) -> None:
    deployment = stage.deployed()

    @contextmanager
    def cancelled(
        connection_: HostConnection, signals: Signals, image_from: HostConnection | None = None
    ) -> Iterator[FakeHost]:
        signals.cancelled.set()
        with stage.open(connection_, signals) as host:
            yield host

    target = run(only_target(deployment), keeper, cancelled)
    assert target.status == "cancelled"
    assert list(target.steps.values_list("key", "status")) == [("connect", "cancelled")]


def test_a_cancel_from_before_the_attempt_is_met_before_anything_is_changed(stage: Stage, keeper: Keeper) -> None:
    """The keeper's next look comes a second later, when the old version would be stopped already. So it is with what was open in a
    backup, too: what is cancelled before the workers start changes nothing on its server.
    """
    run(only_target(stage.deployed()), keeper, stage.open)
    (serving,) = stage.server.containers.values()
    id_, started = serving.id, serving.started
    stage.digest = stage.server.images.publish(IMAGE, "2.4.1", "other").partition("@")[2]
    deployment = stage.deployed()
    Deployment.objects.filter(pk=deployment.pk).update(status="running")
    target = only_target(deployment)
    Target.objects.filter(pk=target.pk).update(status="stalled", touched=True, attempts=1)
    requests.cancel_deployment(actor=stage.world.actor, deployment=deployment)
    late = Keeper("deploy@late", "deploy", 4)  # whose thread doesn't look at all

    target = run(target, late, stage.open)

    assert target.status in ("cancelled", "cancelled_restored"), target.outcome
    (there,) = stage.server.containers.values()
    assert (there.id, there.running, there.started) == (id_, True, started)


def test_a_cancel_after_a_break_still_restores(stage: Stage, keeper: Keeper) -> None:
    """The first attempt stopped the old version and lost the connection; the second comes to cancel, and must connect first."""
    run(only_target(stage.deployed()), keeper, stage.open)
    bad = stage.server.images.publish(IMAGE, "2.4.1", "other", behaviour=Behaviour(healthy_after=None))
    stage.digest = bad.partition("@")[2]
    deployment = stage.deployed()
    stage.at_connect = [lambda host: host.fail_after("start")]
    target = run(only_target(deployment), keeper, stage.open)
    assert target.status == "stalled"
    requests.cancel_deployment(actor=stage.world.actor, deployment=deployment)

    @contextmanager
    def cancelled(
        connection_: HostConnection, signals: Signals, image_from: HostConnection | None = None
    ) -> Iterator[FakeHost]:
        signals.cancelled.set()
        with stage.open(connection_, signals) as host:
            yield host

    target = again(target, keeper, cancelled)
    assert (target.status, target.serving_release) == ("cancelled_restored", 1), target.outcome
    assert [each.running for each in stage.server.containers.values()] == [True]


def test_a_stopping_worker_hands_back_what_it_holds(stage: Stage, keeper: Keeper, sent: Sent) -> None:
    def stop() -> None:
        keeper.begin_stop()
        assert stage.hosts[0].signals.lost.wait(5)

    stage.at_connect = [lambda host: host.on_call("start", 1, "before", stop)]
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.connections_lost, target.leases_lost) == ("stalled", 0, 0)
    assert target.stalled_reason == "The worker deploy@test was stopped."
    assert log()[-1] == "The worker deploy@test was stopped. Another one goes on."
    before = target.fence
    sent.hints.clear()
    assert run(target, keeper, stage.open).fence == before, "a stopping worker claims nothing"
    keeper.send_passed_on()
    assert sent.targets() == [target.pk], "but others hear of it"


def test_a_database_away_at_the_end_is_waited_for(
    stage: Stage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the commit went through and only its answer was lost."""
    end, failures = endings.end_target, [False, True]

    def flaky(*words: Any, **names: Any) -> bool:
        if failures:
            if failures.pop(0):
                end(*words, **names)
            raise OperationalError("terminating connection due to administrator command")
        return end(*words, **names)

    monkeypatch.setattr(endings, "end_target", flaky)
    monkeypatch.setattr("worker.patience.RETRY_SECONDS", 0.01)
    target = run(only_target(stage.deployed()), keeper, stage.open)
    assert (target.status, target.attempts) == ("succeeded", 1)
    assert AuditEntry.objects.filter(action="target.end").count() == 1


@pytest.mark.both_databases
def test_fifty_clicks_are_deployed_one_at_a_time_and_in_order(stage: Stage, keeper: Keeper, sent: Sent) -> None:
    """Eight threads take the hints as they come, the youngest first, so that most come too early."""
    plan = planned(stage.world, digest=stage.digest)
    for _ in range(50):
        requests.request_deployment(actor=stage.world.actor, plan=plan, fingerprint=plan.fingerprint)
    assert len(sent.targets()) == 50
    at_work, most, over = threading.Lock(), [], threading.Event()

    @contextmanager
    def alone(
        connection_: HostConnection, signals: Signals, image_from: HostConnection | None = None
    ) -> Iterator[FakeHost]:
        most.append(at_work.acquire(blocking=False))
        with stage.open(connection_, signals) as host:
            yield host
        at_work.release()

    def work(_: int) -> None:
        while not over.is_set():
            try:
                _task, target_id = sent.hints.pop()
            except IndexError:
                over.wait(0.01)
                continue
            runs.run(target_id, keeper, alone)
            if len(most) == 50 and not Target.objects.exclude(status="succeeded").exists():
                over.set()
        connection.close()

    sent.hints[:] = [each for each in sent.hints if each[0] == queue.RUN_TARGET]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == [True] * 50
    done = Deployment.objects.order_by("started_at")
    assert [each.pk for each in done] == sorted(each.pk for each in done)
    assert set(Deployment.objects.values_list("status", flat=True)) == {"succeeded"}
    assert claims.waiting_targets() == []
    assert len(stage.server.containers) == 1
