"""Following: masked, numbered, bounded; it ends with the container, with the room for lines, and when nobody looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from deployments import follows
from deployments.errors import Refused
from deployments.inventory import variables
from deployments.live import LogLine, decode_lines
from deployments.models import Operation, Release
from tests.worker.conftest import Sent
from tests.worker.room.conftest import NAME, Room
from worker.connections.fake_images import Behaviour
from worker.connections.fake_room import FakeRoom
from worker.engine.container_host import LogLine as Written
from worker.keeper import Keeper
from worker.operations import following, running
from worker.redact import Masker
from worker.room.journal import BURST, Journal, percent, stamped

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


class Redis:
    """What was put out, and whether anybody looks."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.is_away = self.is_watched = False

    def append(self, _follow: int, first: int, last: int, lines: str) -> bool:
        """As `follows.append`."""
        fresh = decode_lines(lines)
        assert (first, last) == (fresh[0].number, fresh[-1].number)
        self.lines += [] if self.is_away else fresh
        return not self.is_away

    @property
    def texts(self) -> list[str]:
        """What can be read."""
        return [line.text for line in self.lines]


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    """In place of the broker."""
    made = Redis()
    monkeypatch.setattr(follows, "append", made.append)
    monkeypatch.setattr(follows, "is_watched", lambda _follow: made.is_watched)
    return made


def writes(room: Room, *lines: str, ends: float | None = None) -> None:
    """The container runs anew and writes these, one a second."""
    output = tuple((float(second), Written("stdout", text)) for second, text in enumerate(lines))
    room.server.behave(NAME, Behaviour(output=output, exits_after=ends))
    room.server.stop(NAME, 1)
    room.server.start(NAME)


def followed(room: Room, keeper: Keeper, container: dict[str, Any] | None = None) -> Operation:
    """Ana follows its log, to the end."""
    operation = follows.follow_log(
        actor=room.world.actor, host=room.world.hosts[0], container=container or room.container, tail=100, since=0
    )
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    return operation


