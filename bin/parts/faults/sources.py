"""Row 1, its other half: what is built from a repository, and what Compose brings up, their worker killed at any call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from parts.engine26 import ComposeCli
from parts.faults.breed import Nursery
from parts.faults.evidence import Brought
from parts.faults.killing import Killing, Strategy
from parts.faults.nursery_points import IN_SOURCES
from parts.faults.points import Spot
from parts.faults.row import Round, Row
from parts.faults.sight import Application
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.machine import Machine

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
    """Images that are built and sent from server to server, images that are built and pushed, and Compose applications."""
    world = turn.world
    options = ComposeCli(world.folder / "docker").options
    machines = [world.add_machine(current=True, options=options) for _ in range(2)]
    with GitServer(world.folder / "git") as server, Nursery(world.estiva) as nursery:
        shipped, pushed = (server.create(f"team/{name}", _files(turn, 0)) for name in ("shipped", "pushed"))
        strategies = [
            Strategy("build", [_from_git(turn, "built", machines, shipped)], _commits(turn, shipped), only=_of_a_build),
            Strategy(
                "publish",
                [_published(turn, machines[-1:], pushed)],
                _commits(turn, pushed),
                looks=False,  # they are those of a build
                only=_of_publishing,
            ),
            Strategy("compose", [_from_compose(turn, machine) for machine in machines], _compose_anew(turn)),
        ]
        killing = Killing(turn, nursery, strategies)
        killing.learn(IN_SOURCES)
        world.probe(*turn.applications)
        killing.kill()


def _of_a_build(spot: Spot) -> bool:
    """What follows on the servers is a deploy like any other, but for how the image comes."""
    return spot.role == "build" or spot.call == "receive_image"


def _of_publishing(spot: Spot) -> bool:
    """What a build does that ends in a registry, and no other."""
    return spot.role == "build" and spot.call in ("tag", "push")


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


def _commits(turn: Round, repo: Repo) -> Callable[[Application, int], None]:
    def change(app: Application, count: int) -> None:
        repo.commit(_files(turn, count), f"Version {count}")
        app.brings = Brought(f"commit-{count}")

    return change


def _from_git(turn: Round, suffix: str, machines: list[Machine], repo: Repo) -> Application:
    """Built on the first of them."""
    app = turn.application(suffix, machines, from_source={"source": "git", "url": repo.http_url})
    app.images.clear()  # the engine makes them: nobody knows their IDs before
    return app


def _published(turn: Round, machines: list[Machine], repo: Repo) -> Application:
    app = _from_git(turn, "pushed", machines, repo)
    build = {"ref": "main", "push_to": f"{turn.world.registry.address}/team/pushed"}
    _place(turn, app, source="git", settings=app.settings, build=build)
    return app


def _from_compose(turn: Round, machine: Machine) -> Application:
    port = turn.world.next_port()
    suffix = f"composed-{machine.name}"
    first = _compose(turn, f"{turn.row.name}-{suffix}-0", port)
    app = turn.application(suffix, [machine], from_source={"source": "compose", "compose": first})
    app.service = "page"
    app.images.clear()
    return app


def _compose(turn: Round, tag: str, port: int) -> dict[str, Any]:
    images = turn.world.images
    text = FILE.format(image=images.page(tag).reference, side=images.page("1").reference, port=port)
    return {"text": text, "wait_seconds": 60, "settle_seconds": 0.5}


def _compose_anew(turn: Round) -> Callable[[Application, int], None]:
    """As another image is, with one Release kept: each deploy pulls one and drops one."""

    def change(app: Application, count: int) -> None:
        tag = f"{app.name}-{count}"
        _place(turn, app, source="compose", settings={}, compose=_compose(turn, tag, app.port))
        app.brings = Brought(tag)

    return change


def _place(turn: Round, app: Application, **more: Any) -> None:
    servers = [each.name for each in app.servers]
    turn.world.backstage("place", name=app.name, image="", servers=servers, keep_releases=1, **more)


ROWS = (Row(1, "kill-source", "a worker killed in builds and in what Compose does", killed_sources, long=900),)
