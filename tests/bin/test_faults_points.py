"""Where workers of the campaign are killed: every call that a deploy can make is known, and is met when and where it is meant."""

from __future__ import annotations

import inspect
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.faults.nursery_points import (
    CHANGING,
    IN_CONTAINERS,
    IN_NO_DEPLOY,
    IN_SECOND_ATTEMPTS,
    IN_SOURCES,
    LOOKING,
    NO_CALLS,
    STREAMS,
    Doom,
    Point,
    whose,
)
from parts.faults.points import Moment, Spot, heard, moments, reached, since
from parts.processes import wait_until
from worker.connections import fake_connection
from worker.connections.building import DockerBuildHost
from worker.connections.compose import ComposeDockerHost
from worker.connections.docker import DockerHost
from worker.engine.build_host import BuildHost
from worker.engine.compose.compose_host import ComposeHost
from worker.engine.container_host import ContainerHost

DOORS = (ContainerHost, ComposeHost, BuildHost)
HOSTS = (DockerHost, ComposeDockerHost, DockerBuildHost)
OURS = whose(3, 7, "web-1", "deploy")


def calls(door: type) -> dict[str, Any]:
    """What an engine's door to servers offers."""
    return {name: each for name, each in inspect.getmembers(door, inspect.isfunction) if not name.startswith("_")}


def test_every_call_of_every_door_is_a_change_a_look_or_none() -> None:
    offered = {name for door in DOORS for name in calls(door)}
    assert offered == {*CHANGING, *LOOKING, *NO_CALLS}
    assert len(CHANGING) + len(LOOKING) + len(NO_CALLS) == len(offered)


def test_what_changes_a_server_says_the_engine_s_own_fake_too() -> None:
    assert set(CHANGING) >= fake_connection.CHANGING


def test_a_stream_is_what_is_given_piece_by_piece() -> None:
    streams = {
        name
        for door in DOORS
        for name, each in calls(door).items()
        if "Iterator" in str(each.__annotations__["return"])
    }
    assert streams == set(STREAMS)


def test_every_call_is_one_that_can_be_cut_off() -> None:
    assert all(any(name in vars(host) for host in HOSTS) for name in (*CHANGING, *LOOKING))


def test_every_change_is_due_in_one_row_or_made_by_no_undisturbed_deploy() -> None:
    assert len({*IN_CONTAINERS, *IN_SOURCES, *IN_NO_DEPLOY, *IN_SECOND_ATTEMPTS}) == len(CHANGING)


class Server:
    """Notes what is asked of it; one call asks for others."""

    def __init__(self, notes: Path, whose: str = OURS) -> None:
        self.notes, self.whose = notes, whose

    def _note(self, what: str) -> None:
        with self.notes.open("a") as notes:
            notes.write(f"{what}\n")

    def create(self, name: str) -> str:
        """Made."""
        self._note(f"create {name}")
        return name

    def names(self) -> list[str]:
        """A look that makes another."""
        self.container()
        return []

    def container(self) -> None:
        """A look."""
        self._note("container")

    def pull(self, reference: str) -> Iterator[int]:
        """Three pieces, and a look at the end."""
        for number in range(3):
            self._note(f"piece {number}")
            yield number
        self.container()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "notes")


def fate(told: Path, *points: Point, all_calls: bool = False) -> type[Server]:
    """A server whose calls are deadly."""
    doom = Doom(points, str(told), all_calls=all_calls)
    deadly = {name: doom.wrap(name, getattr(Server, name)) for name in ("create", "names", "container", "pull")}
    return type("Deadly", (Server,), deadly)