def test_its_lines_come_numbered_and_timed(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    writes(room, "one", "two", ends=5)
    operation = followed(room, keeper)
    assert operation.result == {"said": "The container does not run: exited, exit code 0."}, operation.result
    assert redis.texts == ["one", "two", operation.result["said"]]
    assert [line.number for line in redis.lines] == [1, 2, 3]
    assert {line.step for line in redis.lines} == {"runtime"}
    assert [line.stream for line in redis.lines] == ["stdout", "stdout", "estiva"]
    assert redis.lines[0].time_ms > 1_700_000_000_000


def test_secrets_are_masked(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    variables.set_variable(
        actor=room.world.actor, placement=room.world.placement, name="TOKEN", value="hunter2-hunter2", is_secret=True
    )
    version = room.world.placement.variables.get().secret_version
    assert version is not None
    Release.objects.update(variables=[{"name": "TOKEN", "secret": version.pk, "number": 1}])
    writes(room, "token=hunter2-hunter2", ends=2)
    followed(room, keeper)
    assert redis.texts[0] == "token=[redacted]"


def test_it_ends_when_nobody_looks(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    began = room.server.now
    operation = followed(room, keeper)
    assert operation.result == {"said": "Nobody looks any more."}
    assert follows.WATCHED_SECONDS <= room.server.now - began < follows.WATCHED_SECONDS + 5


def test_it_ends_without_redis(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    redis.is_away = True
    writes(room, "one")
    assert followed(room, keeper).result["said"] == "The live log was broken off: Redis does not answer."


def test_others_are_not_followed(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    theirs = room.listed("somebodys-database")
    with pytest.raises(Refused, match="Only the logs of Estiva's"):
        followed(room, keeper, theirs)
    operation = followed(room, keeper, {**room.container, "id": theirs["id"]})
    assert operation.status == "failed"
    assert [call.name for each in doors for call in each.journal] == ["container"]


def test_what_is_not_on_record_is_not_followed(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    operation = followed(room, keeper, {**room.container, "release": "77"})
    assert (operation.status, doors) == ("failed", [])
    assert "can't be masked" in operation.result["what"]


def test_what_a_deploy_made_that_is_not_on_record_is_not_followed(
    room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis
) -> None:
    """Its release's number was given again after a restore, and the secrets of that one are others."""
    container = room.server.find(NAME)
    labels = dict(container.body["Labels"])
    container.body = {**container.body, "Labels": {**labels, "estiva.target": str(int(labels["estiva.target"]) + 1000)}}
    operation = followed(room, keeper)
    assert operation.status == "failed"
    assert f"The deploy that made {NAME} is not on record" in operation.result["what"]
    assert [call.name for each in doors for call in each.journal] == ["container"]


def test_only_so_many_are_followed(room: Room) -> None:
    def ask() -> None:
        follows.follow_log(
            actor=room.world.actor, host=room.world.hosts[0], container=room.container, tail=100, since=0
        )

    for _ in range(follows.MOST_EACH):
        ask()
    with pytest.raises(Refused, match="As many logs"):
        ask()


def test_what_the_worker_left_is_not_taken_up(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis) -> None:
    operation = follows.follow_log(
        actor=room.world.actor, host=room.world.hosts[0], container=room.container, tail=100, since=0
    )
    Operation.objects.filter(pk=operation.pk).update(attempts=1)
    running.run(operation.pk, keeper)
    operation.refresh_from_db()
    assert (operation.status, doors) == ("failed", [])


def test_a_follow_takes_no_place_from_other_looks(
    room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart: list[Callable[[], None]] = []
    monkeypatch.setattr(following, "apart", lambda _number, run: apart.append(run))
    operation = follows.watch_usage(actor=room.world.actor, host=room.world.hosts[0])
    assert operation is not None
    running.take(operation.pk, keeper)
    operation.refresh_from_db()
    assert operation.status == "queued"
    apart[0]()
    operation.refresh_from_db()
    assert operation.status == "succeeded"


def test_what_containers_take(room: Room, doors: list[FakeRoom], keeper: Keeper, redis: Redis, sent: Sent) -> None:
    operation = follows.watch_usage(actor=room.world.actor, host=room.world.hosts[0])
    assert operation is not None
    assert follows.watch_usage(actor=room.world.actor, host=room.world.hosts[0]) == operation
    running.run(operation.pk, keeper)
    entries = sent.of_kind("usage")
    assert {entry["follow"] for entry in entries} == {str(operation.pk)}
    first, second = (json.loads(entry["values"]) for entry in entries[:2])
    mine, theirs = room.container["id"][:12], room.listed("somebodys-database")["id"][:12]
    assert first == {
        mine: [room.world.placement.pk, -1.0, 100_000_000, 1_000_000_000],
        theirs: [0, -1.0, 100_000_000, 1_000_000_000],
    }
    assert second[mine][1] == pytest.approx(50, abs=1)


def test_a_server_that_just_failed_is_not_asked_again_at_once(room: Room) -> None:
    actor, host = room.world.actor, room.world.hosts[0]
    operation = follows.watch_usage(actor=actor, host=host)
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(status="failed")
    assert follows.watch_usage(actor=actor, host=host) is None


def test_more_than_can_be_read_is_counted() -> None:
    now, out = [0.0], list[LogLine]()

    def send(_first: int, _last: int, lines: str) -> bool:
        out.extend(decode_lines(lines))
        return True

    journal = Journal(Masker([]), send, lambda: now[0], most_lines=10_000, most_bytes=10**7)
    journal.add(Written("stdout", f"line {number}") for number in range(BURST + 700))
    assert journal.skipped == 700
    now[0] += 1
    journal.add([Written("stderr", "on")])
    assert journal.flush()
    assert len(out) == BURST + 2
    assert out[-2].text == "… 700 lines are not shown: it writes faster than can be read."
    assert [line.number for line in out] == list(range(1, BURST + 3))


def test_there_is_an_end_to_lines_and_bytes() -> None:
    few = Journal(Masker([]), lambda *_: True, lambda: 0.0, most_lines=3, most_bytes=10**6)
    few.add(Written("stdout", "x") for _ in range(10))
    assert (few.is_full, few.written) == (True, 3)
    long = Journal(Masker([]), lambda *_: True, lambda: 0.0, most_lines=100, most_bytes=50)
    long.add(Written("stdout", "x" * 30) for _ in range(10))
    assert (long.is_full, long.written) == (True, 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-01-01T00:00:00.123456789Z hello", (1_767_225_600_123, "hello")),
        ("2026-01-01T01:00:00+01:00 hello", (1_767_225_600_000, "hello")),
        ("2026-01-01T00:00:00.5Z ", (1_767_225_600_500, "")),
        ("hello", (0, "hello")),
    ],
)
def test_the_time_before_a_line(text: str, wanted: tuple[int, str]) -> None:
    assert stamped(text) == wanted


def test_the_share_of_a_processor() -> None:
    assert percent((1.0, 0), (3.0, 1_000_000_000)) == 50.0
    assert percent((1.0, 5), (1.0, 6)) == 0.0
    assert percent((1.0, 500), (2.0, 0)) == 0.0
