"""Operations: each ends with a result for people, whatever happens; a Plan agrees on one digest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now

from deployments import requests, stalls
from deployments.actors import ESTIVA
from deployments.inventory.webhooks import create_webhook
from deployments.models import Deployment, Host, Operation, PlacementHost, Plan, Release
from deployments.states import OperationStatus
from deployments.webhooks.push import Push
from deployments.webhooks.receive import actor_of
from deployments.webhooks.start import start_deploy
from tests.deployments.world import OTHER_KEY, World, make_world
from tests.worker.conftest import Sent
from tests.worker.engine.stage import Stage
from worker.brief import HostConnection
from worker.connections.fake import FakeHost, FakeServer
from worker.connections.signals import Signals
from worker.engine import found
from worker.engine.container_host import Container, Platform
from worker.engine.errors import Cancelled, ConnectionLost, HostKeyChanged, HostLost, LeaseLost
from worker.engine.look import Sight, look
from worker.engine.spec import Secret
from worker.keeper import Keeper
from worker.operations import difference, drift, running
from worker.operations import plan as planning
from worker.operations.drift import drift_words, identity_of_seat
from worker.operations.steps import Looking, Outcome

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
IMAGE = "registry.example.com/storefront"
LOST = HostLost("Server web-2 does not answer.", why="The port is closed.", remedy="Is sshd running?")
BROKEN = ConnectionLost("The connection to server web-2 was lost.", why="It was closed.", remedy="Try again.")
CHANGED = HostKeyChanged("Server web-2 shows another host key.", offered_type="ssh-ed25519", offered_key=OTHER_KEY)


class Servers:
    """In-memory servers by name, or the error that meets who connects."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {"web-1": FakeServer("web-1"), "web-2": FakeServer("web-2")}
        self.breaking: list[
            tuple[str, str]
        ] = []  # the server, and the call at which its next connection turns out to be gone
        self.opened: list[str] = []

    def publish(self, *names: str, **fields: Any) -> str:
        """Let these servers' registry have the image; its digest."""
        found = {str(self.by_name[name].images.publish(IMAGE, "2.4.1", **fields)) for name in names}
        return found.pop().partition("@")[2]

    @contextmanager
    def open(self, connection: HostConnection, signals: Signals) -> Iterator[FakeHost]:
        """What `servers.open_server` does."""
        found = self.by_name[connection.address.host_name]
        if isinstance(found, Exception):
            raise found
        self.opened.append(found.name)
        host = FakeHost(found, signals)
        call = next((call for name, call in self.breaking if name == found.name), None)
        if call is not None:
            self.breaking.remove((found.name, call))
            host.on_call(call, 1, "before", broken)
        yield host


