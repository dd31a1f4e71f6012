"""A worker that dies while a container talks, on real engines: the next one tells the rest, no line twice and none left out."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import cast

import pytest

from parts.dockerd import DockerEngine
from parts.sshd import SshServer
from tests.integration.engine_stage import RealStage
from tests.real_parts import Pushed, SampleImages, SshKey
from tests.worker.engine.stage import ended
from worker.connections.pool import Pool
from worker.engine.events import Event, Line, Wrote
from worker.engine.options import Options
from worker.engine.rollout import deploy
from worker.engine.spec import HealthSpec

pytestmark = pytest.mark.real

MOST = 30_000
PATIENT = HealthSpec(kind="running", run_seconds=3, deadline=30)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture(params=["tidy_engine", "tidy_engine26"], ids=["old engine", "current engine"])
def stage(
    request: pytest.FixtureRequest, pool: Pool, sshd: SshServer, ssh_key: SshKey, sample_images: SampleImages
) -> RealStage:
    engine: DockerEngine = request.getfixturevalue(request.param)
    return RealStage(pool, sshd, ssh_key, engine, sample_images).start_first(health=PATIENT)


def broken_off(stage: RealStage, image: Pushed, lines: int) -> tuple[list[str], dict[str, int]]:
    """An attempt whose worker dies once so many lines are on record; them, and how many they are of each container."""
    told, heard = list[str](), dict[str, int]()
    with stage.host() as host:
        events = cast("Generator[Event, None, None]", deploy(stage.spec(1, image), host))
        for event in events:
            if isinstance(event, Wrote):
                told += [each.text for each in event.lines]
                heard[event.container] = event.last
            if len(told) >= lines:
                break
        events.close()
    return told, heard


def gone_on(stage: RealStage, image: Pushed, heard: dict[str, int]) -> list[Event]:
    with stage.host() as host:
        events = list(deploy(replace(stage.spec(1, image), heard=heard), host))
    assert ended(events).verdict == "succeeded"
    return events


def written(events: list[Event]) -> list[str]:
    return [each.text for event in events if isinstance(event, Wrote) for each in event.lines]


def whole() -> list[str]:
    """What the sample writes before it serves."""
    records = [f"sample: loaded record {number} of the start-up index" for number in range(1, MOST + 1)]
    return ["sample: version 1 starting on port 5000", *records, "sample: ready"]


@pytest.mark.parametrize("lines", [1, 2_000])
def test_each_line_once(stage: RealStage, lines: int) -> None:
    image = stage.images.push("1", behaviour="chatty", tag="talks", variables={"SAMPLE_LINES": str(MOST)})
    told, heard = broken_off(stage, image, lines)
    assert list(heard.values()) == [len(told)]
    events = gone_on(stage, image, heard)
    assert told + written(events) == whole()
    (said,) = [each.text for each in events if isinstance(each, Line) and "Going on with" in each.text]
    assert "in the log already" in said


@pytest.mark.parametrize("make", ["make_engine", "make_engine26"])
def test_an_engine_that_rotates_every_log_says_so_of_each_container(
    request: pytest.FixtureRequest, pool: Pool, sshd: SshServer, ssh_key: SshKey, sample_images: SampleImages, make: str
) -> None:
    """Its daemon's settings stand in what it tells of a container, so that is all there is to be asked."""
    engine = request.getfixturevalue(make)(log_options=["max-size=10m"])
    stage = RealStage(pool, sshd, ssh_key, engine, sample_images).start_first(health=PATIENT)
    image = stage.images.push("1", behaviour="chatty", tag="talks", variables={"SAMPLE_LINES": str(MOST)})
    _, heard = broken_off(stage, image, 1)
    events = gone_on(stage, image, heard)
    assert written(events) == whole()


def test_where_the_engine_rotates_it_all_that_is_left_is_told(stage: RealStage) -> None:
    """The oldest lines are gone by the second attempt: a count of lines would leave out as many that were never told."""
    cut = Options(log_driver="json-file", log_options=("max-size=100k", "max-file=2"))
    stage.container = replace(stage.container, options=cut)
    image = stage.images.push("1", behaviour="chatty", tag="talks", variables={"SAMPLE_LINES": str(MOST)})
    _, heard = broken_off(stage, image, 1)
    events = gone_on(stage, image, heard)
    found = written(events)
    assert found == whole()[-len(found) :], "nothing is left out of what there is"
    (said,) = [each.text for each in events if isinstance(each, Line) and "Going on with" in each.text]
    assert "follows once more" in said
