"""What a worker sees of a server that was left in doubt, and what it records when somebody answers for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone

from deployments import taking_as_is
from deployments.models import Attention, Deployment, Operation, PlacementHost, Release, Target
from tests.deployments.world import only_target
from tests.worker.compose_world import Scene
from tests.worker.conftest import Sent
from tests.worker.test_runs import Stage, run
from worker.connections.fake import FakeHost
from worker.engine.failure import StepFailed
from worker.engine.probing import Answer
from worker.engine.spec import HealthSpec, Secret
from worker.keeper import Keeper
from worker.operations import doubt, running, settle
from worker.operations.doubt import look_at, look_at_doubts

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def stage(sent: Sent) -> Stage:
    return Stage()


def in_doubt(deployment: Deployment) -> Attention:
    """As if nobody had seen how it ended."""
    target = deployment.targets.order_by("pk")[0]
    Target.objects.filter(pk=target.pk).update(status="needs_attention")
    PlacementHost.objects.filter(host=target.host_id).update(running_release=None, running_target=None, observed={})
    Attention.objects.create(
        target=target, placement_id=target.placement_id, host_id=target.host_id, opened_at=timezone.now()
    )
    return Attention.objects.select_related("target__deployment__release", "target__replaced").get(target=target)


def settled(row: Attention, stage_open: Any, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, actor: Any) -> Operation:
    row.refresh_from_db()
    monkeypatch.setattr(settle, "open_server", stage_open)
    (operation,) = taking_as_is.request_as_is(
        actor=actor,
        deployment=row.target.deployment,
        shown={row.host.name: row.sight["fingerprint"]},
        reason="seen with my own eyes",
    )
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


@pytest.mark.both_databases
def test_a_container_of_a_release_on_record_is_taken_as_that(
    stage: Stage, keeper: Keeper, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = stage.deployed()
    target = run(only_target(deployment), keeper, stage.open)
    row, host = in_doubt(deployment), FakeHost(stage.server)
    sent.entries.clear()
    look_at_doubts(row.host, host)
    told = {(each["noun"], each["id"]) for each in sent.of_kind("changed")}
    assert ("deployment", str(deployment.pk)) in told, "whoever has the page open sees it"
    assert ("host", str(row.host_id)) in told
    row.refresh_from_db()
    (container,) = row.sight["containers"]
    assert (container["release"], container["serves"], row.sight["release"]) == (1, True, 1)
    assert row.seen_at is not None

    operation = settled(row, stage.open, keeper, monkeypatch, stage.world.actor)
    assert operation.status == "succeeded", operation.result
    assert operation.result["release"] == 1
    seat = PlacementHost.objects.get()
    assert (seat.running_release, seat.running_target) == (deployment.release, target)
    assert seat.observed["container"] == container["name"]
    assert Attention.objects.get().reason == "seen with my own eyes"


def test_another_image_under_the_same_label_is_no_release_on_record(stage: Stage, keeper: Keeper) -> None:
    deployment = stage.deployed()
    run(only_target(deployment), keeper, stage.open)
    row = in_doubt(deployment)
    Release.objects.update(digest="sha256:" + "ee" * 32)
    row.target.deployment.release.refresh_from_db()
    sight = look_at(row, FakeHost(stage.server)).sight
    assert (sight["release"], sight["containers"][0]["serves"]) == (None, True)


def test_the_same_labels_of_a_deploy_that_is_not_on_record_are_no_release_on_record(
    stage: Stage, keeper: Keeper
) -> None:
    """As a server has it that went on after the backup which was restored since."""
    deployment = stage.deployed()
    run(only_target(deployment), keeper, stage.open)
    row, host = in_doubt(deployment), FakeHost(stage.server)
    assert look_at(row, host).sight["release"] == 1
    (container,) = stage.server.containers.values()
    labels = dict(container.body["Labels"])
    container.body = {**container.body, "Labels": {**labels, "estiva.target": str(row.target_id + 1000)}}
    sight = look_at(row, host).sight
    assert (sight["release"], sight["containers"][0]["serves"]) == (None, True)


def test_what_has_changed_since_it_was_shown_is_not_recorded(
    stage: Stage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = stage.deployed()
    run(only_target(deployment), keeper, stage.open)
    row = in_doubt(deployment)
    look_at_doubts(row.host, FakeHost(stage.server))
    shown = Attention.objects.get().sight["fingerprint"]

    @contextmanager
    def after_somebody(*args: Any, **more: Any) -> Any:
        with stage.open(*args, **more) as host:
            for name in [each.name for each in host.containers({})]:
                host.stop(name, timeout=1)
            yield host

    operation = settled(row, after_somebody, keeper, monkeypatch, stage.world.actor)
    assert operation.status == "failed"
    assert "not what was shown" in operation.result["what"]
    row = Attention.objects.get()
    assert row.is_open
    assert row.sight["fingerprint"] != shown, "what is there now is shown"
    assert PlacementHost.objects.get().running_release is None


def test_nothing_there_is_seen_as_that(stage: Stage, keeper: Keeper) -> None:
    deployment = stage.deployed()
    run(only_target(deployment), keeper, stage.open)
    row = in_doubt(deployment)
    stage.server.containers.clear()
    sight = look_at(row, FakeHost(stage.server)).sight
    assert (sight["containers"], sight["release"]) == ([], None)


def test_a_secret_in_an_answer_is_masked(stage: Stage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = stage.deployed()
    run(only_target(deployment), keeper, stage.open)
    row = in_doubt(deployment)
    monkeypatch.setattr(doubt, "open_secrets", lambda _releases: {1: Secret("hush-hush-0815")})
    monkeypatch.setattr(doubt, "health_spec", lambda _settings: HealthSpec(kind="image"))
    monkeypatch.setattr(doubt, "ask", lambda *_args, **_more: Answer(ok=False, text="token=hush-hush-0815"))
    (container,) = look_at(row, FakeHost(stage.server)).sight["containers"]
    assert container["answer"] == "token=[redacted]"


def test_a_compose_application_is_taken_as_it_is_service_by_service(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, servers=1)
    monkeypatch.setattr(doubt, "open_compose", scene.open)
    deployment = scene.deployed(keeper)
    before = PlacementHost.objects.get(placement=scene.place).observed
    row = in_doubt(deployment)
    with scene.open_plain(row.host) as host:
        look_at_doubts(row.host, host)
    row.refresh_from_db()
    assert sorted(each["service"] for each in row.sight["containers"]) == ["db", "web"]
    assert row.sight["release"] == 1

    @contextmanager
    def opened(*_args: Any, **_more: Any) -> Any:
        with scene.open_plain(row.host) as host:
            yield host

    operation = settled(row, opened, keeper, monkeypatch, scene.world.actor)
    assert operation.status == "succeeded", operation.result
    seat = PlacementHost.objects.get(placement=scene.place)
    assert seat.running_release == deployment.release
    assert [sorted(each) for each in seat.observed["containers"]] == [sorted(each) for each in before["containers"]]
    row.refresh_from_db()
    with scene.open_plain(row.host) as host:
        name = next(each["name"] for each in row.sight["containers"] if each["service"] == "db")
        host.stop(name, timeout=1)
        assert look_at(row, host).sight["release"] is None, "one of its services is down"
        host.remove(name)
        assert look_at(row, host).sight["release"] is None, "one of its services is gone"


def test_services_that_a_deploy_left_alone_are_of_its_release_too(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, servers=1)
    monkeypatch.setattr(doubt, "open_compose", scene.open)
    scene.deployed(keeper)
    scene.variable("PLAIN", "anew")  # of web alone
    second = scene.deployed(keeper)
    row = in_doubt(second)
    with scene.open_plain(row.host) as host:
        seen = look_at(row, host)
        assert {each["service"]: each["release"] for each in seen.sight["containers"]} == {"web": 2, "db": 1}
        assert seen.sight["release"] == 2
        assert seen.observed is not None
        assert len(seen.observed["containers"]) == 2

        # the same names and images, but one of them isn't as this release has it
        scene.variable("PLAIN", "anew again")
        third = scene.clicked(keeper)
        web = next(each for each in host.containers({}) if "-web-" in each.name)
        labels = scene.by_name[row.host.name].containers[web.id].body["Labels"]
        kept = dict(labels)
        labels["estiva.config"] = "0" * 32
        assert look_at(row, host).sight["release"] is None
        labels.update(kept)
        assert look_at(row, host).sight["release"] == 2
        assert third.release.number == 3


def test_a_file_that_compose_refuses_by_now_says_nothing_of_what_runs(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch, servers=1)
    monkeypatch.setattr(doubt, "open_compose", scene.open)
    row = in_doubt(scene.deployed(keeper))

    def refused(*_: Any) -> bool:
        raise StepFailed("Compose refuses the file.")

    monkeypatch.setattr(doubt, "runs_whole", refused)
    with scene.open_plain(row.host) as host:
        seen = look_at(row, host)
    assert seen.sight["release"] is None
    assert all(each["serves"] for each in seen.sight["containers"])
