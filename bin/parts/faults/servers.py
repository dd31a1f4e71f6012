"""Rows 12 and 15: a server's sshd, its power and its engine; and the moments at which others strike, too."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.parse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from parts.faults.events import OURS
from parts.faults.gate import Gate, always
from parts.faults.own_lines import tellings, told_again, wrong_lines
from parts.faults.record import CLEAN, Share
from parts.faults.row import Round, Row
from parts.faults.world import Application
from parts.machine import Machine
from parts.processes import PartError

ATTEMPTS_SECONDS: Final = 180.0
SLOW: Final = 30_000.0  # bytes a second: a pull of some seconds
LINES: Final = 300  # twenty milliseconds each
STEP_LINE: Final = re.compile(r"page: step (\d+) of the start-up")
SOME: Final = 20
BACK_SECONDS: Final = 15.0  # what the engine starts by itself once it is there again
PATIENT: Final = {"health": {"deadline": 30.0}}

CALL_SECONDS, STREAM_SECONDS, TOLD_SECONDS = 60.0, 120.0, 8.0
SILENT: Final = re.compile(r"fell silent in the middle of a call|came to a standstill")


@dataclass(frozen=True)
class Blow:
    """One thing that is done to a server, at a moment of this Deployment. `stops` what runs there, or keeps everybody from it:
    only then may its pages be silent without a deploy that measured it.
    """

    name: str
    strike: Callable[[Round, Machine, int], None]
    stops: bool = False
    ends_engine: bool = False  # and nothing else: containers live on where it has live-restore


def each_moment(turn: Round, app: Application, gate: Gate, tag: str, moment: str, *, timeout: float = 40) -> int:
    """Click, and come to the moment: `pull` (in its middle), `replace`, `health`, `log` (its lines flow). The Deployment's number."""
    world = turn.world
    manner = {"health": "slow_start", "log": "steady"}.get(moment, "plain")
    image = world.images.page(
        tag,
        manner,
        seconds=3,
        ballast=150_000 if moment == "pull" else 0,
        variables={"SAMPLE_TIMES": str(LINES)},
    )
    world.change(app, gate.through(image))
    gate.rule = always("blobs", rate=SLOW) if moment == "pull" else None
    number = world.deploy(app)
    world.until_step(number, {"log": "health"}.get(moment, moment), timeout=timeout)
    if moment == "pull":
        world.wait(gate.serves_layers, "a layer is on its way", 20)
        time.sleep(turn.dice.uniform(0.2, 1.5))
    elif moment == "log":
        world.wait(lambda: _lines_told(turn, number) >= SOME, "its lines come", 20)
        told = _lines_told(turn, number)
        turn.expect(told < LINES, f"all {told} lines of #{number} had come before anything was done")
    return number


def _lines_told(turn: Round, number: int) -> int:
    (share,) = turn.world.record.of(number)
    return sum(bool(STEP_LINE.search(line)) for line in turn.world.record.log(share.id))


def check_lines(turn: Round, number: int) -> None:
    """What the new version numbered itself stands in the log once, without a gap, whoever was killed meanwhile."""
    (share,) = turn.world.record.of(number)
    lines = [line for _, _, _, several in turn.world.record.chunks([share.id]).get(share.id, []) for line in several]
    told = tellings(lines, STEP_LINE)
    for wrong in wrong_lines(told, last=LINES, whole=share.status == "succeeded"):
        turn.expect(False, f"{share}: {wrong}", "log")
    turn.add("lines_told_again", told_again(told))


def expect_clean_end(turn: Round, number: int, what: str) -> list[Share]:
    """It succeeded, or the old version serves as before, on each server."""
    turn.world.ended(number, timeout=ATTEMPTS_SECONDS)
    shares = turn.world.record.of(number)
    for share in shares:
        turn.expect(share.status in CLEAN, f"{what}: {share}")
    return shares


def sshd_killed(turn: Round) -> None:
    """Every session dies in the middle, or the whole machine: it goes on by itself, or fails cleanly; one version serves."""
    blows = (
        Blow("sessions killed", lambda _, machine, __: machine.sshd.kill_connections()),
        Blow("sshd restarted", _sshd_restarted),
        Blow("rebooted", lambda _, machine, __: machine.reboot(), stops=True),
    )
    _blow_by_blow(turn, ("pull", "log", "replace", "health"), blows)


def _sshd_restarted(_: Round, machine: Machine, __: int) -> None:
    machine.sshd.stop()
    machine.sshd.start()


def engine_broken(turn: Round) -> None:
    """The engine restarted, killed, frozen for a while: one version serves, and the deploy comes to an end.

    Frozen twice for longer than Estiva waits for a call, and for a pull, so that each of these deadlines is seen to be kept.
    """
    blows = (
        Blow("restarted", lambda _, machine, __: machine.engine.restart(), stops=True, ends_engine=True),
        Blow("killed", _engine_killed, stops=True, ends_engine=True),
        Blow("frozen", lambda _, machine, __: _frozen(machine, lambda: time.sleep(8))),
    )
    long = (
        ("replace", Blow("frozen beyond a call", _frozen_beyond(CALL_SECONDS)), "plain"),
        ("pull", Blow("frozen beyond a pull", _frozen_beyond(STREAM_SECONDS)), "live"),
    )
    _blow_by_blow(turn, ("pull", "replace", "health"), blows, () if turn.amount(1, 0) else long)


