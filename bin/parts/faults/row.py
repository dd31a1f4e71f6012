"""A row of the campaign: one kind of fault, done some number of times to some applications, then judged."""

from __future__ import annotations

import os
import random
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from parts.faults import judge
from parts.faults.half_written import half_written
from parts.faults.judge import Finding, Seen
from parts.faults.remains import left_over
from parts.faults.world import START_FIRST, Application, World
from parts.processes import PartError, wait_until
from parts.screen import say

QUICK, FULL = "quick", "full"
SETTLED_SECONDS = 1.0
TO_GO_SECONDS = 10.0  # for what a dead process had started
MOST_STRETCHED = 2.0  # times: else a machine that is busy enough keeps every promise
MOST_SHOWN = 10  # of a kind and row; all are counted


@dataclass
class Result:
    """What a row came to."""

    row: str
    times: int = 0
    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    database: str = ""
    skipped: bool = False  # it was not even begun

    @property
    def ok(self) -> bool:
        """Whether all was as promised."""
        return not self.findings and not self.error

    def told(self) -> dict[str, Any]:
        """For the last line of output."""
        found = {kind: count for kind, count in judge.counts(self.findings).items() if count}
        more = {"error": self.error} if self.error else {}
        return {"ok": self.ok, "times": self.times, "seconds": round(self.seconds, 1), **found, **self.measured, **more}


@dataclass(frozen=True)
class Wanted:
    """How much is wanted: `times` each point of row 1, `deploys` on `servers` in the storm of row 2; of all that one part in `parts`."""

    scale: str = QUICK
    times: int = 2
    deploys: int = 150
    servers: int = 4
    parts: int = 1


