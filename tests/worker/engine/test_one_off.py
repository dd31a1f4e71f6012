"""One-off runs: a command in a container of its own. Started once and told to its end, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.worker.engine.stage import FIXED, Stage
from worker.connections.fake import Behaviour, FakeHost
from worker.engine.container_host import LogLine
from worker.engine.errors import HostLost, LeaseLost
from worker.engine.events import Line, Mutated, Wrote
from worker.engine.failure import StepFailed
from worker.engine.one_off import ByEngine, Exited, OneOff, Said, name_of, run_once
from worker.engine.options import NetworkSpec, Options
from worker.engine.run import Run

MIGRATE = ("./manage.py", "migrate")
OUTPUT = ((0.2, LogLine("stdout", "Applying 0001")), (0.9, LogLine("stderr", "done")))
SAID = Behaviour(exits_after=1.0, output=OUTPUT)
BROKEN = replace(SAID, exit_code=3)
ENDLESS = Behaviour(exits_after=None, output=OUTPUT)


@dataclass
class Play(Stage):
    """Release 1 serves, and a command is run of it. What is on record outlives an attempt, as in the database."""

    begun: bool = False
    output: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ends: list[Exited] = field(default_factory=list)
    runs: int = 0

    def begin(self, behaviour: Behaviour = SAID) -> Play:
        """Release 1 serves."""
        self.serving_first(1, commands={MIGRATE: behaviour})
        return self

    def host(self) -> FakeHost:
        """Counts how often the command is started."""
        host = FakeHost(self.server)
        start = host.start

        def counted(name: str) -> None:
            before = self._started(name)
            try:
                start(name)
            finally:
                self.runs += self._started(name) != before

        host.start = counted  # type: ignore[method-assign]
        return host

    def _started(self, name: str) -> float | None:
        return next((each.started for each in self.containers() if each.name == name), None)

    def attempt(self, host: FakeHost | None = None, *, stop: bool = False, seconds: float = 30.0) -> Exited | None:
        """One worker's share of it; what it said goes on record at once."""
        asked = OneOff(41, MIGRATE, seconds, begun=self.begun, heard=len(self.output), stop=stop)
        for each in run_once(Run(self.spec(1), host or self.host()), asked):
            self.hear(each)
        return self.ends[-1] if self.ends else None

    def hear(self, said: Said) -> None:
        """As the recorder does."""
        match said:
            case Line():
                self.said.append(said.text)
            case Wrote():
                self.output += [each.text for each in said.lines]
            case Mutated():
                self.begun = True
            case Exited():
                self.ends.append(said)

    def left(self) -> list[str]:
        """Containers of runs that are there still."""
        return [name for name in self.names() if "-run-" in name]


@pytest.fixture(params=sorted(FIXED))
def play(request: pytest.FixtureRequest) -> Play:
    return Play(container=FIXED[request.param])


def test_it_runs_beside_what_serves_and_goes_in_the_end(play: Play) -> None:
    assert play.begin().attempt() == Exited(0)
    assert play.output == ["Applying 0001", "done"]
    assert "Running ./manage.py migrate in shop-production-run-41.f2." in play.said
    assert play.serving() == [1]
    assert play.left() == []


def test_its_exit_code_is_told(play: Play) -> None:
    assert play.begin(BROKEN).attempt() == Exited(3)
    assert play.left() == []


