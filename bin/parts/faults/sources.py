"""Row 1, its other half: what is built from a repository, and what Compose brings up, their worker killed at any call."""

from __future__ import annotations

from typing import Any, Final

from parts.engine26 import ComposeCli
from parts.faults.breed import Nursery
from parts.faults.kills import dead_or_done, points
from parts.faults.row import Round, Row
from parts.faults.sight import Application
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.machine import Machine

POINTS: Final = 6  # changing calls of a build, or of a deploy by Compose
ENDING_SECONDS: Final = 150.0
FILE: Final = """
services:
  page:
    image: {image}
    ports: ["{port}:5000"]
    restart: unless-stopped
    stop_grace_period: 2s
    healthcheck:
      test: ["CMD", "/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:5000/healthz"]
      interval: 1s
      start_period: 1s
  side:
    image: {side}
    restart: unless-stopped
    stop_grace_period: 2s
"""


def killed_sources(turn: Round) -> None:
    """A build and a Compose application side by side; the worker that has both dies, the next one finishes them."""
    world = turn.world
    options = ComposeCli(world.folder / "docker").options
    machine = world.add_machine(current=True, options=options)
    with GitServer(world.folder / "git") as server, Nursery(world.estiva) as nursery:
        first = nursery.worker()
        repo = server.create("team/page", _files(turn, 0))
        built = _from_git(turn, "built", machine, repo)
        composed = _from_compose(turn, "composed", machine)
        for app in (built, composed):
            turn.expect(world.ended(world.deploy(app), timeout=ENDING_SECONDS) == "succeeded", f"{_told(turn, app)}")
        world.probe(built, composed)
        first.kill()
        for count, point in enumerate(points(turn, POINTS)[: turn.amount(3, 1000)], start=1):
            _kill_once(turn, nursery, (built, composed, repo), point, count)


def _kill_once(
    turn: Round, nursery: Nursery, what: tuple[Application, Application, Repo], point: dict[str, Any], count: int
) -> None:
    world, (built, composed, repo) = turn.world, what
    repo.commit(_files(turn, count), f"Version {count}")
    _compose_anew(turn, composed, count)
    doomed = nursery.worker(point)
    numbers = [world.deploy(app) for app in (built, composed)]
    dead_or_done(turn, doomed, numbers)
    if not doomed.alive:
        turn.did()
        turn.add("interrupted", world.record.let_leases_run_out())
    doomed.kill()
    after = nursery.worker()
    for number in numbers:
        status = world.ended(number, timeout=ENDING_SECONDS)
        turn.expect(status == "succeeded", f"#{number} after {point}: {[str(x) for x in world.record.of(number)]}")
    after.kill()


def _told(turn: Round, app: Application) -> list[str]:
    return [str(each) for each in turn.world.record.targets() if each.application == app.name]


def _files(turn: Round, count: int) -> dict[str, str]:
    base = turn.world.images.page("1").reference
    lines = (
        f"FROM {base}",
        f"ENV SAMPLE_VERSION=commit-{count}",
        "COPY note /note",
        'RUN ["/bin/busybox", "sleep", "1"]',
        "",
    )
    return {"Dockerfile": "\n".join(lines), "note": f"{count}\n"}


def _from_git(turn: Round, suffix: str, machine: Machine, repo: Repo) -> Application:
    app = turn.application(suffix, [machine], from_source={"source": "git", "url": repo.http_url})
    app.images.clear()  # the engine makes them: nobody knows their IDs before
    return app


def _from_compose(turn: Round, suffix: str, machine: Machine) -> Application:
    world = turn.world
    port = world.next_port()
    app = turn.application(suffix, [machine], from_source={"source": "compose", "compose": _compose(turn, 0, port)})
    app.service = "page"
    app.images.clear()
    return app


def _compose(turn: Round, count: int, port: int) -> dict[str, Any]:
    images = turn.world.images
    text = FILE.format(image=images.page(f"composed-{count}").reference, side=images.page("1").reference, port=port)
    return {"text": text, "wait_seconds": 60, "settle_seconds": 0.5}


def _compose_anew(turn: Round, app: Application, count: int) -> None:
    compose = _compose(turn, count, app.port)
    turn.world.backstage(
        "place",
        name=app.name,
        image="",
        servers=[each.name for each in app.servers],
        settings={},
        source="compose",
        compose=compose,
    )


ROWS = (Row(1, "kill-source", "a worker killed in builds and in what Compose does", killed_sources, long=600),)
