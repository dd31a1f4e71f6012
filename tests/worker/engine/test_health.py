"""When a container counts as healthy, how fast that is seen, and what is said where it isn't."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.worker.engine.stage import SHOP, Stage, ended, health, lines, wrote
from worker.connections.fake import Behaviour, FakeFollow, FakeHost, FakeServer
from worker.engine.container_host import LogLine
from worker.engine.events import Event, Line, Progress
from worker.engine.health import Proof, Watched, watch
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec


def judged(
    behaviour: Behaviour, check: HealthSpec, *, answer_takes: float = 0.0, **fields: Any
) -> tuple[Proof, list[Event], FakeHost]:
    """Start one container and watch it; its first answer takes so many seconds."""
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=behaviour, **fields)
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=9))
    host.create("web", {"Image": reference})
    host.start("web")
    host.on_call("probe_http", 1, "after", lambda: server.advance(answer_takes))
    events: list[Event] = []
    watching = watch(host, Watched("web", check, check.port))
    while True:
        try:
            events.append(next(watching))
        except StopIteration as end:
            return end.value, events, host


def test_a_quick_start_is_seen_within_a_tick_though_the_interval_is_long() -> None:
    proof, _, _ = judged(Behaviour(healthy_after=0.5), health(interval=2.0, passes=2))
    assert proof.proven
    assert proof.waited == pytest.approx(2.55, abs=0.2)  # first pass at once, the second an interval later


def test_the_passes_have_to_come_in_a_row() -> None:
    proof, events, _ = judged(
        Behaviour(healthy_after=0.0, healthy_until=0.3), health(interval=0.2, passes=3, deadline=2)
    )
    assert not proof.proven
    assert proof.timed_out
    done = [event.done for event in events if isinstance(event, Progress)]
    assert max(done) == 2
    assert done[-1] == 0


def test_an_exit_ends_the_wait_at_once() -> None:
    proof, _, _ = judged(Behaviour(healthy_after=None, exits_after=0.4, exit_code=7), health(deadline=60))
    assert not proof.proven
    assert not proof.alive
    assert proof.waited < 1.0
    assert proof.container is not None
    assert proof.container.exit_code == 7


def test_what_it_wrote_before_it_ended_is_heard() -> None:
    said = tuple((0.39, LogLine("stderr", f"line {n}")) for n in range(5))
    _, events, _ = judged(Behaviour(healthy_after=None, exits_after=0.4, output=said), health())
    assert wrote(events, "stderr") == [f"line {n}" for n in range(5)]


@pytest.mark.parametrize(("seconds", "is_cut"), [(3, False), (30, True)])
def test_of_one_that_never_stops_writing_much_the_end_is_said(seconds: int, is_cut: bool) -> None:
    flood = tuple(
        (at / 20, LogLine("stdout", f"line {at * 250 + n}")) for at in range(seconds * 20) for n in range(250)
    )
    behaviour = Behaviour(healthy_after=0.0, output=flood)
    proof, events, _ = judged(behaviour, health(interval=0.1, passes=1), answer_takes=0.2)
    assert proof.proven
    said = [each for each in events if isinstance(each, Line) and "is not in this log" in each.text]
    assert [each.level for each in said] == ["warn"] * is_cut
    assert (len(wrote(events, "stdout")) == len(flood)) is not is_cut
    if is_cut:
        assert events[-1] is said[0], "nothing of it comes after that"
        assert "docker logs web" in said[0].text


def test_running_is_measured_in_seconds_without_a_restart() -> None:
    proof, _, _ = judged(Behaviour(), HealthSpec(kind="running", run_seconds=3))
    assert proof.proven
    assert proof.waited == pytest.approx(3, abs=0.3)


def test_a_restart_counts_from_the_start() -> None:
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=Behaviour(exits_after=0.5, exit_code=1))
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=9))
    host.create("web", {"Image": reference, "HostConfig": {"RestartPolicy": {"Name": "always"}}})
    host.start("web")
    events = list(watch(host, Watched("web", HealthSpec(run_seconds=2, deadline=6))))
    assert any("restarted" in line for line in lines(events))


def test_the_images_own_check() -> None:
    own = HealthSpec(kind="image", interval=0.1, passes=1, deadline=30)
    proof, _, _ = judged(Behaviour(healthy_after=1.0), own, has_healthcheck=True)
    assert proof.proven
    proof, _, _ = judged(Behaviour(healthy_after=None, unhealthy_after=2.0), own, has_healthcheck=True)
    assert not proof.proven
    assert proof.waited < 3
    assert "unhealthy" in proof.answer


def test_a_start_period_forgives_the_images_own_unhealthy() -> None:
    own = HealthSpec(kind="image", interval=0.1, passes=1, deadline=30, start_period=10)
    proof, _, _ = judged(Behaviour(healthy_after=6.0, unhealthy_after=2.0), own, has_healthcheck=True)
    assert proof.proven


def test_tcp_asks_for_a_connection_only() -> None:
    proof, _, _ = judged(Behaviour(healthy_after=None), HealthSpec(kind="tcp", port=5000, interval=0.1))
    assert proof.proven


def test_the_deadline_ends_it_with_the_last_answer() -> None:
    proof, _, _ = judged(Behaviour(healthy_after=None), health(deadline=2))
    assert proof.timed_out
    assert proof.answer == "HTTP 503"
    assert proof.waited == pytest.approx(2, abs=0.2)


def failed(behaviour: Behaviour, check: HealthSpec, **fields: Any) -> str:
    """What and why of a first deploy that fails."""
    stage = Stage(container=ContainerSpec(ports=(PortSpec(5000, 5000),), health=check))
    stage.publish(1, behaviour, **fields)
    end = ended(stage.deploy(1))
    return f"{end.what} {end.why} {end.remedy}"


def test_another_port_that_answers_is_found() -> None:
    said = failed(Behaviour(port=8080), health(deadline=1), exposed_ports=("5000/tcp", "8080/tcp"))
    assert "answers on port 8080, while the health check asks port 5000" in said


def test_another_port_that_the_log_mentions_is_found() -> None:
    output = ((0.1, LogLine("stdout", "Listening on http://0.0.0.0:3000")),)
    said = failed(Behaviour(port=3000, output=output), health(deadline=1))
    assert "log mentions port 3000" in said


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(exits_after=0.1, exit_code=137, oom_killed=True), "more memory than it may"),
        (Behaviour(exits_after=0.1, exit_code=127), "isn't in the image"),
        (Behaviour(exits_after=0.1, exit_code=0), "finished without an error"),
        (Behaviour(exits_after=0.1, exit_code=139), "SIGSEGV"),
        (Behaviour(exits_after=3.0, exit_code=1, healthy_after=None), "exited after 3 s with code 1"),
        (
            Behaviour(
                exits_after=0.1, exit_code=1, output=((0.05, LogLine("stderr", "exec /app: exec format error")),)
            ),
            "another processor",
        ),
        (Behaviour(start_error='exec: "serve": executable file not found in $PATH'), "isn't in the image"),
        (Behaviour(start_error="exec /app: exec format error"), "another processor"),
        (Behaviour(listens_after=None), "Nothing listens on port 5000"),
    ],
)
def test_the_cause_is_named(behaviour: Behaviour, words: str) -> None:
    assert words in failed(behaviour, health(deadline=5))


def test_the_images_own_check_is_missing_before_anything_is_touched() -> None:
    stage = Stage().serving_first()
    stage.container = ContainerSpec(health=HealthSpec(kind="image"))
    stage.publish(2)
    end = ended(stage.deploy(2))
    assert end.verdict == "failed_untouched"
    assert "declares none" in end.what


class Late(FakeFollow):
    """A stream that brings no more than 500 lines at once."""

    def available(self) -> Sequence[LogLine]:
        """The next ones."""
        self.held = [*getattr(self, "held", ()), *super().available()]
        fresh, self.held = self.held[:500], self.held[500:]
        return fresh


def test_what_it_said_in_a_burst_before_it_was_proven_is_heard_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.connections.fake.FakeFollow", Late)
    said = tuple((0.0, LogLine("stdout", f"loaded record {n}")) for n in range(4_000))
    proof, events, _ = judged(Behaviour(healthy_after=0.0, output=said), health(passes=1))
    assert proof.proven
    assert wrote(events) == [line.text for _, line in said]


def test_nobody_waits_for_one_that_goes_on_talking() -> None:
    said = tuple((n / 1000, LogLine("stdout", f"request {n}")) for n in range(20_000))
    began = FakeHost(FakeServer()).now()
    proof, _, host = judged(Behaviour(healthy_after=0.0, output=said), health(passes=1))
    assert proof.proven
    assert host.now() - began < 2.0


def test_one_that_talks_is_listened_to_between_the_looks() -> None:
    """Its lines wait for no look at the container: each is heard within a few hundredths of a second."""
    said = tuple((n / 100, LogLine("stdout", f"{n / 100}")) for n in range(200))
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=Behaviour(healthy_after=None, output=said))
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=9))
    host.create("web", {"Image": reference})
    host.start("web")
    began = host.now()
    heard = watch(host, Watched("web", HealthSpec(kind="running", run_seconds=2)))
    late = [host.now() - began - float(each) for event in heard for each in wrote([event])]
    assert len(late) > 150
    assert sorted(late)[len(late) * 9 // 10] < 0.05


class LongLine:
    """A stream whose one line is on its way for so many looks."""

    ended = False

    def __init__(self, looks: int) -> None:
        self.arrived, self._looks = 0, looks

    def available(self) -> list[LogLine]:
        """A piece at each look, and with the last one the line."""
        self._looks -= 1
        self.arrived += (self._looks >= 0) << 20
        return [LogLine("stdout", "x … [cut: 9 bytes]")] if self._looks == 0 else []

    def close(self) -> None:
        """Nothing to close."""


def test_a_line_that_is_on_its_way_for_long_is_waited_for() -> None:
    server = FakeServer()
    reference = server.images.publish(SHOP, "1", behaviour=Behaviour(healthy_after=0.0))
    host = FakeHost(server)
    list(host.pull(reference, platform=None, deadline=9))
    host.create("web", {"Image": reference})
    host.start("web")
    host.follow = lambda _: LongLine(40)  # type: ignore[method-assign, assignment, return-value]
    check = health()
    events = list(watch(host, Watched("web", check, check.port)))
    assert wrote(events, "stdout") == ["x … [cut: 9 bytes]"]