def test_it_has_the_releases_settings_and_nothing_that_only_one_can_have(play: Play) -> None:
    networks = (NetworkSpec("shop-net", aliases=("shop",), ipv4="172.30.0.9"), NetworkSpec("data", aliases=("db",)))
    play.begin()
    play.container = replace(
        play.container,
        environment=(("COLOUR", "blue"),),
        memory=64_000_000,
        network="shop-net",
        options=Options(networks=networks, labels=("traefik.enable=true",)),
    )
    host, bodies, joined = play.host(), dict[str, Any](), list[tuple[Any, ...]]()
    create, connect = host.create, host.connect_network
    host.create = lambda name, body: bodies.update({name: body}) or create(name, body)  # type: ignore[method-assign]
    host.connect_network = lambda *args, **more: joined.append((*args, more)) or connect(*args, **more)  # type: ignore[method-assign, func-returns-value]
    assert play.attempt(host) == Exited(0)
    (body,) = bodies.values()
    assert (body["Cmd"], body["Env"], body["HostConfig"]["Memory"]) == (list(MIGRATE), ["COLOUR=blue"], 64_000_000)
    assert not body["HostConfig"]["PortBindings"]
    assert body["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert body["Healthcheck"] == {"Test": ["NONE"]}
    given = {name for name, value in body["Labels"].items() if value}
    assert given == {"estiva.installation", "estiva.run", "estiva.run.of", "estiva.release"}
    assert body["Labels"]["estiva.placement"] == "", "whatever its image says"
    endpoint = body["NetworkingConfig"]["EndpointsConfig"]["shop-net"]
    assert not endpoint.get("Aliases")
    assert not endpoint.get("IPAMConfig")
    assert joined == [("data", "shop-production-run-41.f2", (), {})]


def test_the_image_is_brought_where_it_is_missing(play: Play) -> None:
    play.publish(1, commands={MIGRATE: SAID})
    assert play.attempt() == Exited(0)
    assert play.said[0].startswith("Pulling registry.test/shop:1")


def test_one_that_never_ends_is_stopped(play: Play) -> None:
    end = play.begin(ENDLESS).attempt(seconds=5.0)
    assert end is not None
    assert end.how == "late"
    assert play.output == ["Applying 0001", "done"]
    assert play.left() == []
    assert play.serving() == [1]


@pytest.mark.parametrize("call", ["containers", "create", "start", "follow", "container"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_ends_it_wherever_it_is(play: Play, call: str, when: str) -> None:
    host = play.begin(ENDLESS).host()
    (host.cancel_at if when == "before" else host.cancel_after)(call)
    end = play.attempt(host)
    assert end is not None
    assert end.how == "cancelled"
    assert (end.exit_code is None) == (play.runs == 0)
    assert play.left() == []


def test_a_cancel_reaches_one_whose_worker_went_away(play: Play) -> None:
    host = play.begin(ENDLESS).host()
    host.fail_after("follow")
    with pytest.raises(HostLost):
        play.attempt(host)
    assert play.left()
    end = play.attempt(stop=True)
    assert end is not None
    assert (end.how, play.runs, play.left()) == ("cancelled", 1, [])


def test_a_program_that_is_not_there_is_said(play: Play) -> None:
    host = play.begin().host()
    host.refuse("start")
    with pytest.raises(StepFailed, match="could not be started"):
        play.attempt(host)
    assert play.runs == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("behaviour", [SAID, BROKEN], ids=["good", "bad"])
def test_lost_at_any_call_it_is_run_once_and_told_once(play: Play, when: str, behaviour: Behaviour) -> None:
    for n in range(1, 400):
        stage = Play(container=play.container).begin(behaviour)
        host = stage.host()
        (host.fail_before if when == "before" else host.fail_after)("*", n)
        try:
            stage.attempt(host)
        except HostLost:
            pass
        else:
            break
        if not stage.ends:
            stage.attempt()
        assert stage.runs == 1, f"lost {when} call {n}"
        assert stage.ends == [Exited(behaviour.exit_code)], f"lost {when} call {n}"
        assert stage.output == ["Applying 0001", "done"], f"each line once, lost {when} call {n}"
        assert stage.serving() == [1]
    else:
        raise AssertionError("an attempt makes fewer calls than that")
    assert n > 10


@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_at_any_two_calls_it_is_run_once(when: str) -> None:
    for first in range(1, 40, 2):
        for second in range(1, 12):
            stage = Play().begin(SAID)
            for n in (first, second):
                host = stage.host()
                (host.fail_before if when == "before" else host.fail_after)("*", n)
                try:
                    stage.attempt(host)
                except HostLost:
                    if stage.ends:
                        break
                else:
                    break
            if not stage.ends:
                stage.attempt()
            assert (stage.runs, stage.ends) == (1, [Exited(0)]), f"lost {when} calls {first} and {second}"


def test_one_that_somebody_removed_is_not_run_again(play: Play) -> None:
    host = play.begin(ENDLESS).host()
    host.fail_after("follow")
    with pytest.raises(HostLost):
        play.attempt(host)
    (name,) = play.left()
    play.server.remove(name)
    with pytest.raises(StepFailed, match="not run again"):
        play.attempt()
    assert play.runs == 1


def test_a_stale_holder_starts_nothing(play: Play) -> None:
    stale = play.begin(ENDLESS).host()
    old = run_once(Run(play.spec(1), stale), OneOff(41, MIGRATE, 30.0))
    for said in old:
        play.hear(said)
        if isinstance(said, Mutated):
            break  # it is about to send its start
    newer = play.host()
    newer.fail_after("follow")
    with pytest.raises(HostLost):
        play.attempt(newer)
    with pytest.raises(StepFailed):
        list(old)
    assert play.runs == 1
    with pytest.raises(LeaseLost):
        list(
            run_once(
                Run(replace(play.spec(1), identity=replace(play.spec(1).identity, fence=1)), stale),
                OneOff(41, MIGRATE, 30.0),
            )
        )


class InOneGo(ByEngine):
    """Makes and starts in one call, as Compose does."""

    starts = True


def test_somebody_elses_container_of_its_name_stays_and_is_named(play: Play) -> None:
    host = play.begin().host()
    run, asked = Run(play.spec(1), host), OneOff(41, MIGRATE, 30.0)
    labels = {"estiva.installation": "other", "estiva.run": "41", "estiva.placement": ""}
    host.create(name_of(run, asked), {"Image": play.containers()[0].image.id, "Labels": labels})
    theirs = play.containers()[-1]
    with pytest.raises(StepFailed, match=r"is taken on web-1 by a container of another Estiva, other \("):
        list(run_once(run, asked, InOneGo()))
    assert play.containers()[-1] is theirs
    assert theirs.status == "created"