def in_child(work: Callable[[], None]) -> int:
    """The process that does it; it ends with 7 if nothing ends it before."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(7)
    return child


def end_of(child: int) -> int:
    """The signal that ended it, 0 where it came to its own end."""
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def done(server: Server) -> list[str]:
    """What was really asked."""
    return server.notes.read_text().splitlines() if server.notes.exists() else []


@pytest.mark.parametrize(
    ("when", "made"),
    [("before", ["create a"]), ("during", ["create a", "create b"]), ("after", ["create a", "create b"])],
)
def test_a_worker_dies_at_the_second_create(server: Server, tmp_path: Path, when: str, made: list[str]) -> None:
    point = Point("create", when, OURS, nth=2)
    deadly = fate(tmp_path / "told", point)(server.notes)

    def work() -> None:
        for name in "abc":
            deadly.create(name)

    assert end_of(in_child(work)) == signal.SIGKILL
    assert done(server) == made
    assert reached((tmp_path / "told").read_text().splitlines()) == {point}


@pytest.mark.parametrize(("item", "pieces"), [(1, 1), (2, 2), (9, 3)])
def test_a_stream_is_cut_off_after_a_piece_or_at_its_end(
    server: Server, tmp_path: Path, item: int, pieces: int
) -> None:
    deadly = fate(tmp_path / "told", Point("pull", "during", OURS, nth=1, item=item))(server.notes)
    assert end_of(in_child(lambda: [None for _ in deadly.pull("x")].clear())) == signal.SIGKILL
    assert [each for each in done(server) if each.startswith("piece")] == [f"piece {each}" for each in range(pieces)]


def test_another_s_target_is_left_alone(server: Server, tmp_path: Path) -> None:
    deadly = fate(tmp_path / "told", Point("create", "before", whose(3, 8, "web-1", "deploy"), nth=1))(server.notes)
    assert end_of(in_child(lambda: [deadly.create("a")].clear())) == 0
    assert done(server) == ["create a"]


@pytest.mark.parametrize(("about", "ended_by"), [("shop-live-r2", signal.SIGKILL), ("shop-live-r3", 0)])
def test_a_worker_dies_of_what_a_call_is_about(server: Server, tmp_path: Path, about: str, ended_by: int) -> None:
    deadly = fate(tmp_path / "told", Point("create", "before", about=about))(server.notes, "")
    assert end_of(in_child(lambda: [deadly.create(name) for name in ("web", "shop-live-r2.f5")].clear())) == ended_by


def test_what_a_call_asks_for_itself_is_no_call_of_its_own(server: Server, tmp_path: Path) -> None:
    listening = fate(tmp_path / "told", all_calls=True)(server.notes)
    listening.names()
    listening.container()
    assert list(listening.pull("x")) == [0, 1, 2]
    found = heard((tmp_path / "told").read_text().splitlines(), 3)
    assert found == [
        Spot("web-1", "deploy", "names", 1),
        Spot("web-1", "deploy", "container", 1),
        Spot("web-1", "deploy", "pull", 1, items=3, about="x"),
    ]


def test_a_second_attempt_s_calls_are_told_apart(server: Server, tmp_path: Path) -> None:
    again = fate(tmp_path / "told", all_calls=True)(server.notes, whose(3, 7, "web-1", "deploy", 2))
    again.create("shop-live-r7")
    (found,) = heard((tmp_path / "told").read_text().splitlines(), 3)
    assert found == Spot("web-1", "deploy", "create", 1, attempt=2, about="shop-live-r7")
    assert Moment(found, "after").of(4, 9).whose == "4 9 web-1 deploy 2"


def test_what_comes_after_a_call_is_what_follows_its_first(server: Server) -> None:
    spots = [Spot("web-1", "deploy", call, nth) for call, nth in (("stop", 1), ("start", 1), ("stop", 2), ("start", 2))]
    assert since(spots, "start") == spots[2:]
    assert since(spots, "pull") == []


def test_only_one_s_own_calls_are_heard(server: Server, tmp_path: Path) -> None:
    fate(tmp_path / "told", all_calls=True)(server.notes).create("a")
    assert heard((tmp_path / "told").read_text().splitlines(), 4) == []


def test_a_frozen_worker_sends_its_create_when_it_goes_on(server: Server, tmp_path: Path) -> None:
    deadly = fate(tmp_path / "told", Point("create", "before", OURS, nth=1, end="freeze"))(server.notes)
    child = in_child(lambda: [deadly.create(name) for name in "ab"].clear())
    wait_until(lambda: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it stands still")
    assert done(server) == []
    os.kill(child, signal.SIGCONT)
    assert end_of(child) == 0
    assert done(server) == ["create a", "create b"]


def test_each_change_is_a_moment_and_each_kind_of_look_once() -> None:
    spots = [
        Spot("web-1", "deploy", "container", 1),
        Spot("web-1", "deploy", "pull", 1, items=5),
        Spot("web-1", "deploy", "container", 2),
        Spot("web-1", "deploy", "remove_image", 1),
        Spot("web-1", "deploy", "remove_image", 2),
        Spot("web-2", "deploy", "container", 1),
        Spot("web-2", "deploy", "remove_image", 1),
    ]
    dice = random.Random(5)
    found = moments(dice, spots, looks=True)
    assert len(found) == 3 * 5
    assert {each.spot for each in found} == {spots[0], spots[1], spots[3], spots[4], spots[6]}
    assert {each.item for each in found if each.spot.call == "pull"} <= {1, 2, 3, 4, 5}
    assert len(moments(dice, spots, looks=False)) == 3 * 4
    left = moments(dice, spots, looks=True, only=lambda each: each.call == "pull")
    assert [(each.spot.call, each.when) for each in left] == [("pull", "before"), ("pull", "during"), ("pull", "after")]


def test_a_moment_is_meant_for_one_application() -> None:
    moment = Moment(Spot("web-2", "build", "build", 1, items=9), "during", item=4)
    assert moment.of(12, 5) == Point("build", "during", "12 5 web-2 build 1", nth=1, item=4)
    assert moment.of(13, 5, {"web-2": "web-3"}).whose == "13 5 web-3 build 1"
