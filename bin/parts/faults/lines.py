"""Rows about the log: floods, endless and broken lines, and viewers that come and go."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Final

from parts.faults.images import Pushed
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
    """The most that each process took, beyond what it took before, while it was watched."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = {name: _resident(pid) for name, pid in pids.items()}
        self.most = dict.fromkeys(pids, 0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="memory", daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ending.wait(0.1):
            for name, pid in self._pids.items():
                self.most[name] = max(self.most[name], _resident(pid) - self._before[name])


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def floods(turn: Round) -> None:
    """Each kind of flood while the new version starts: no gap, no repeat, little memory, a viewer hardly behind."""
    world = turn.world
    kinds = ["chatty", "binary", "no_newline"] + ([] if turn.amount(1, 0) else ["long_line", "floods"])
    times = str(turn.amount(100, 1500))  # twenty a second
    app = turn.application("app", health={"deadline": DEADLINE})
    worker = world.estiva.worker()
    world.deployed(app)
    world.probe(app)
    (web,) = world.estiva.alive("web")
    pids = {"worker": worker.pid, "web": descendants(web.pid)[0]}
    for kind in kinds:
        image = world.images.page(f"log-{kind}", kind, variables={"SAMPLE_LINES": "10000", "SAMPLE_TIMES": times})
        world.change(app, image)
        with Memory(pids) as memory:
            _watched(turn, app, kind, image)
        for name, most in memory.most.items():
            turn.note(f"{name}_more_megabytes_{kind}", round(most / MEGABYTE, 1))
            turn.expect(most < MORE_MEMORY, f"{kind}: the {name} took {most / MEGABYTE:.0f} MB more")
        turn.did()
    world.estiva.end(worker)


def _watched(turn: Round, app: Application, kind: str, image: Pushed) -> None:
    world = turn.world
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
    lags = sorted(viewer.lags) or [0.0]
    p95 = lags[int(len(lags) * 0.95)]
    turn.note(f"lag_p95_{kind}", round(p95, 2))
    turn.note(f"lines_{kind}", last)
    turn.expect(p95 < turn.patience(LAG_SECONDS), f"{kind}: a viewer is {p95:.1f} s behind at p95")
    if kind == "chatty":
        text = world.record.log(share.id)
        loaded = [line for line in text if "loaded record" in line]
        turn.expect(
            len(loaded) == len(set(loaded)) == 10_000,
            f"{len(loaded)} of 10000 lines, {len(set(loaded))} different",
            "log",
        )


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
    world.change(app, world.images.page("chatty-3000", "chatty", variables={"SAMPLE_LINES": "3000"}))
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
        turn.did(viewer.connects)
    turn.note("viewers", count)
    world.estiva.end(worker)


ROWS = (
    Row(19, "log", "floods, endless lines, broken characters", floods, long=400),
    Row(20, "viewers", "many viewers, each dropped and back at random", viewers),
)
