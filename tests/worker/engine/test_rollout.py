"""A deploy from beginning to end, as a person would tell it."""

from dataclasses import replace

import pytest

from tests.worker.engine.stage import (
    EXITS,
    FIXED,
    NEVER_HEALTHY,
    SHOP,
    START_FIRST,
    STOP_FIRST,
    Stage,
    ended,
    health,
    lines,
    steps,
    wrote,
)
from worker.connections.fake import Behaviour, FakeHost
from worker.engine.container_host import LogLine
from worker.engine.errors import HostError
from worker.engine.events import Event, Finding, Gap, Line, Mutated, Observed, Progress, Verdict
from worker.engine.rollout import deploy
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec, VolumeSpec

GOOD = [(key, "good") for key in ("preflight", "pull", "replace", "health", "verify", "cleanup")]


def only(events: list[Event], kind: type[Event]) -> list[Event]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("strategy", FIXED)
def test_a_new_release_replaces_the_old_one(strategy: str) -> None:
    stage = Stage(container=FIXED[strategy]).serving_first()
    stage.publish(2)
    events = stage.deploy(2)
    assert steps(events) == GOOD
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert stage.serving() == [2]
    assert stage.names() == ["shop-production-r2.f2"]
    assert len(only(events, Mutated)) == 1
    seen = only(events, Observed)
    assert [event.release for event in seen if isinstance(event, Observed)] == [2]


def test_stop_first_has_a_gap_that_is_announced_before_and_measured_after() -> None:
    stage = Stage(container=STOP_FIRST).serving_first(behaviour=Behaviour(stop_seconds=1.0))
    stage.publish(2, Behaviour(healthy_after=2.0))
    events = stage.deploy(2)
    (gap,) = only(events, Gap)
    assert isinstance(gap, Gap)
    assert gap.seconds == pytest.approx(3.0, abs=0.3)
    assert any("nothing serves until" in line for line in lines(events))


def test_start_first_has_none_and_stops_the_old_one_last() -> None:
    stage = Stage(container=START_FIRST).serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    events = stage.deploy(2, host)
    assert only(events, Gap) == [Gap(0.0)]
    order = [call.name for call in host.changing_calls()]
    assert order.index("stop") > order.index("connect_network") > order.index("start")


def test_the_alias_comes_only_with_the_proof() -> None:
    stage = Stage(container=START_FIRST).serving_first()
    stage.publish(2, Behaviour(healthy_after=1.0))
    host = FakeHost(stage.server)
    aliases: list[tuple[str, ...]] = []
    for event in deploy(stage.spec(2), host):
        if isinstance(event, Progress) and event.step == "health":
            new = host.container("shop-production-r2.f2")
            assert new is not None
            aliases.append(new.network_aliases["shop-net"])
    assert aliases[0] == ()
    assert aliases[-1] == ("shop",)


def test_the_first_release_of_a_placement() -> None:
    stage = Stage()
    stage.publish(1)
    events = stage.deploy(1)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert only(events, Gap) == []
    assert any("first version" in line for line in lines(events))


def test_a_first_release_that_fails_leaves_nothing_and_says_so() -> None:
    stage = Stage()
    stage.publish(1, EXITS)
    events = stage.deploy(1)
    end = ended(events)
    assert end.verdict == Verdict.FAILED
    assert end.exit_code == 3
    assert end.failed_step == "health"
    assert "Nothing served on web-1 before" in end.what
    assert stage.names() == []


def test_an_unhealthy_release_gives_way_to_the_old_one() -> None:
    stage = Stage().serving_first()
    stage.publish(2, NEVER_HEALTHY)
    events = stage.deploy(2)
    end = ended(events)
    assert steps(events)[-2:] == [("health", "bad"), ("restore", "good")]
    assert (end.verdict, end.failed_step, end.serving_release) == (Verdict.FAILED_RESTORED, "health", 1)
    assert "HTTP 503" in end.what
    assert [(each.release, each.target) for each in events if isinstance(each, Observed)] == [(1, 1)], "who made it"
    assert stage.serving() == [1]
    assert [each.policy for each in stage.containers()] == ["unless-stopped"]


def test_its_last_lines_and_exit_code_are_in_the_log_once() -> None:
    stage = Stage().serving_first()
    said = ((0.1, LogLine("stdout", "starting")), (0.2, LogLine("stderr", "no DATABASE_URL")))
    stage.publish(2, replace(EXITS, output=said))
    events = stage.deploy(2)
    assert (wrote(events, "stdout"), wrote(events, "stderr")) == (["starting"], ["no DATABASE_URL"])
    assert any("exited with code 3" in line for line in lines(events))


def test_the_alias_and_its_second_proof_double_no_line() -> None:
    stage = Stage(container=START_FIRST).serving_first()
    stage.publish(2, Behaviour(output=tuple((0.1 * n, LogLine("stdout", f"line {n}")) for n in range(5))))
    assert wrote(stage.deploy(2), "stdout") == [f"line {n}" for n in range(5)]


