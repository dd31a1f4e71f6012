"""Row 1: workers killed at every call of every way to deploy a container, as it goes where every version is a good one."""

from __future__ import annotations

from collections.abc import Callable

from parts.faults.breed import Nursery
from parts.faults.evidence import Brought
from parts.faults.killing import Killing, Strategy
from parts.faults.nursery_points import IN_CONTAINERS
from parts.faults.row import Round, Row
from parts.faults.world import START_FIRST, Application


def killed_everywhere(turn: Round) -> None:
    """Stop-first, start-first, in batches and canary: four strategies, several applications of each with --full."""
    world = turn.world
    with Nursery(world.estiva) as nursery:
        seats = range(turn.amount(1, 2))
        waves = {name: {"kind": name, "size": "1", "gate": "none"} for name in ("batches", "canary")}
        strategies = [
            Strategy(
                "stop-first", [turn.application(f"stop{each}", volumes=_data(each)) for each in seats], _new(turn)
            ),
            Strategy(
                "start-first",
                [turn.application(f"start{each}", [world.machines[-1]], strategy=START_FIRST) for each in seats],
                _new(turn),
            ),
        ]
        for name, order in waves.items():
            # Their Targets look as stop-first's do
            apps = [turn.application(f"{name}{each}", world.machines, rollout=order) for each in seats]
            strategies.append(Strategy(name, apps, _new(turn), looks=False))
        killing = Killing(turn, nursery, strategies)
        killing.learn(IN_CONTAINERS)
        world.probe(*turn.applications)
        killing.kill()


def _data(number: int) -> list[dict[str, object]]:
    return [{"name": f"kill-data{number}", "path": "/data", "read_only": False}]


def _new(turn: Round) -> Callable[[Application, int], None]:
    """An image that no server has, and one Release kept, so that each deploy pulls one and drops one."""

    def change(app: Application, count: int) -> None:
        image = turn.world.images.page(f"{app.name}-{count}")
        app.images[image.image_id], app.brings = image, Brought(image.tag, image.image_id)
        turn.world.backstage(
            "place",
            name=app.name,
            image=image.reference,
            servers=[each.name for each in app.servers],
            settings={},
            keep_releases=1,
        )

    return change


ROWS = (
    Row(
        1,
        "kill",
        "a worker killed before, during and after every call of every strategy",
        killed_everywhere,
        quick=True,
        seconds=40,
        long=900,
        both=True,
    ),
)