def _engine_killed(_: Round, machine: Machine, __: int) -> None:
    machine.engine.kill_daemon()
    machine.engine.start_daemon()


def _frozen(machine: Machine, meanwhile: Callable[[], None]) -> None:
    os.kill(machine.engine.process.pid, signal.SIGSTOP)
    try:
        meanwhile()
    finally:
        os.kill(machine.engine.process.pid, signal.SIGCONT)


def _frozen_beyond(deadline: float) -> Callable[[Round, Machine, int], None]:
    """Until somebody says in the log that the engine is silent, and a moment longer: not much later than that was waited for."""

    def strike(turn: Round, machine: Machine, number: int) -> None:
        world, began = turn.world, time.monotonic()

        def told() -> bool:
            (share,) = world.record.of(number)
            return any(SILENT.search(line) for line in world.record.log(share.id))

        def meanwhile() -> None:
            with suppress(PartError):  # who is not told by then is a finding
                world.wait(told, "the silence is told", turn.patience(deadline + TOLD_SECONDS))
            took = time.monotonic() - began
            turn.expect(
                told(), f"#{number}: an engine frozen for {took:.0f} s was told by nobody: {world.record.of(number)}"
            )
            turn.note(f"silence_of_{deadline:.0f}_s_told_after_at_most", round(took, 1))
            time.sleep(max(0.0, deadline + TOLD_SECONDS - took))

        _frozen(machine, meanwhile)

    return strike


def _blow_by_blow(
    turn: Round, moments: Sequence[str], blows: Sequence[Blow], more: Sequence[tuple[str, Blow, str]] = ()
) -> None:
    world = turn.world
    worker = world.worker()
    kinds: dict[str, dict[str, Any]] = {"plain": {}, "live": {"live_restore": True}}
    machines = {name: world.add_machine(**kind) for name, kind in kinds.items()}
    apps = {name: turn.application(name, [machine], **PATIENT) for name, machine in machines.items()}
    for app in apps.values():
        world.deployed(app)
    world.probe(*apps.values())
    every = [(moment, blow, name) for moment in moments for blow in blows for name in kinds]
    chosen = turn.dice.sample(every, 3) if turn.amount(1, 0) else [*every, *more]
    with Gate(world.registry) as gate:
        for count, (moment, blow, name) in enumerate(chosen):
            app = apps[name]
            number = each_moment(turn, app, gate, f"{turn.row.name}{count}", moment)
            settled = moment != "replace"  # then Estiva itself may just have told something to end
            _strike(turn, app, machines[name], blow, number, live=name == "live", settled=settled)
            gate.rule = None
            turn.did()
            (share,) = expect_clean_end(turn, number, f"{blow.name} in {moment} ({name})")
            turn.add(f"{blow.name.replace(' ', '_')}_{share.status}", 1)
            if moment == "log":
                check_lines(turn, number)
            world.wait(lambda app=app: world.serves(app), f"{app.name} serves again", 30)  # type: ignore[misc]
    world.estiva.end(worker)


def _strike(
    turn: Round,
    app: Application,
    machine: Machine,
    blow: Blow,
    number: int,
    *,
    live: bool = False,
    settled: bool = True,
) -> None:
    """A blow that stops what runs there excuses silence until the server is back, and has started what it starts by itself.

    With live-restore (`live`) an engine's end stops no container. But what its published ports lead through are children of the
    engine; so there silence is excused as long as the engine is away, and no longer. Nothing is `settled` while Estiva replaces.
    """
    world = turn.world
    spared = blow.ends_engine and live
    before = _since(app, machine) if spared and settled else {}
    began = time.time()
    blow.strike(turn, machine, number)
    struck = time.time()
    if spared:
        after = _since(app, machine)
        ended = [each for each in before if after.get(each) != before[each]]
        turn.expect(not ended, f"{blow.name} with live-restore: {ended} ran since {before}, and then since {after}")
        app.broken.append((machine.name, began, struck))
    elif blow.stops:

        def answers() -> bool:
            return any(each.ok and each.at >= struck for several in world.asked(app).values() for each in several)

        with suppress(PartError):  # what lasts longer than that is judged
            world.wait(answers, f"{app.name} answers again", turn.patience(BACK_SECONDS))
        app.broken.append((machine.name, began, time.time()))


def _since(app: Application, machine: Machine) -> dict[str, str]:
    """Since when each of its containers there runs that does."""
    query = urllib.parse.urlencode({"filters": json.dumps({"label": [f"{OURS}={app.placement}"]})})
    found = [str(each["Id"]) for each in machine.engine.api.json("GET", f"/containers/json?{query}")]
    return {
        each: str(machine.engine.api.json("GET", f"/containers/{each}/json")["State"]["StartedAt"]) for each in found
    }


ROWS = (
    Row(
        12, "sshd", "sshd killed, restarted, the server rebooted: mid-pull, mid-log, mid-replace", sshd_killed, long=420
    ),
    Row(
        15,
        "engine",
        "the engine restarted, killed, frozen, with live-restore and without",
        engine_broken,
        long=700,
    ),
)
