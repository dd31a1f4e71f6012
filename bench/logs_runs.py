"""`bin/bench logs`' runs, in a process with Estiva's settings: what to use is told as JSON on standard input."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import django

django.setup()

from bench.feed import SAID, Feed  # noqa: E402 - Django has to be set up first
from bench.logs_stage import CHATTY, DEADLINE, RECORD, Beside, Burst, Stage  # noqa: E402
from bench.memory import Memory  # noqa: E402
from bench.pairs import take_turns  # noqa: E402
from bench.stage import answer  # noqa: E402
from bench.viewer import Heard  # noqa: E402
from deployments.models import Target  # noqa: E402
from deployments.queries.log import lines_after  # noqa: E402
from parts.story_acts import check  # noqa: E402

RATE = 1000  # lines a second
SETTLES = 5  # seconds that the steady flow's deploy goes on after the last line


class Faults:
    """What was lost or came twice, in viewers and on record."""

    def __init__(self) -> None:
        self.lost = self.doubled = 0

    def note(self, heard: Heard, target: Target, wanted: int, is_said: Callable[[str], bool]) -> None:
        """A Target that is over, which said so many lines; the viewer left once it had the last of them."""
        stored = list(_stored(target))
        self.judge(heard.numbers, heard.texts, max(heard.numbers), wanted, is_said)
        self.judge([number for number, _ in stored], [text for _, text in stored], target.last_line, wanted, is_said)

    def judge(
        self, numbers: Sequence[int], texts: Sequence[str], last: int, wanted: int, is_said: Callable[[str], bool]
    ) -> None:
        """Count by the numbers, of which `last` is the last, and by what the application said; a line that both miss is one."""
        said = [text for text in texts if is_said(text)]
        self.lost += max(last - len(set(numbers)), wanted - len(set(said)))
        self.doubled += max(len(numbers) - len(set(numbers)), len(said) - len(set(said)))


def _stored(target: Target) -> Iterator[tuple[int, str]]:
    """Number and text of what is on record."""
    after, more = 0, True
    while more:
        page = lines_after(target.pk, after)
        yield from ((line.number, line.text) for line in page.lines)
        after, more = page.last, page.more


def _burst(stage: Stage, lines: int, talks: int, faults: Faults) -> Burst:
    """Everything at once, as an application that says a lot while it starts, to a viewer who is there before it."""
    stage.say(SAMPLE_BEHAVIOUR=CHATTY, SAMPLE_LINES=str(lines))
    target = stage.begin({"health": {**stage.health, "kind": "running", "run_seconds": talks, "deadline": DEADLINE}})
    viewer = stage.watch(target, f"{RECORD} {lines} ", DEADLINE)
    stage.ended(target, DEADLINE)
    viewer.stop(20)
    heard = viewer.heard
    at = [moment for moment, text in zip(heard.at, heard.texts, strict=True) if RECORD in text]
    check("burst", not viewer.problem, f"{len(at)} of {lines} lines came: {viewer.problem}")
    faults.note(heard, target, lines, lambda text: RECORD in text)
    return Burst(at[-1] - stage.started(stage.container(target)), at[-1] - at[0])


def _steady(stage: Stage, folder: Path, seconds: int, faults: Faults) -> dict[str, Any]:
    """A thousand lines a second, each of which bears when it was written."""
    with Feed(folder, RATE * seconds, RATE) as feed:
        feed.go.set()
        settings = feed.settings(seconds + SETTLES)
        target = stage.begin({**settings, "health": {**stage.health, **settings["health"]}})
        viewer = stage.watch(target, feed.last, seconds + 60)
        beside = Beside(stage, target, feed.last, seconds + 60)
        beside.start()
        stage.ended(target, seconds + 60)
        viewer.stop(20)
        beside.join(20)
    heard = viewer.heard
    met = [(SAID.fullmatch(text), at) for text, at in zip(heard.texts, heard.at, strict=True)]
    latencies = [(at - float(match[2])) * 1000 for match, at in met if match]
    check("steady", not viewer.problem, f"{len(latencies)} lines came: {viewer.problem}")
    check("steady", beside.has_last, f"{len(beside.latencies)} lines came over ssh")
    faults.note(heard, target, feed.lines, lambda text: bool(SAID.fullmatch(text)))
    return {"lines": len(latencies), "latencies_ms": latencies, "raw_latencies_ms": beside.latencies}


def _measure(told: dict[str, Any]) -> dict[str, Any]:
    stage, folder, faults = Stage(told), Path(told["folder"]), Faults()
    first_to_last: dict[str, list[float]] = {"raw": [], "estiva": []}

    def noted(way: str, number: int, burst: Burst) -> float:
        if number >= 0:
            first_to_last[way].append(burst.since_first_line)
        return burst.since_start

    with Memory(folder, ("worker", "web")) as memory:

        def burst(number: int) -> float:
            came = _burst(stage, told["lines"], told["talks"], faults)
            if number < 0:
                memory.begin()
            return noted("estiva", number, came)

        def raw(number: int) -> float:
            return noted("raw", number, stage.raw(told["lines"]))

        ways: dict[str, Callable[[int], float | None]] = {"raw": raw, "estiva": burst}
        bursts = take_turns(ways, told["rounds"])
        steady = _steady(stage, folder / "feed", told["seconds"], faults)
        grew = memory.grew()
    faulty = {"lost": faults.lost, "doubled": faults.doubled}
    return {"bursts": bursts, "first_to_last": first_to_last, "steady": steady, "grew": grew, **faulty}


if __name__ == "__main__":
    sys.exit(answer(_measure))
