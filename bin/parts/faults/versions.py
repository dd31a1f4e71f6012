"""Row 17: the new version is no good, in every way that versions are. The old one goes on serving, and the reason is said."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from parts.faults import judge
from parts.faults.images import Images, Pushed
from parts.faults.row import SETTLED_SECONDS, Round, Row, seen
from parts.faults.world import START_FIRST, STOP_FIRST, Application
from parts.machine import Machine
from parts.processes import PartError

PATIENT: Final = {"passes": 10}  # two seconds of health
SETTINGS: Final[dict[str, Any]] = {"restart": "unless-stopped", "stop_timeout": 2}


@dataclass(frozen=True)
class Bad:
    """One way of being no good: the image, the health check, and the words in which it has to be told."""

    name: str
    manner: str
    said: str
    seconds: float = 2
    health: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    quick: bool = False

    def image(self, images: Images) -> Pushed:
        """It, in the registry."""
        return images.page(f"bad-{self.name}", self.manner, seconds=self.seconds, **self.more)


WAYS: Final = (
    Bad("exits", "exits", r"exited (at once|after \d+ s) with code 3", quick=True),
    Bad("exits-late", "exits_late", r"exited after \d+ s with code 4", seconds=5),
    Bad(
        "never-healthy",
        "never_healthy",
        r"did not become healthy within \d+ s.*404",
        health={"deadline": 4.0},
        quick=True,
    ),
    Bad(
        "turns-sick", "turns_sick", r"did not become healthy|unhealthy", seconds=1, health={**PATIENT, "deadline": 5.0}
    ),
    Bad("dies", "exits_after", r"exited (at once|after \d+ s) with code 4", seconds=1, health=PATIENT),
    Bad(
        "elsewhere",
        "plain",
        r"port 5001",
        health={"deadline": 4.0},
        more={"variables": {"SAMPLE_PORT": "5001"}},
        quick=True,
    ),
    Bad("no-entrypoint", "plain", r"entrypoint", more={"entrypoint": ("/app/absent",)}, quick=True),
    Bad("other-machine", "plain", r"arm64|platform|processor|architecture", more={"architecture": "arm64"}),
)


def no_good(turn: Round) -> None:
    """Each way in each strategy, beside one another; then one that ignores SIGTERM is replaced."""
    world = turn.world
    worker = world.worker(concurrency=16)
    quick = [way for way in WAYS if way.quick]
    rest = [way for way in WAYS if not way.quick]
    groups = [quick, rest]  # each as many as can be asked at once without asking being all that is done
    for ways in groups[: turn.amount(1, 2)]:
        _try(turn, ways, turn.amount(1, 3))
        world.leave()
    _ignores_term(turn)
    _beside_each_other(turn)
    world.estiva.end(worker)


def _try(turn: Round, ways: Sequence[Bad], rounds: int) -> None:
    """These ways in both strategies at once, each strategy on a server of its own; then again, since the old version still serves."""
    world = turn.world
    places = {STOP_FIRST: world.machines[0], START_FIRST: world.machines[-1]}
    tried = [(way, strategy, _placed(turn, way, strategy, places)) for way in ways for strategy in places]
    for each in [world.deploy(app) for _, _, app in tried]:
        world.ended(each)
    world.probe(*(app for _, _, app in tried))
    for _ in range(rounds):
        _once(turn, tried)


def _once(turn: Round, tried: Sequence[tuple[Bad, str, Application]]) -> None:
    world = turn.world
    clicked: list[tuple[Bad, str, int]] = []
    for way, strategy, app in tried:
        world.change(app, way.image(world.images), health=way.health)
        number_of = _click(turn, way, app)
        if number_of:
            clicked.append((way, strategy, number_of))
    for way, strategy, each in clicked:
        world.ended(each)
        (share,) = world.record.of(each)
        told = " ".join(str(share.outcome.get(key, "")) for key in ("what", "why", "remedy"))
        turn.expect(share.status in ("failed_restored", "failed_untouched"), f"{way.name}, {strategy}: {share}")
        turn.expect(bool(re.search(way.said, told)), f"{way.name}, {strategy}: it was told as: {told}")
        turn.did()


def _placed(turn: Round, way: Bad, strategy: str, places: dict[str, Machine]) -> Application:
    return turn.application(f"{strategy[:3]}-{way.name}", [places[strategy]], strategy=strategy, **SETTINGS)


def _click(turn: Round, way: Bad, app: Application) -> int:
    """The Deployment's number; 0 where the plan already refused, in the right words."""
    try:
        return turn.world.deploy(app)
    except PartError as error:
        turn.expect(bool(re.search(way.said, str(error))), f"{way.name}: the plan was refused in these words: {error}")
        turn.did()
        return 0


def _ignores_term(turn: Round) -> None:
    """It serves well; the next version has to wait out its grace, and does."""
    world = turn.world
    app = turn.application("deaf", image=world.images.page("deaf", "ignores_term"), **SETTINGS)
    world.deployed(app)
    world.probe(app)
    world.change(app, world.images.page("2"))
    turn.succeeded(world.deploy(app))
    turn.did()


def _beside_each_other(turn: Round) -> None:
    """Good versions, start-first, asked all the while: nobody is to notice, though the old one drops what it does when it ends."""
    world = turn.world
    for count in range(turn.amount(1, 2)):
        app = turn.application(f"beside{count}", [world.machines[-1]], strategy=START_FIRST, **SETTINGS)
        world.deployed(app)
        world.probe(app)
        for number in range(turn.amount(2, 15)):
            world.change(app, world.images.page(str(1 + number % 3)))
            turn.succeeded(world.deploy(app))
            turn.did()
        time.sleep(SETTLED_SECONDS)
        dropped = judge.broken_off(seen(world, app))
        turn.expect(not dropped, f"{dropped} requests were broken off as old versions of {app.name} ended", "outage")
        asked = sum(len(each) for each in world.asked(app).values())
        turn.add("asked_in_start_first_deploys", asked)


ROWS = (
    Row(
        17,
        "bad-version",
        "a new version that exits, sickens, dies, listens elsewhere, lacks its program",
        no_good,
        quick=True,
        seconds=70,
        long=250,
    ),
)
