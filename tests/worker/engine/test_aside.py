"""The old version gives up its names before it ends, keeps its address, and has its names back where it has to serve again."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.worker.engine.scenes import Scene, assert_settled, attempt, last
from tests.worker.engine.stage import NEVER_HEALTHY, START_FIRST, Stage, interrupted
from worker.connections.fake import Behaviour, FakeHost
from worker.engine.aside import KEPT_LABEL
from worker.engine.errors import HostError, HostLost
from worker.engine.events import Event, Verdict
from worker.engine.options import NetworkSpec
from worker.engine.rollout import deploy

SUCCESS = Scene("start-first", "success")
ABOUT_NETWORKS = ("connect_network", "disconnect_network", "stop")
NETWORK, NAME, FORMERLY = "shop-net", "shop", "formerly-shop"


def asked(stage: Stage) -> list[tuple[str, tuple[object, ...]]]:
    """What an attempt asked about networks and ends, in order."""
    host = FakeHost(stage.server)
    attempt(stage, host)
    return [(each.name, each.arguments) for each in host.journal if each.name in ABOUT_NETWORKS]


def no_addresses(stage: Stage) -> None:
    """As in a network that somebody made by hand."""
    labels = stage.server.networks[NETWORK]
    stage.server.networks[NETWORK] = {key: value for key, value in labels.items() if key != KEPT_LABEL}


def test_it_leaves_its_names_and_then_ends() -> None:
    calls = asked(SUCCESS.set())
    assert [name for name, _ in calls[-3:]] == ["disconnect_network", "connect_network", "stop"]
    network, old, aliases = calls[-2][1]
    assert (network, aliases) == (NETWORK, (FORMERLY,))
    assert calls[-1][1][0] == old


def test_it_keeps_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = SUCCESS.set()
    (old,) = stage.containers()
    before, given = dict(old.addresses), []
    connect = stage.server.connect

    def noted(network: str, name: str, aliases: Sequence[str], address: str = "") -> None:
        if FORMERLY in aliases:
            given.append({network: address})
        connect(network, name, aliases, address)

    monkeypatch.setattr(stage.server, "connect", noted)
    attempt(stage)
    assert given == [before]


def test_the_old_one_is_left_a_moment_before_it_is_told_to_end() -> None:
    stage = SUCCESS.set()
    host = FakeHost(stage.server)
    attempt(stage, host)
    joined = [each.at for each in host.journal if each.name == "connect_network"][-1]
    (stopped,) = [each.at for each in host.journal if each.name == "stop"]
    assert stopped - joined >= 1.0


def test_a_network_that_gives_no_addresses_is_not_left() -> None:
    stage = SUCCESS.set()
    no_addresses(stage)
    calls = asked(stage)
    assert FORMERLY not in str(calls)
    assert calls[-1][0] == "stop"


def test_who_has_no_name_has_none_to_give_up() -> None:
    stage = Stage(container=replace(START_FIRST, network_aliases=())).serving_first()
    stage.publish(2)
    assert [name for name, _ in asked(stage)] == ["stop"]


@pytest.mark.parametrize("call", ["disconnect_network", "connect_network"])
def test_a_refusal_keeps_no_deploy_from_success(call: str) -> None:
    stage = SUCCESS.set()
    host = FakeHost(stage.server)
    host.refuse(call, 2)  # the first is the new one's own
    assert last(attempt(stage, host)).verdict == Verdict.SUCCEEDED
    assert_settled(stage, [2], f"after a refused {call}")


@pytest.mark.parametrize(("call", "moment"), [("disconnect_network", 2), ("connect_network", 2), ("stop", 1)])
def test_the_names_come_back_where_the_new_one_fails_after_a_worker_died(call: str, moment: int) -> None:
    stage = SUCCESS.set()
    host = FakeHost(stage.server)
    host.fail_after(call, moment)
    said: list[Event] = []
    interrupted(deploy(stage.spec(2), host), said, HostLost)
    new = next(each for each in stage.containers() if each.name.split("-r")[1].startswith("2"))
    stage.server.kill(new.name)
    end = last(attempt(stage))
    assert end.verdict in (Verdict.FAILED_RESTORED, Verdict.SUCCEEDED), end
    (left,) = stage.containers()
    assert left.networks == {NETWORK: (NAME,)}


def in_two_networks() -> Stage:
    """A version that serves in both."""
    networks = (NetworkSpec("front", ("shop",)), NetworkSpec("back", ("shop-back",)))
    container = replace(
        START_FIRST, network="front", network_aliases=(), options=replace(START_FIRST.options, networks=networks)
    )
    stage = Stage(container=container).serving_first()
    stage.publish(2)
    return stage


def test_networks_by_the_options_are_left_as_well() -> None:
    joined = [
        arguments
        for name, arguments in asked(in_two_networks())
        if name == "connect_network" and "formerly-" in str(arguments)
    ]
    assert {(each[0], each[2]) for each in joined} == {
        ("front", ("formerly-shop",)),
        ("back", ("formerly-shop-back",)),
    }


def test_a_network_that_somebody_removed_meanwhile_keeps_nothing_from_coming_back() -> None:
    stage = in_two_networks()
    host = FakeHost(stage.server)
    host.on_call("stop", 1, "before", host._lose)
    interrupted(deploy(stage.spec(2), host), [], HostLost)
    (old,) = (each for each in stage.containers() if each.name.split("-r")[1].startswith("1"))
    for each in stage.containers():
        each.networks.pop("back", None)
    del stage.server.networks["back"]
    end = last(list(deploy(replace(stage.spec(2), give_up=True), FakeHost(stage.server))))
    assert end.verdict == Verdict.FAILED_RESTORED, end
    (left,) = stage.containers()
    assert left.id == old.id
    assert left.networks == {"front": ("shop",)}


@pytest.mark.parametrize("network", ["front", "back"])
def test_it_joins_again_what_it_had_left_when_a_worker_died(network: str) -> None:
    """Nobody wrote its names in that network down, but its Release says them; in the other one it is as it was."""
    stage = in_two_networks()
    moment = 1 + [
        each[1][0] for each in asked(in_two_networks()) if each[0] == "disconnect_network" and "-r1" in str(each)
    ].index(network)
    before = sum(each[0] == "disconnect_network" and "-r1" not in str(each) for each in asked(in_two_networks()))
    host = FakeHost(stage.server)
    host.fail_after("disconnect_network", before + moment)
    interrupted(deploy(stage.spec(2), host), [], HostLost)
    new = next(each for each in stage.containers() if each.name.split("-r")[1].startswith("2"))
    (old,) = (each for each in stage.containers() if each.name.split("-r")[1].startswith("1"))
    assert network not in old.networks
    stage.server.kill(new.name)
    end = last(list(deploy(replace(stage.spec(2), give_up=True), FakeHost(stage.server))))
    assert end.verdict == Verdict.FAILED_RESTORED, end
    (left,) = stage.containers()
    assert left.networks == {"front": ("shop",), "back": ("shop-back",)}


ENDS: dict[str, Callable[[Stage, str], None]] = {
    "it ends": lambda stage, name: stage.server.kill(name),
    "it ends and is started again": lambda stage, name: stage.server.crash(name),
    "it answers badly": lambda stage, name: stage.server.behave(name, NEVER_HEALTHY),
    "it answers nobody": lambda stage, name: stage.server.behave(name, Behaviour(listens_after=None)),
    "somebody pauses it": lambda stage, name: stage.server.pause(name),
    "somebody removes it": lambda stage, name: stage.server.remove(name),
}


def candidate_of(stage: Stage) -> str:
    return next(each.name for each in stage.containers() if each.name.split("-r")[1].startswith("2"))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.7, 1.15])
def test_the_old_one_is_not_stopped_for_one_that_did_not_stay_well(end: str, moment: float) -> None:
    """From the hand-over to the stop: it has its names back, and was up at every moment."""
    stage = SUCCESS.set()
    (old,) = stage.containers()
    began, host = old.started, FakeHost(stage.server)
    host.on_call(
        "connect_network", 2, "after", lambda: stage.server.at(moment, lambda: ENDS[end](stage, candidate_of(stage)))
    )
    events = attempt(stage, host)
    assert last(events).verdict == Verdict.FAILED_RESTORED, last(events)
    assert last(events).serving_release == 1
    assert last(events).failed_step == "verify"
    assert "not on web-1 any more" in last(events).what or "The old version was not stopped" in last(events).what
    assert [each for each in host.journal if each.name == "stop" and each.arguments[0] == old.name] == []
    assert (old.started, old.status) == (began, "running")
    assert_settled(stage, [1], end)


def test_one_that_ends_before_the_hand_over_takes_no_name_away() -> None:
    stage = SUCCESS.set()
    host = FakeHost(stage.server)
    host.on_call("set_restart_policy", 2, "after", lambda: stage.server.kill(candidate_of(stage)))
    end = last(attempt(stage, host))
    assert (end.verdict, end.exit_code) == (Verdict.FAILED_RESTORED, 137), end
    assert "formerly-" not in str(host.journal)
    assert "stop" not in {each.name for each in host.journal}
    assert_settled(stage, [1], "before the hand-over")


def test_one_that_ends_as_it_is_given_its_policy_is_said_to_have_ended() -> None:
    stage = SUCCESS.set()
    host = FakeHost(stage.server)

    def refused() -> None:
        stage.server.kill(candidate_of(stage))
        raise HostError("the process is gone", status=500)

    host.on_call("set_restart_policy", 1, "before", refused)
    end = last(attempt(stage, host))
    assert (end.verdict, end.failed_step, end.exit_code) == (Verdict.FAILED_RESTORED, "health", 137), end
    assert "did not stay well on web-1: it exited with code 137" in end.what
    assert_settled(stage, [1], "as it is given its policy")


def test_names_are_back_within_a_moment_and_at_the_same_address() -> None:
    stage = SUCCESS.set()
    (old,) = stage.containers()
    before, host = dict(old.addresses), FakeHost(stage.server)
    died: list[float] = []

    def die() -> None:
        died.append(stage.server.now)
        stage.server.kill(candidate_of(stage))

    host.on_call("connect_network", 2, "after", lambda: stage.server.at(0.4, die))
    attempt(stage, host)
    back = next(
        each.at for each in host.journal if each.name == "connect_network" and each.arguments[1:] == (old.name, (NAME,))
    )
    assert back - died[0] < 0.3
    assert old.addresses == before


@pytest.mark.parametrize("moment", [0.0, 0.1])
def test_one_that_ends_as_soon_as_it_has_its_names_is_not_started_again_under_them(moment: float) -> None:
    """Each of its short lives would be asked by those who find it, and break off what it answers."""
    stage = SUCCESS.set()
    (old,) = stage.containers()
    began, host, ended = old.started, FakeHost(stage.server), list[float]()

    def crash() -> None:
        ended.append(stage.server.now)
        stage.server.crash(candidate_of(stage))

    host.on_call("connect_network", 1, "after", lambda: stage.server.at(moment, crash))
    end = last(attempt(stage, host))
    assert (end.verdict, end.failed_step, end.exit_code) == (Verdict.FAILED_RESTORED, "health", 139), end
    assert "was healthy, but not any more when it was found by its names" in end.what
    assert "exited" in end.what
    removed = next(each.at for each in host.journal if each.name == "remove")
    assert removed - ended[0] < 1.0
    assert (old.started, old.status) == (began, "running")
    assert_settled(stage, [1], "under its names")


def test_one_answer_that_got_lost_condemns_nobody() -> None:
    stage = SUCCESS.set()
    host, undisturbed = FakeHost(stage.server), SUCCESS.set()
    counted = FakeHost(undisturbed.server)
    attempt(undisturbed, counted)
    probes = sum(each.name == "probe_http" for each in counted.journal)
    host.on_call("probe_http", probes, "before", lambda: lapse(stage))
    assert last(attempt(stage, host)).verdict == Verdict.SUCCEEDED
    assert sum(each.name == "probe_http" for each in host.journal) == probes + 1


def lapse(stage: Stage) -> None:
    """It answers badly for a moment."""
    name = candidate_of(stage)
    stage.server.behave(name, NEVER_HEALTHY)
    stage.server.at(0.1, lambda: stage.server.behave(name, Behaviour()))
