"""A build Target on an in-memory builder: what is built, what is reused, what is said."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from worker.connections.fake import FakeHost, FakeServer
from worker.connections.fake_building import FakeBuildHost, FakeBuilds, FakePart
from worker.engine.build import build
from worker.engine.build_events import VertexLine, VertexStarted
from worker.engine.build_log import BuildLog
from worker.engine.build_spec import BuildIdentity, BuildSpec
from worker.engine.container_host import Platform
from worker.engine.errors import HostError, HostLost, LeaseLost
from worker.engine.events import Built, Ended, Event, Line, Progress, StepEnded, StepStarted, Verdict
from worker.engine.failure import StepFailed
from worker.engine.spec import Secret

DOCKERFILE = "FROM python:3.12\nCOPY . .\nRUN pip install -r requirements.txt\n"
PARTS = (
    FakePart("[1/3] FROM docker.io/library/python:3.12", seconds=2.0),
    FakePart("[2/3] COPY . .", cached=True),
    FakePart("[3/3] RUN pip install -r requirements.txt", ("Collecting flask",), seconds=3.0),
)


@dataclass
class Yard:
    """A builder and what is built on it; every attempt gets the next fence."""

    server: FakeServer = field(default_factory=lambda: FakeServer("builder-1"))
    builds: FakeBuilds = field(default_factory=lambda: FakeBuilds(PARTS))
    fence: int = 0

    def __post_init__(self) -> None:
        self.server.images.publish("python", "3.12")

    def spec(self, commit: str = "a", **fields: Any) -> BuildSpec:
        self.fence += 1
        identity = BuildIdentity("test", 7, "shop-production", 100, 3, self.fence)
        wanted = BuildSpec(identity, commit * 40, "https://git.test/shop", DOCKERFILE, host_name="builder-1")
        return replace(wanted, **fields)

    def host(self) -> FakeBuildHost:
        return FakeBuildHost.on(FakeHost(self.server), self.builds)

    def run(self, spec: BuildSpec, host: FakeBuildHost | None = None, **options: Any) -> list[Event]:
        return list(build(spec, host or self.host(), context(), **options))


@pytest.fixture
def yard() -> Yard:
    return Yard()


def context() -> Iterator[bytes]:
    yield from (b"tar of ", b"the commit")


def built(events: list[Event]) -> Built:
    return next(each for each in events if isinstance(each, Built))


def lines(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, Line)]


def steps(events: list[Event]) -> list[tuple[str, str]]:
    return [(each.step, each.result) for each in events if isinstance(each, StepEnded)]


def end(events: list[Event]) -> Ended:
    assert isinstance(events[-1], Ended)
    return events[-1]


def test_a_build_is_told_in_steps_durations_and_cache_hits(yard: Yard) -> None:
    events = yard.run(yard.spec())
    assert steps(events) == [("build", "good"), ("cleanup", "good")]
    assert end(events).verdict == Verdict.SUCCEEDED
    said = lines(events)
    assert any(line.startswith("Base image python:3.12 is sha256:") for line in said)
    assert "[2/3] COPY . .: CACHED" in said
    at = said.index("[3/3] RUN pip install -r requirements.txt")
    assert said[at : at + 3] == ["[3/3] RUN pip install -r requirements.txt", "Collecting flask", "[3/3] done in 3.0 s"]
    assert any("1 of 3 parts from the cache" in line for line in said)
    assert isinstance(events[0], StepStarted)
    assert Progress("build", 17, 17, "context sent") in events
    assert yard.builds.contexts == [b"tar of the commit"]
    found = built(events)
    assert (found.platform, found.reused, found.size) == ("linux/amd64", False, 20_000_000)
    assert found.base_images[0][1].startswith("sha256:")
    assert yard.server.images.find(found.tag) is not None


def test_what_is_asked_of_the_builder(yard: Yard) -> None:
    secret = Secret("hush")
    yard.run(
        yard.spec(
            args=(("A", "1"),),
            secrets={"npm": secret},
            target="web",
            platform="linux/arm64",
            memory=5,
            cpus=0.5,
            deadline=60,
        )
    )
    (asked,) = yard.builds.requests
    assert asked.build_id == "estiva-test-t3.f1"
    assert (asked.args, asked.secrets, asked.target, asked.platform) == (
        (("A", "1"),),
        {"npm": secret},
        "web",
        "linux/arm64",
    )
    assert (asked.memory, asked.cpus, asked.deadline, asked.pull, asked.no_cache) == (5, 0.5, 60, True, False)
    assert asked.labels["org.opencontainers.image.revision"] == "a" * 40
    assert asked.labels["org.opencontainers.image.source"] == "https://git.test/shop"
    assert not {"estiva.installation", "estiva.placement"} & set(asked.labels)  # containers inherit an image's labels


def test_the_same_is_built_once(yard: Yard) -> None:
    first, again = built(yard.run(yard.spec())), yard.run(yard.spec())
    assert built(again) == replace(first, reused=True)
    assert len(yard.builds.requests) == 1
    assert len(yard.builds.contexts) == 1
    assert any("is used again" in line for line in lines(again))
    assert end(again).verdict == Verdict.SUCCEEDED


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "b"},
        {"args": (("A", "2"),)},
        {"target": "web"},
        {"platform": "linux/arm64"},
        {"context_id": "services/web"},
        {"dockerfile_text": DOCKERFILE + "CMD x\n"},
        {"no_cache": True},
    ],
)
def test_what_differs_is_built(yard: Yard, change: dict[str, Any]) -> None:
    yard.run(yard.spec())
    assert not built(yard.run(yard.spec(**change))).reused
    assert len(yard.builds.requests) == 2


def test_a_base_that_moved_is_built_upon_anew(yard: Yard) -> None:
    before = built(yard.run(yard.spec()))
    yard.server.images.publish("python", "3.12", content="newer")
    after = built(yard.run(yard.spec()))
    assert (after.reused, before.base_images == after.base_images) == (False, False)
    assert after.tag != before.tag


def test_where_a_registry_is_away_the_builders_own_base_counts(yard: Yard) -> None:
    yard.server.images.store("python:3.12")
    yard.server.images.registry_error = HostError("dial tcp: i/o timeout")
    first = yard.run(yard.spec())
    assert not yard.builds.requests[0].pull
    assert any("could not be looked up; the builder has sha256:" in line for line in lines(first))
    assert built(yard.run(yard.spec())).reused


def test_an_unknown_base_forbids_reuse(yard: Yard) -> None:
    yard.server.images.registry_error = HostError("dial tcp: i/o timeout")
    yard.run(yard.spec())
    assert not built(yard.run(yard.spec())).reused


def test_buildkits_own_digest_counts_where_a_tag_moved_meanwhile(yard: Yard) -> None:
    digest = "sha256:" + "e" * 64
    yard.builds.parts = (FakePart(f"[1/1] FROM docker.io/library/python:3.12@{digest}"),)
    first = built(yard.run(yard.spec()))
    assert first.base_images == (("python:3.12", digest),)
    assert not built(yard.run(yard.spec())).reused  # the registry still says something else


def test_a_failing_command_opens_the_log_with_its_last_lines(yard: Yard) -> None:
    output = (*(f"line {number}" for number in range(60)), "ERROR: No matching distribution found for flsk")
    failing = FakePart(
        "[3/3] RUN pip install -r requirements.txt",
        output,
        error="executor failed running [/bin/sh -c pip install -r requirements.txt]: exit code: 1",
    )
    yard.builds.parts = (*PARTS[:2], failing)
    events = yard.run(yard.spec())
    said = lines(events)
    at = said.index("The build failed at [3/3] RUN pip install -r requirements.txt")
    assert said[at + 1 : at + 41] == list(output[-40:])
    last = end(events)
    assert (last.verdict, last.failed_step, last.exit_code) == (Verdict.FAILED_UNTOUCHED, "build", 1)
    assert last.what.endswith("RUN pip install -r requirements.txt (line 3 of Dockerfile): exit code: 1")
    assert "pip found no version of flsk" in last.why
    assert steps(events) == [("build", "bad")]
    assert not any(isinstance(each, Built) for each in events)


def test_a_dockerfile_that_cannot_be_read(yard: Yard) -> None:
    yard.builds.error = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: RUNN"
    last = end(yard.run(yard.spec()))
    assert last.what == "The build failed on builder-1: dockerfile parse error line 2: unknown instruction: RUNN"
    assert last.why == "Line 2 of the Dockerfile can't be read: unknown instruction: RUNN."


def test_an_empty_dockerfile_is_said_before_anything_is_sent(yard: Yard) -> None:
    last = end(yard.run(yard.spec(dockerfile_text="  \n")))
    assert last.verdict == Verdict.FAILED_UNTOUCHED
    assert "is empty" in last.what
    assert yard.builds.requests == []


def test_a_build_past_its_deadline_names_where_it_stood(yard: Yard) -> None:
    last = end(yard.run(yard.spec(deadline=4.0)))
    assert last.verdict == Verdict.FAILED_UNTOUCHED
    assert "longer than 4 s" in last.what
    assert "It was at [3/3] RUN pip install" in last.what


def test_an_image_for_another_platform_than_asked_fails(yard: Yard) -> None:
    yard.builds.platform = Platform("linux", "arm64")
    last = end(yard.run(yard.spec(platform="linux/amd64")))
    assert last.what == "The image is built for linux/arm64, not for linux/amd64."
    warned = yard.run(yard.spec("b"))
    assert end(warned).verdict == Verdict.SUCCEEDED
    assert any("won't run on builder-1 itself" in line for line in lines(warned))


@pytest.mark.parametrize("call", ["facts", "remote_image", "build_begin", "build_part", "tag", "local_images"])
def test_a_cancel_ends_the_build_and_says_so(yard: Yard, call: str) -> None:
    host = yard.host()
    host.cancel_at(call)
    events = yard.run(yard.spec(), host)
    assert end(events).verdict == Verdict.CANCELLED_UNTOUCHED
    assert steps(events)[-1][1] == "cancelled"
    assert not yard.builds.running
    assert any(isinstance(each, Built) for each in events) == (call == "local_images")


def test_a_lost_connection_or_lease_comes_out_with_the_step_left_open(yard: Yard) -> None:
    host = yard.host()
    host.fail_before("build_part", 2)
    events: list[Event] = []
    with pytest.raises(HostLost):
        events.extend(build(yard.spec(), host, context()))
    host = yard.host()
    host.on_call("build_part", 1, "before", host.signals.lost.set)
    going = build(yard.spec(), host, context())
    with pytest.raises(LeaseLost):
        events.extend(going)
    assert not any(isinstance(each, StepEnded | Ended) for each in events)


def test_a_later_attempt_ends_what_an_earlier_one_left(yard: Yard) -> None:
    yard.fence = 5
    yard.run(yard.spec())
    assert yard.builds.ended == [f"estiva-test-t3.f{fence}" for fence in (3, 4, 5)]


def test_what_a_context_raises_comes_out_as_it_is(yard: Yard) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise LookupError("the mirror is gone")

    with pytest.raises(LookupError):
        list(build(yard.spec(), yard.host(), broken()))
    assert not yard.builds.running


def test_builds_used_last_stay(yard: Yard) -> None:
    tags = [built(yard.run(yard.spec(commit, keep_builds=3))).tag for commit in "abc"]
    yard.run(yard.spec("a", keep_builds=3))  # used again
    events = yard.run(yard.spec("d", keep_builds=3))
    assert f"Dropped {tags[1]}." in lines(events)
    assert [yard.server.images.find(tag) is not None for tag in tags] == [True, False, True]


def test_what_cannot_be_cleaned_up_fails_nothing(yard: Yard) -> None:
    host = yard.host()
    host.refuse("local_images")
    assert end(yard.run(yard.spec(), host)).verdict == Verdict.SUCCEEDED


def test_publishing_comes_between_building_and_cleaning_up(yard: Yard) -> None:
    def publish(found: Built) -> Generator[Event, None, str]:
        yield Line(f"pushing {found.image_id}")
        return "pushed"

    events = yard.run(yard.spec(), publish=publish)
    assert steps(events) == [("build", "good"), ("publish", "good"), ("cleanup", "good")]

    def refuse(found: Built) -> Generator[Event, None, str]:
        yield Line("pushing")
        raise StepFailed("The registry refuses.", why="It is full.")

    failed = end(yard.run(yard.spec("b"), publish=refuse))
    assert (failed.verdict, failed.failed_step, failed.why) == (Verdict.FAILED_UNTOUCHED, "publish", "It is full.")


def test_little_room_is_said(yard: Yard) -> None:
    yard.server.disk = (10 << 20, 100 << 30)
    assert any("Only 10.5 MB are free" in line for line in lines(yard.run(yard.spec())))


def test_lines_of_parts_that_go_on_side_by_side_are_told_apart() -> None:
    log = BuildLog()
    for name in ("[web 2/3] RUN npm ci", "[api 2/3] RUN pip install"):
        list(log.take(VertexStarted(name, name), 0.0))
    said = [*log.take(VertexLine("[web 2/3] RUN npm ci", "stdout", "added 3 packages"), 0.0)]
    assert said == [Line("[web 2/3] added 3 packages", stream="stdout")]