class Round:
    """What a row works with: the world, the dice, how much of it is wanted, and what is found."""

    def __init__(self, world: World, row: Row, wanted: Wanted, dice: random.Random) -> None:
        self.world, self.row, self.dice = world, row, dice
        self.scale, self.times = wanted.scale, -(-wanted.times // wanted.parts)
        self.deploys, self.servers = wanted.deploys // wanted.parts, wanted.servers
        self.whole = wanted.scale == FULL  # all that the row has, if not as often; else what is quickly done
        self._parts, self._wanted = wanted.parts, 1
        self.result = Result(row.name)
        self.applications: list[Application] = []

    def amount(self, quick: int, full: int) -> int:
        """How many, in this scale."""
        return quick if self.scale == QUICK else full if full <= quick else max(quick, full // self._parts)

    def application(self, suffix: str, *args: Any, **more: Any) -> Application:
        """One of this row's own, judged at its end."""
        one = self.world.application(f"{self.row.name}-{suffix}"[:40], *args, **more)
        self.applications.append(one)
        return one

    def did(self, times: int = 1) -> None:
        """Count a fault that was really done."""
        self.result.times += times

    def want(self, times: int) -> None:
        """How many faults have to be done, one at least: a row that does fewer has proven nothing, and that is found."""
        self._wanted = max(1, times)

    def expect(self, holds: bool, otherwise: str, kind: str = "row") -> None:
        """A finding unless it holds."""
        if not holds:
            self.result.findings.append(Finding(kind, otherwise))
            if sum(each.kind == kind for each in self.result.findings) <= MOST_SHOWN:
                say(self.row.name, f"FOUND {kind}: {otherwise}")

    def note(self, name: str, value: Any) -> None:
        """A figure for the report: the largest of what was noted under this name."""
        before = self.result.measured.get(name)
        self.result.measured[name] = value if before is None else max(before, value)

    def add(self, name: str, value: float) -> None:
        """A figure for the report that is summed up."""
        self.result.measured[name] = self.result.measured.get(name, 0) + value

    def succeeded(self, *deployments: int, timeout: float = 120) -> None:
        """Wait for their ends, each a good one."""
        for each in deployments:
            status = self.world.ended(each, timeout=timeout)
            self.expect(status == "succeeded", "; ".join(str(share) for share in self.world.record.of(each)))

    def patience(self, seconds: float) -> float:
        """A promise in seconds, stretched by how much more than its cores this machine is asked to do now."""
        stretched = stretch()
        self.note("stretched_at_most", round(stretched, 1))
        return seconds * stretched

    def judge(self) -> None:
        """Look at everything that was done to this row's applications, once they have had a moment to serve."""
        with suppress(PartError):  # who doesn't by then is a finding
            asked = [each for each in self.applications if any(self.world.asked(each).values())]
            self.world.wait(lambda: all(self.world.serves(each) for each in asked), "all serve", 15)
        time.sleep(SETTLED_SECONDS)
        for application in self.applications:
            everything = replace(seen(self.world, application), calm=self.row.calm)
            for finding in judge.judge(everything):
                self.expect(False, finding.text, finding.kind)
            self.note("seconds_without_a_request_at_most", round(judge.longest_pause(everything), 2))
            excused = (end - begin for _, begin, end in application.broken)
            if longest := max(excused, default=0.0):
                self.note("seconds_of_excused_silence_at_most", round(longest, 1))
            if application.strategy == START_FIRST:
                self.add("broken_off_as_the_old_one_ended", judge.broken_off(everything))
                continue
            if beyond := judge.beyond_measure(everything):
                self.note("seconds_beyond_the_measured_gap_at_most", round(beyond, 2))
            if beyond := judge.beyond_silence(everything):
                self.note("seconds_measured_beyond_the_silence_at_most", round(beyond, 2))
        self._judge_the_whole()

    def _judge_the_whole(self) -> None:
        """What is no single application's."""
        done = self.result.times
        self.expect(done >= self._wanted, f"only {done} faults were done, of {self._wanted}")
        for each in half_written(self.world):
            self.expect(False, each)
        problems = self.world.backstage("verify")
        self.expect(not problems, f"the audit chain: {problems}", "audit")
        for left in left_over(self.world, self.patience(TO_GO_SECONDS)):
            self.expect(False, left, "left_process")


def stretch() -> float:
    """By how much a promise in seconds is stretched now: the machine's load over its cores, where that is above one; at most by two."""
    return min(MOST_STRETCHED, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def judge_one(world: World, application: Application) -> list[Finding]:
    """Look at everything that was done to an application."""
    return judge.judge(seen(world, application))


def seen(world: World, application: Application) -> Seen:
    """All that is known of an application now."""
    record = world.record
    shares = [each for each in record.targets() if each.placement == application.placement]
    return Seen(
        application.name,
        application.placement,
        application.strategy == START_FIRST,
        list(application.clicks),
        world.events(application),
        world.asked(application),
        {machine.name: world.containers(application, machine) for machine in application.servers},
        [each for each in record.deployments() if each.placement == application.placement],
        shares,
        record.chunks(each.id for each in shares),
        frozenset(application.images),
        tuple(application.broken),
        record.stages(each.id for each in shares),
        world.asking(application),
        dict(application.brought),
        stretch(),
    )


@dataclass(frozen=True)
class Row:
    """`number` is its row in the list of faults; `work` does it. `quick` rows are part of `bin/faults --quick`.

    `seconds` is about what it takes there, and `long` with `--full`, so that long ones begin first; `both` ones run on SQLite,
    too, with `--full`. A `calm` one leaves alone whatever a deploy's own measures depend on: a gap on record is held from above, too.
    """

    number: int
    name: str
    about: str
    work: Callable[[Round], None]
    quick: bool = False
    own_world: bool = False
    seconds: int = 15
    long: int = 120
    both: bool = False
    calm: bool = False

    def run(self, world: World, wanted: Wanted, seed: int) -> Result:
        """Do it and judge it; what goes wrong in the doing is the row's error."""
        began = time.monotonic()
        turn = Round(world, self, wanted, random.Random(f"{seed} {self.name}"))  # noqa: S311 - dice, not keys
        say(self.name, f"begins: {self.about}")
        try:
            self.work(turn)
            turn.judge()
        except PartError as error:
            turn.result.error = str(error)[:2000]
            say(self.name, f"ERROR {error}")
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this row's, and the others go on
            turn.result.error = f"{type(error).__name__}: {error}"[:2000]
            say(self.name, f"ERROR {traceback.format_exc()}")
        world.leave()
        turn.result.seconds = time.monotonic() - began
        say(
            self.name, f"{'ok' if turn.result.ok else 'NOT OK'} after {turn.result.seconds:.0f} s: {turn.result.told()}"
        )
        return turn.result


def pick(dice: random.Random, several: Sequence[Any]) -> Any:
    """One of them."""
    return several[dice.randrange(len(several))]


__all__ = ["FULL", "QUICK", "Result", "Round", "Row", "pick", "seen", "wait_until"]
