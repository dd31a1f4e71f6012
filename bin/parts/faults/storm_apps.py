"""A storm's applications, made as they were drawn, and how another version of each is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from parts.engine26 import ComposeCli
from parts.faults import sources
from parts.faults.evidence import Brought
from parts.faults.row import Round
from parts.faults.storm_plan import BUILDER, COMPOSE, GIT, VERSIONS, Drawn
from parts.faults.world import START_FIRST, STOP_FIRST, Application
from parts.git_server import GitServer


@dataclass(frozen=True)
class Stormy:
    """One of them. `change` has its next deploy bring this version, and says what its page will call it; `count` tells two
    times of the same one apart.
    """

    drawn: Drawn
    app: Application
    change: Callable[[int, int], Brought]

    def bring(self, version: int, count: int) -> None:
        """As `change`. While it goes wrong, nobody knows what the next deploy brings."""
        self.app.brings = None
        self.app.brings = self.change(version, count)


def add_servers(turn: Round) -> None:
    """As many as are wanted, every third with a newer engine; one of them can build, and has Compose."""
    world = turn.world
    while len(world.machines) < turn.servers:
        options = ComposeCli(world.folder / "docker").options if len(world.machines) == BUILDER else None
        world.add_machine(current=len(world.machines) % 3 == BUILDER, options=options)


def make(turn: Round, drawn: Drawn, server: GitServer) -> Stormy:
    """Set it up; nothing of it runs yet."""
    if drawn.kind == GIT:
        return _from_git(turn, drawn, server)
    if drawn.kind == COMPOSE:
        return _from_compose(turn, drawn)
    world = turn.world
    strategy = START_FIRST if drawn.start_first else STOP_FIRST
    where = [world.machines[each] for each in drawn.servers]
    app = turn.application(drawn.name, where, strategy=strategy, rollout=drawn.rollout)
    pages = {version: world.images.page(str(version)) for version in range(1, VERSIONS + 1)}

    def change(version: int, _: int) -> Brought:
        page = pages[version]
        world.change(app, page)
        return Brought(page.tag, page.image_id)

    return Stormy(drawn, app, change)


def _from_git(turn: Round, drawn: Drawn, server: GitServer) -> Stormy:
    base = turn.world.images.page("1").reference

    def files(version: int, count: int) -> dict[str, str]:
        lines = (f"FROM {base}", f"ENV SAMPLE_VERSION=commit-{version}-{count}", "COPY note /note", "")
        return {"Dockerfile": "\n".join(lines), "note": f"{version} {count}\n"}

    repo = server.create(f"team/{drawn.name}", files(1, 0))
    where = [turn.world.machines[each] for each in drawn.servers]
    app = turn.application(drawn.name, where, from_source={"source": "git", "url": repo.http_url})
    app.images.clear()  # the engine makes them: nobody knows their IDs before

    def change(version: int, count: int) -> Brought:
        repo.commit(files(version, count), f"Version {version}, {count}")
        return Brought(f"commit-{version}-{count}")

    return Stormy(drawn, app, change)


def _from_compose(turn: Round, drawn: Drawn) -> Stormy:
    world, port = turn.world, turn.world.next_port()
    side = world.images.page("1").reference
    pages = {version: world.images.page(str(version)).reference for version in range(1, VERSIONS + 1)}

    def compose(version: int) -> dict[str, object]:
        text = sources.FILE.format(image=pages[version], side=side, port=port)
        return {"text": text, "wait_seconds": 60, "settle_seconds": 0.5}

    where = [world.machines[each] for each in drawn.servers]
    app = turn.application(drawn.name, where, from_source={"source": "compose", "compose": compose(1)})
    app.service = "page"
    app.images.clear()

    def change(version: int, _: int) -> Brought:
        names = [each.name for each in where]
        given = {"image": "", "settings": {}, "source": "compose", "compose": compose(version)}
        world.backstage("place", name=app.name, servers=names, **given)
        return Brought(str(version))

    return Stormy(drawn, app, change)
