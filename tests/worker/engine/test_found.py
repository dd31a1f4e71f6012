"""A container read back as settings, and what the record says of one that was taken over."""

from dataclasses import replace

from tests.worker.engine.stage import EXITS, Stage, ended
from worker.connections.fake import FakeHost
from worker.engine.events import Event, Observed
from worker.engine.found import changed, environment_given, found_settings
from worker.engine.look import look
from worker.engine.rollout import deploy
from worker.engine.spec import Adopted


def observed(events: list[Event]) -> Observed:
    return next(each for each in reversed(events) if isinstance(each, Observed))


def test_what_a_deploy_brought_reads_the_same_afterwards_until_somebody_changes_it() -> None:
    stage = Stage()
    stage.publish(1)
    brought = observed(stage.deploy(1))
    sight = look(stage.spec(1).identity, FakeHost(stage.server))
    assert sight.observed is not None
    assert sight.container is not None
    assert brought.settings
    assert changed(brought.settings, sight.observed.settings) == {}
    by_hand = dict(sight.container.inspected)
    by_hand["HostConfig"] = {**by_hand["HostConfig"], "Memory": 300, "NanoCpus": 500_000_000, "Wondrous": {"a": 1}}
    now = found_settings(replace(sight.container, inspected=by_hand), sight.image)
    assert changed(brought.settings, now) == {"memory": 300, "cpus": 0.5, "engine:Wondrous": {"a": 1}}
    assert environment_given(replace(sight.container, environment=("A=1=2",)), sight.image) == {"A": "1=2"}


def test_what_was_adopted_bears_the_release_of_the_record_and_comes_back_as_that() -> None:
    stage = Stage()
    stage.serving_first(1)
    container = look(stage.spec(1).identity, FakeHost(stage.server)).container
    assert container is not None
    labels = (("estiva.release", "7"), ("estiva.restart", container.restart_policy))
    adopted = Adopted(container.id, labels)
    sight = look(replace(stage.spec(1).identity, adopted=adopted), FakeHost(stage.server))
    assert sight.observed is not None
    assert sight.observed.release == 7
    other = look(replace(stage.spec(1).identity, adopted=replace(adopted, container_id="x")), FakeHost(stage.server))
    assert other.observed is not None
    assert other.observed.release == 1

    stage.publish(8, EXITS)
    spec = stage.spec(8)
    events = list(deploy(replace(spec, identity=replace(spec.identity, adopted=adopted)), FakeHost(stage.server)))
    assert (ended(events).verdict, ended(events).serving_release) == ("failed_restored", 7)