def test_a_redeploy_of_the_same_release_gets_another_name() -> None:
    stage = Stage().serving_first()
    host = FakeHost(stage.server)
    events = list(deploy(stage.spec(1, target=9), host))
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert stage.names() == ["shop-production-r1.f2-2"]


def test_a_name_held_by_a_stranger_is_avoided_and_the_stranger_left_alone() -> None:
    stage = Stage().serving_first()
    reference = stage.publish(2)
    other = FakeHost(stage.server)
    list(other.pull(reference, platform=None, deadline=9))
    other.create("shop-production-r2.f2", {"Image": reference, "Labels": {}})
    assert ended(stage.deploy(2)).verdict == Verdict.SUCCEEDED
    assert stage.names() == ["shop-production-r2.f2", "shop-production-r2.f2-2"]


def test_an_old_version_that_did_not_run_is_left_as_it_was_found() -> None:
    stage = Stage().serving_first()
    stage.server.kill(stage.names()[0])
    stage.publish(2, NEVER_HEALTHY)
    events = stage.deploy(2)
    end = ended(events)
    assert end.verdict == Verdict.FAILED
    assert end.serving_release is None
    assert "was not running before" in end.what
    assert any("not running when we came" in line for line in lines(events))
    (old,) = stage.containers()
    assert (old.status, old.policy) == ("exited", "unless-stopped")


def test_an_old_version_that_did_not_run_is_replaced_without_a_measured_gap() -> None:
    stage = Stage().serving_first()
    stage.server.kill(stage.names()[0])
    stage.publish(2)
    events = stage.deploy(2)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert only(events, Gap) == []
    assert stage.names() == ["shop-production-r2.f2"]


def test_data_in_an_anonymous_volume_goes_on() -> None:
    stage = Stage(container=ContainerSpec(health=health())).serving_first(volumes=("/var/lib/shop",))
    before = stage.containers()[0].mounts[0].name
    stage.publish(2, volumes=("/var/lib/shop",))
    events = stage.deploy(2)
    assert ended(events).verdict == Verdict.SUCCEEDED
    assert stage.containers()[0].mounts[0].name == before
    assert any("Stop-first" in line and "/var/lib/shop" in line for line in lines(events))


def test_what_an_earlier_failed_deploy_left_is_cleared_after_the_proof() -> None:
    stage = Stage().serving_first()
    reference = stage.publish(2)
    leftover = FakeHost(stage.server)
    list(leftover.pull(reference, platform=None, deadline=9))
    labels = {"estiva.installation": "test", "estiva.placement": "7", "estiva.release": "2", "estiva.target": "2"}
    leftover.create("shop-production-r2.f1", {"Image": reference, "Labels": labels})
    leftover.start("shop-production-r2.f1")
    stage.publish(3)
    assert ended(stage.deploy(3)).verdict == Verdict.SUCCEEDED
    assert stage.serving() == [3]
    assert len(stage.names()) == 1


def test_other_placements_and_strangers_are_never_touched() -> None:
    stage = Stage(container=ContainerSpec(health=health())).serving_first()
    host = FakeHost(stage.server)
    reference = stage.publish(5)
    list(host.pull(reference, platform=None, deadline=9))
    labels = {"estiva.installation": "test", "estiva.placement": "8"}
    for name, given in {"other-r1.f1": labels, "stranger": {}}.items():
        host.create(name, {"Image": reference, "Labels": given})
    stage.publish(2)
    stage.deploy(2)
    assert {"other-r1.f1", "stranger"} < set(stage.names())


def test_volumes_are_never_removed() -> None:
    stage = Stage().serving_first(volumes=("/x",))
    before = set(stage.server.volumes)
    stage.publish(2)
    stage.deploy(2)
    assert before <= set(stage.server.volumes)
    assert "shop-data" in before


@pytest.mark.parametrize(
    ("call", "step"),
    [
        ("pull", "pull"),
        ("create", "replace"),
        ("stop", "replace"),
        ("start", "replace"),
        ("set_restart_policy", "replace"),
    ],
)
def test_a_refusal_is_told_with_its_step_and_the_old_version_serves(call: str, step: str) -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    host.refuse(call, 1, HostError("the disk is on fire", status=500))
    end = ended(stage.deploy(2, host))
    assert end.failed_step == step
    assert "the disk is on fire" in end.what
    assert end.verdict == (Verdict.FAILED_UNTOUCHED if step == "pull" else Verdict.FAILED_RESTORED)
    assert stage.serving() == [1]


def test_preflight_stops_before_anything_is_touched() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    stage.server.disk = (1_000, 100_000_000_000)
    host = FakeHost(stage.server)
    events = stage.deploy(2, host)
    end = ended(events)
    assert (end.verdict, end.failed_step, end.serving_release) == (Verdict.FAILED_UNTOUCHED, "preflight", 1)
    assert host.changing_calls() == []
    assert "docker system df" in end.remedy
    assert any(isinstance(event, Finding) and event.result == "bad" for event in events)