def broken() -> None:
    """What a call on a connection comes to that has ended."""
    raise BROKEN


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Instead of real ones."""
    found = Servers()
    monkeypatch.setattr(planning, "open_server", found.open)
    return found


@pytest.fixture
def world(sent: Sent) -> World:
    """A shop on two servers."""
    return make_world(servers=2)


def planned(world: World, keeper: Keeper) -> Plan:
    """Ask for a Plan and look."""
    plan = requests.request_plan(actor=world.actor, placement=world.placement)
    running.run(plan.operation_id, keeper)
    return Plan.objects.select_related("operation").get(pk=plan.pk)


def bad(row: dict[str, Any]) -> list[str]:
    """The messages of what is bad on a server."""
    return [each["message"] for each in row["findings"] if each["result"] == "bad"]


@pytest.mark.both_databases
def test_a_plan_of_two_good_servers(world: World, keeper: Keeper, servers: Servers) -> None:
    digest = servers.publish("web-1", "web-2")
    plan = planned(world, keeper)
    assert (plan.is_ready, plan.digest, plan.tag) == (True, digest, "2.4.1")
    assert [(each["name"], each["ready"], each["first"]) for each in plan.hosts] == [
        ("web-1", True, True),
        ("web-2", True, True),
    ]
    assert plan.hosts[0]["platform"] == "linux/amd64"
    assert plan.hosts[0]["disk_free"] == 50_000_000_000
    assert [(each["title"], each["status"]) for each in plan.operation.steps] == [("web-1", "good"), ("web-2", "good")]


@pytest.mark.both_databases
def test_the_plan_of_a_push_is_deployed_by_who_worked_it_out(world: World, keeper: Keeper, servers: Servers) -> None:
    digest = servers.publish("web-1", "web-2")
    hook, _secret = create_webhook(
        actor=world.actor, placement=world.placement, kind="plain", name="CI", rules={"tags": ["*"]}
    )
    push = Push(kind="plain", delivery_id="1", event="push", tag="2.4.1")
    with transaction.atomic():
        outcome = start_deploy(hook, push, actor_of(hook))
    assert outcome.plan is not None
    running.run(outcome.plan.operation_id, keeper)
    deployment = Deployment.objects.get()
    assert (deployment.release.digest, deployment.requested_by_name) == (digest, "CI (webhook)")
    running.run(outcome.plan.operation_id, keeper)
    assert Deployment.objects.count() == 1


def test_a_server_that_does_not_answer_hides_no_other(world: World, keeper: Keeper, servers: Servers) -> None:
    servers.publish("web-1")
    servers.by_name["web-2"] = LOST
    plan = planned(world, keeper)
    assert [each["ready"] for each in plan.hosts] == [True, False]
    assert bad(plan.hosts[1]) == ["Server web-2 does not answer. The port is closed."]
    assert plan.operation.steps[1]["remedy"] == "Is sshd running?"


@pytest.mark.parametrize("call", ["containers", "remote_image"])
def test_a_connection_that_had_died_unnoticed_is_made_anew_once(
    world: World, keeper: Keeper, servers: Servers, call: str
) -> None:
    servers.publish("web-1", "web-2")
    good = planned(world, keeper).hosts[1]["findings"]
    servers.opened.clear()
    servers.breaking = [("web-2", call)]
    plan = planned(world, keeper)
    assert [each["ready"] for each in plan.hosts] == [True, True]
    assert plan.hosts[1]["findings"] == good, "of the first look nothing is left"
    assert sorted(servers.opened) == ["web-1", "web-2", "web-2"]


def test_a_connection_that_breaks_again_is_told_with_what_to_do(world: World, keeper: Keeper, servers: Servers) -> None:
    servers.publish("web-1", "web-2")
    servers.breaking = [("web-2", "containers")] * 2
    plan = planned(world, keeper)
    assert [each["ready"] for each in plan.hosts] == [True, False]
    assert bad(plan.hosts[1]) == ["The connection to server web-2 was lost. It was closed."]
    assert plan.operation.steps[1]["remedy"] == "Try again."
    assert sorted(servers.opened) == ["web-1", "web-2", "web-2"], "no third time"


def test_a_changed_host_key_raises_the_alarm(world: World, keeper: Keeper, servers: Servers) -> None:
    servers.publish("web-1")
    servers.by_name["web-2"] = CHANGED
    plan = planned(world, keeper)
    assert not plan.hosts[1]["ready"]
    assert Host.objects.get(name="web-2").state == "key_changed"


def test_servers_whose_registries_disagree_deploy_the_same_digest(
    world: World, keeper: Keeper, servers: Servers
) -> None:
    digest = servers.publish("web-1", content="new")
    old = servers.publish("web-2", content="old")
    assert digest != old
    assert bad(planned(world, keeper).hosts[1])[0].endswith("manifest unknown")
    servers.publish("web-2", content="new")
    servers.publish("web-2", content="old")
    plan = planned(world, keeper)
    assert plan.digest == digest
    assert plan.hosts[1]["ready"]
    warned = [each["message"] for each in plan.hosts[1]["findings"] if each["result"] == "warn"]
    assert warned == [f"On web-2 the tag stands for {old[:19]}…, elsewhere for {digest[:19]}…. The latter is deployed."]


def test_an_image_for_another_platform(world: World, keeper: Keeper, servers: Servers) -> None:
    servers.publish("web-1", "web-2", platforms=(Platform("windows", "amd64"),))
    plan = planned(world, keeper)
    assert "no matching manifest for linux/amd64" in bad(plan.hosts[0])[0]
    assert [each["ready"] for each in plan.hosts] == [False, False]


def test_a_server_that_nobody_trusted_is_said(world: World, keeper: Keeper, servers: Servers) -> None:
    servers.publish("web-1", "web-2")
    Host.objects.filter(name="web-2").update(host_key="")
    plan = planned(world, keeper)
    assert bad(plan.hosts[1]) == ["The host key of web-2 is not confirmed."]


def doing(monkeypatch: pytest.MonkeyPatch, happening: Any) -> None:
    """Replace what a CHECK does."""

    def work(looking: Looking) -> Outcome:
        looking.plan_steps([("one", "One")])
        with looking.step("one"):
            result = happening(looking) if callable(happening) else happening
        if isinstance(result, Exception):
            raise result
        return Outcome(OperationStatus.SUCCEEDED)

    monkeypatch.setitem(running.KINDS, Operation.Kind.CHECK, work)


def checked(world: World, keeper: Keeper, **asked: Any) -> Operation:
    """Ask for a check and run it."""
    asked = {"actor": world.actor, **asked}
    operation = requests.request_operation(kind="check", host=world.hosts[0], **asked)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


def test_an_unforeseen_error_ends_it_with_an_id(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doing(monkeypatch, ZeroDivisionError("a bug"))
    operation = checked(world, keeper)
    assert operation.status == "failed"
    number = operation.result["why"].rpartition("error_id=")[2].rstrip(".")
    said = capsys.readouterr()
    assert number in said.out + said.err


def test_its_deadline_ends_it(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(looking: Looking) -> None:
        assert looking.signals.cancelled.wait(10)
        looking.signals.check()

    doing(monkeypatch, wait)
    operation = checked(world, keeper, deadline_seconds=1.2)
    assert (operation.status, operation.result["what"]) == ("failed", "This took longer than it may.")


def test_a_stopping_worker_gives_it_back(
    world: World, keeper: Keeper, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(looking: Looking) -> None:
        keeper.begin_stop()
        assert looking.signals.lost.wait(5)
        looking.signals.check()

    doing(monkeypatch, stop)
    operation = checked(world, keeper)
    assert operation.status == "queued"
    assert sent.hints[-1][1] == operation.pk


def test_a_stale_holder_writes_no_step_and_no_end(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(looking: Looking) -> None:
        Operation.objects.filter(pk=looking.operation.pk).update(lease_until=Now() - timedelta(seconds=1))
        stalls.release_expired()
        with pytest.raises(LeaseLost):
            looking.write()
        raise LeaseLost

    doing(monkeypatch, lose)
    operation = checked(world, keeper)
    assert (operation.status, operation.result) == ("queued", {})


def test_a_cancelled_look_is_a_failure_that_says_why() -> None:
    told = running.told(Cancelled("x"), Operation(pk=1))
    assert told["what"] == "This took longer than it may."


def test_the_words_of_drift_without_anything_recorded() -> None:
    assert drift_words(PlacementHost(), Sight(None)) == ""


def test_a_paused_container_is_drift_and_says_what_to_do(world: World) -> None:
    stage = Stage()
    stage.serving_first(1)
    (one,) = stage.containers()
    stage.server.pause(one.name)
    seat = world.placement.seats.get(host__name="web-1")
    seat.running_release = Release(number=1)
    sight = look(stage.spec(1).identity, FakeHost(stage.server))
    words = drift_words(seat, sight)
    assert words.startswith("The container of release 1 is paused: it is there, and answers nobody.")
    assert f"docker unpause {one.name}, or redeploy" in words
    assert difference.difference_of(seat, sight, words)["why_not"] == difference.NO_CONTAINER
    stage.server.start(one.name)
    assert drift_words(seat, look(stage.spec(1).identity, FakeHost(stage.server))) == ""


def test_a_secret_that_somebody_put_into_a_setting_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference, "open_secrets", lambda releases: {1: Secret("hush-hush-0815")})
    before = {"command": ["serve"], "memory": 100}
    now = {"command": ["serve", "--key=hush-hush-0815"], "memory": 200}
    kept = difference._without_secrets(Release(), found.changed(before, now))
    assert kept == {"engine:command": "[redacted]", "memory": 200}


@pytest.mark.parametrize("secret", ["hush\\hush-0815", "hush\"hush'-0815", "hush\nhush-0815", "hüsh-0815\t"])
def test_nor_is_one_that_would_be_written_otherwise(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setattr(difference, "open_secrets", lambda releases: {1: Secret(secret)})
    now = {
        "command": ["serve", f"--key={secret}"],
        "labels": [f"key={secret}"],
        "engine:X": {f"a{secret}": {"b": [secret]}},
    }
    kept = difference._without_secrets(Release(), found.changed({}, now))
    assert kept == {"engine:command": "[redacted]", "engine:labels": "[redacted]", "engine:X": "[redacted]"}


def test_an_ignored_difference_of_a_compose_application_hides_no_other_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    stage.serving_first(1)
    one = look(stage.spec(1).identity, FakeHost(stage.server)).container
    assert one is not None
    seat, release = world.placement.seats.get(host__name="web-1"), Release(number=3, source={"kind": "compose"})
    seat.observed = {"containers": [{"service": "web", "image_id": "sha256:1", "running": True}]}
    whose = identity_of_seat(seat).labels()
    web = replace(one, labels={**whose, "com.docker.compose.service": "web", "estiva.release": "3"}, health="")
    others = [replace(one, id=f"c{number}", name=f"rather-long-name-{number:02}", labels={}) for number in range(30)]

    def seen(*containers: Container) -> dict[str, Any]:
        monkeypatch.setattr(drift, "compose_containers", lambda server, project: list(containers))
        return drift._compose_difference(seat, release, FakeHost(stage.server))

    first, second = (seen(replace(web, image_id=image)) for image in ("sha256:2", "sha256:3"))
    assert first["words"] == second["words"] == "web runs another image, of release 3."
    assert first["fingerprint"] != second["fingerprint"]
    served = replace(web, image_id="sha256:1")
    assert seen(served) == {}
    assert seen(served, *others[:29])["fingerprint"] != seen(served, *others)["fingerprint"]
    assert seen(served, *others)["fingerprint"] == seen(*reversed(others), served)["fingerprint"]


def test_a_look_that_nobody_asked_for_is_written_down_at_its_end(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Any]] = []

    def steps(looking: Looking) -> Outcome:
        looking.plan_steps((("login", "Login"), ("disk", "Disk")))
        for key in ("login", "disk"):
            with looking.step(key):
                seen.append(Operation.objects.values_list("steps", flat=True).get(pk=looking.operation.pk))
        return Outcome(OperationStatus.SUCCEEDED)

    monkeypatch.setitem(running.KINDS, Operation.Kind.CHECK, steps)
    asked = checked(world, keeper)
    assert [each["status"] for each in seen[0]] == ["running", "waiting"], "who asked sees it go on"
    assert [each["status"] for each in asked.steps] == ["good", "good"]
    seen.clear()
    unasked = checked(world, keeper, actor=ESTIVA)
    assert seen == [[], []], "each server every minute: not six writes each time"
    assert [each["status"] for each in unasked.steps] == ["good", "good"]
