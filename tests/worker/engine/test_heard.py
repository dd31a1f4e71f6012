"""An attempt that goes on with a container tells what it wrote since, and nothing that is in the log already."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from tests.worker.engine.stage import FIXED, Stage, health
from worker.connections.fake import Behaviour, FakeHost, FakeServer
from worker.engine.container_host import LogLine
from worker.engine.errors import HostLost
from worker.engine.events import Ended, Event, Line, Verdict, Wrote
from worker.engine.options import Options
from worker.engine.rollout import deploy

TALK = Behaviour(
    healthy_after=0.5,
    output=tuple((at / 10, LogLine("stderr" if at % 3 else "stdout", f"line {at // 2}")) for at in range(40)),
)
MIGRATES = replace(TALK, exits_after=1.0)
MIGRATE = ("./manage.py", "migrate")
STARTED = "which an earlier attempt"


@dataclass
class Record:
    """As the recorder keeps it: each container's lines, and how many of them are on record."""

    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    heard: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    last: Event | None = None

    def take(self, events: Iterable[Event]) -> bool:
        """False when it was cut off; what was told by then stays."""
        try:
            for event in events:
                self.last = event
                if isinstance(event, Wrote):
                    self.told[event.container] += [each.text for each in event.lines]
                    self.heard[event.container] = event.last
                elif isinstance(event, Line) and STARTED in event.text:
                    self.said.append(event.text)
        except HostLost:
            return False
        return True


def stage_of(strategy: str, *, podman: bool = False, **options: object) -> Stage:
    container = replace(FIXED[strategy], health=health(deadline=5.0), options=Options(**options))  # type: ignore[arg-type]
    stage = Stage(container=container, server=FakeServer(podman=podman)).serving_first()
    stage.publish(2, TALK, commands={MIGRATE: MIGRATES})
    return stage


def go_on(stage: Stage, record: Record, host: FakeHost | None = None) -> bool:
    spec = replace(stage.spec(2), before=MIGRATE, heard=dict(record.heard))
    return record.take(deploy(spec, host or FakeHost(stage.server)))


def test_every_container_has_an_id_and_its_lines_are_numbered() -> None:
    stage, record = stage_of("stop-first"), Record()
    assert go_on(stage, record)
    assert len(record.told) == 2, "the command and the new version"
    assert {name: len(told) for name, told in record.told.items()} == record.heard
    assert "" not in record.told


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", sorted(FIXED))
@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_at_any_call_no_line_comes_twice_and_none_is_missing(strategy: str, when: str) -> None:
    going_on = 0
    for n in range(1, 1000):
        stage, record = stage_of(strategy), Record()
        host = FakeHost(stage.server)
        (host.fail_before if when == "before" else host.fail_after)("*", n)
        if go_on(stage, record, host):
            break
        assert go_on(stage, record)
        assert ended_well(record), f"lost {when} call {n}"
        for told in record.told.values():
            assert told == [line.text for _, line in TALK.output][: len(told)], f"lost {when} call {n}"
        going_on += any("in the log already" in each for each in record.said)
    assert n > 30
    assert going_on > 5


def ended_well(record: Record) -> bool:
    return isinstance(record.last, Ended) and record.last.verdict == Verdict.SUCCEEDED


CUT = {"log_driver": "json-file", "log_options": ("max-size=10m",)}
ELSEWHERE = {"log_driver": "local"}


@pytest.mark.parametrize(
    ("options", "podman"), [(CUT, False), (ELSEWHERE, False), ({}, True)], ids=["cut", "elsewhere", "podman"]
)
def test_where_the_first_lines_may_be_gone_all_that_is_left_is_told_and_that_is_said(
    options: dict[str, object], podman: bool
) -> None:
    stage, record = stage_of("stop-first", podman=podman, **options), Record()
    host = FakeHost(stage.server)
    host.fail_before("probe_http", 3)
    assert not go_on(stage, record, host)
    before = {name: list(told) for name, told in record.told.items()}
    assert go_on(stage, record)
    (again,) = [each for each in record.said if "once more" in each]
    assert "what it has written since its start follows once more" in again
    name = next(name for name in before if len(record.told[name]) > len(before[name]))
    told = record.told[name][len(before[name]) :]
    assert told[: len(before[name])] == before[name]
    assert not [each for each in record.said if "already" in each]


def test_what_was_told_before_is_still_looked_at_for_a_diagnosis() -> None:
    said = LogLine("stderr", "exec /app: exec format error")
    stage, record = stage_of("start-first"), Record()
    stage.publish(2, Behaviour(healthy_after=None, exits_after=1.0, exit_code=1, output=((0.1, said),)))
    host = FakeHost(stage.server)
    host.fail_before("probe_http", 9)
    assert not record.take(deploy(stage.spec(2), host))
    assert list(record.heard.values()) == [1]
    assert record.take(deploy(replace(stage.spec(2), heard=record.heard), FakeHost(stage.server)))
    assert isinstance(record.last, Ended)
    assert "another processor" in record.last.why
    assert list(record.told.values()) == [[said.text]]