def test_an_old_version_that_does_not_come_back_needs_attention() -> None:
    stage = Stage().serving_first()
    stage.publish(2, NEVER_HEALTHY)
    events: list[Event] = []
    for event in deploy(stage.spec(2), FakeHost(stage.server)):
        events.append(event)
        if isinstance(event, Line) and "Stopping" in event.text:
            old = next(name for name in stage.names() if "-r1." in name)
            stage.server.behave(old, Behaviour(exits_after=0.1, exit_code=9, healthy_after=None))
    end = ended(events)
    assert end.verdict == Verdict.NEEDS_ATTENTION
    assert steps(events)[-1] == ("restore", "bad")
    assert "docker ps -a --filter label=estiva.placement=7" in end.remedy
    assert end.serving_release is None


def test_a_port_taken_in_the_last_moment_is_named() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    reference = f"{SHOP}@{stage.server.images.published[f'{SHOP}:1'].digest}"
    taker = {"Image": reference, "Labels": {}, "HostConfig": {"PortBindings": {"1/tcp": [{"HostPort": "5000"}]}}}

    def take() -> None:
        stage.server.create("thief", taker)
        stage.server.start("thief")

    host.on_call("start", 1, "before", take)
    stage_end = ended(stage.deploy(2, host))
    assert "thief (port 5000)" in stage_end.why
    assert stage_end.verdict == Verdict.NEEDS_ATTENTION  # the old one can't have its port back either


def test_a_cancel_in_the_health_wait_brings_the_old_version_back() -> None:
    stage = Stage().serving_first()
    stage.publish(2, NEVER_HEALTHY)
    host = FakeHost(stage.server)
    host.cancel_at("probe_http", 3)
    events = stage.deploy(2, host)
    end = ended(events)
    assert end.verdict == Verdict.CANCELLED_RESTORED
    assert steps(events)[-2:] == [("health", "cancelled"), ("restore", "good")]
    assert "Release 1 serves on web-1" in end.what
    assert stage.serving() == [1]


def test_the_interrupted_gap_is_measured_by_the_servers_own_clock() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    host.fail_after("stop", 1)
    with pytest.raises(Exception, match="lost"):
        stage.deploy(2, host)
    stage.server.advance(30)
    events = stage.deploy(2)
    gaps = [event.seconds for event in events if isinstance(event, Gap)]
    assert gaps[0] == pytest.approx(30, abs=0.5)
    assert len(gaps) == 2
    assert ended(events).verdict == Verdict.SUCCEEDED


def test_one_that_gives_up_measures_the_gap_that_it_found() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    host.fail_after("stop", 1)
    with pytest.raises(Exception, match="lost"):
        stage.deploy(2, host)
    stage.server.advance(30)
    events = list(deploy(replace(stage.spec(2), give_up=True), FakeHost(stage.server)))
    (gap,) = only(events, Gap)
    assert isinstance(gap, Gap)
    assert gap.seconds == pytest.approx(30, abs=0.5)
    assert ended(events).verdict == Verdict.FAILED_RESTORED


def test_an_old_version_that_somebody_removed_meanwhile_is_not_said_to_have_been_idle() -> None:
    stage = Stage().serving_first()
    stage.publish(2, Behaviour(exits_after=0.0))
    host = FakeHost(stage.server)
    host.on_call("start", 1, "before", lambda: stage.server.remove("shop-production-r1.f2"))
    end = ended(stage.deploy(2, host))
    assert end.verdict == Verdict.NEEDS_ATTENTION
    assert "was removed while this went on" in end.what
    assert stage.names() == ["shop-production-r2.f2"]


def test_a_chosen_host_port_is_reported() -> None:
    spec = ContainerSpec(ports=(PortSpec(5000),), health=HealthSpec(run_seconds=0.5))
    stage = Stage(container=spec).serving_first()
    stage.publish(2)
    (seen,) = only(stage.deploy(2), Observed)
    assert isinstance(seen, Observed)
    assert seen.published[0][2] == 5000


def test_named_volumes_and_networks_bear_our_label() -> None:
    spec = ContainerSpec(volumes=(VolumeSpec("data", "/d"),), network="net", health=health())
    stage = Stage(container=spec).serving_first()
    assert stage.server.volumes["data"] == {"estiva.installation": "test"}
    assert stage.server.networks["net"] == {"estiva.installation": "test", "estiva.addresses": "kept"}


def test_a_cancel_after_the_proof_comes_too_late() -> None:
    stage = Stage().serving_first()
    stage.publish(2)
    host = FakeHost(stage.server)
    host.cancel_at("set_restart_policy", 2)
    assert ended(stage.deploy(2, host)).verdict == Verdict.SUCCEEDED
    assert stage.serving() == [2]
