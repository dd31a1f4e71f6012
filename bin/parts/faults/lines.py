"""Rows about the log: floods, endless and broken lines, and viewers that come and go."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Final

from parts.faults.floods import TALKED, Flood, numbered, of, talk
from parts.faults.row import Round, Row
from parts.faults.viewing import Audience
from parts.faults.world import Application
from parts.processes import descendants

MEGABYTE: Final = 1024 * 1024
MORE_MEMORY: Final = 50 * MEGABYTE
LAG_SECONDS: Final = 1.0
EACH: Final = 20  # viewers a person: an installation lets one have 30
DEADLINE: Final = 110.0


class Memory:
    """The most that each process took beyond what it took at the beginning, when nothing had flooded it yet."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._idle = {name: resident(pid) for name, pid in pids.items()}
        self._most = dict.fromkeys(pids, 0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="memory", daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def most(self) -> dict[str, int]:
        """Of each process, since it was last asked for."""
        self._look()
        most, self._most = self._most, dict.fromkeys(self._pids, 0)
        return most

    def _loop(self) -> None:
        while not self._ending.wait(0.1):
            self._look()

    def _look(self) -> None:
        for name, pid in self._pids.items():
            self._most[name] = max(self._most[name], resident(pid) - self._idle[name])


def resident(pid: int) -> int:
    """The bytes of memory that a process takes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def floods(turn: Round) -> None:
    """Each kind of flood while the new version starts: no gap, no repeat, little memory, a viewer hardly behind."""
    world = turn.world
    app = turn.application("app", health={"deadline": DEADLINE})
    worker = world.estiva.worker()
    world.deployed(app)
    world.probe(app)
    (web,) = world.estiva.alive("web")
    with Memory({"worker": worker.pid, "web": descendants(web.pid)[0]}) as memory:
        for flood in of(turn.amount(100, 1500)):  # twenty a second
            if flood.full and not turn.whole:
                continue
            world.change(app, flood.image(world.images))
            _watched(turn, app, flood)
            for name, most in memory.most().items():
                turn.note(f"{name}_more_megabytes_{flood.kind}", round(most / MEGABYTE, 1))
                turn.expect(
                    most < MORE_MEMORY, f"{flood.kind}: the {name} takes {most / MEGABYTE:.0f} MB more than idle"
                )
            turn.did()
    world.estiva.end(worker)


def _watched(turn: Round, app: Application, flood: Flood) -> None:
    world, kind = turn.world, flood.kind
    audience = Audience([world.ada], world.estiva.url, turn.dice)
    number = world.deploy(app)
    (share,) = world.record.of(number)
    audience.look(number, share.id, 1, drops=False)
    asyncio.run(audience.until(lambda: _last(turn, number), DEADLINE + 30))
    turn.succeeded(number)
    (viewer,) = audience.watchers
    last = world.record.of(number)[0].last_line
    turn.expect(
        viewer.lines == list(range(1, last + 1)), f"{kind}: the viewer saw {_told(viewer.lines)} of {last}", "log"
    )
    turn.note(f"lines_{kind}", last)
    wrong = flood.wrong(world.record.log(share.id))
    turn.expect(not wrong, f"{kind}: {wrong}", "log")
    turn.expect(bool(viewer.lags), f"{kind}: the viewer saw no line, so nothing is known of how far it was behind")
    if viewer.lags:
        p95 = sorted(viewer.lags)[int(len(viewer.lags) * 0.95)]
        turn.note(f"lag_p95_{kind}", round(p95, 2))
        turn.expect(p95 < turn.patience(LAG_SECONDS), f"{kind}: a viewer is {p95:.1f} s behind at p95")


def _last(turn: Round, number: int) -> int:
    """The number of the last line, once there will be no more."""
    (share,) = turn.world.record.of(number)
    return share.last_line if share.ended else 0


def _told(lines: list[int]) -> str:
    return f"{len(lines)} lines, {lines[:3]} to {lines[-3:]}"


def viewers(turn: Round) -> None:
    """Many viewers of one deploy, each dropped and back at random: every line once, in order."""
    world = turn.world
    count = turn.amount(40, 200)
    people = [world.visitor(f"viewer{number}@example.com") for number in range(-(-count // EACH))]
    app = turn.application("app", health={"deadline": DEADLINE})
    worker = world.estiva.worker()
    world.deployed(app)
    world.probe(app)
    world.change(app, talk(world.images))
    audience = Audience(people, world.estiva.url, turn.dice)
    number = world.deploy(app)
    (share,) = world.record.of(number)
    audience.look(number, share.id, count)
    asyncio.run(audience.until(lambda: _last(turn, number), 120))
    turn.succeeded(number)
    last = world.record.of(number)[0].last_line
    for order, viewer in enumerate(audience.watchers):
        turn.expect(
            viewer.lines == list(range(1, last + 1)), f"viewer {order} saw {_told(viewer.lines)} of {last}", "log"
        )
        turn.did(viewer.returns)
    wrong = numbered(world.record.log(share.id), TALKED)
    turn.expect(not wrong, wrong, "log")
    returned = sum(viewer.returns > 0 for viewer in audience.watchers)
    turn.note("viewers_that_came_back", returned)
    turn.expect(returned > count * 0.75, f"only {returned} of {count} viewers were dropped and came back")
    turn.note("viewers", count)
    world.estiva.end(worker)


ROWS = (
    Row(19, "log", "floods, endless lines, broken characters", floods, long=400, calm=True),
    Row(20, "viewers", "many viewers, each dropped and back at random", viewers, calm=True),
)
