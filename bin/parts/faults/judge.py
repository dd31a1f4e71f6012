"""The verdict on what was done to some applications: first from what engines and pages show, then against the record.

Each finding names what it is and the lines that show it. Pure: it is given what was seen, so that it can itself be tested.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parts.faults.events import Event
from parts.faults.lives import FOREVER, Life, lives
from parts.faults.probing import Asked, Hole, holes
from parts.faults.record import ENDS, GOOD, RESTORED, Deployed, Share

KINDS = (
    "lost",
    "duplicated",
    "interleaved",
    "unended",
    "wrong_verdict",
    "not_serving",
    "outage",
    "log",
    "audit",
    "row",
)
GAP_SLACK = 1.5
MOMENT = 0.5
BROKEN_OFF = 2  # requests at one moment, of twenty a second


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Seen:
    """All that is known of one application. `final` are its containers at the end, by server; `asked` the prober's, by server."""

    name: str
    placement: int
    start_first: bool
    clicks: list[int]
    events: list[Event]
    asked: Mapping[str, list[Asked]]
    final: Mapping[str, list[dict[str, Any]]]
    deployments: list[Deployed]
    shares: list[Share]
    chunks: Mapping[int, list[tuple[int, int, int, list[Any]]]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()  # the image IDs that were meant
    broken: tuple[tuple[float, float], ...] = ()  # when its server itself was broken: nothing can be asked of it then


def judge(seen: Seen) -> list[Finding]:
    """Everything that is wrong."""
    found = [*_lost(seen), *_duplicated(seen), *_interleaved(seen), *_verdicts(seen), *_at_the_end(seen)]
    return [*found, *_outages(seen), *_logs(seen)]


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind, those that there are none of too."""
    counted = Counter(each.kind for each in findings)
    return {kind: counted[kind] for kind in KINDS}


def _lost(seen: Seen) -> Iterable[Finding]:
    known = {each.id: each for each in seen.deployments}
    for click in seen.clicks:
        if click not in known:
            yield Finding("lost", f"#{click} was clicked, and is not on record")
        elif known[click].status not in ENDS:
            yield Finding("unended", f"#{click} of {seen.name} is {known[click].status}")
    for each in seen.shares:
        if (
            each.status == GOOD
            and each.role == "deploy"
            and not any(event.target == each.id for event in seen.events if event.action == "create")
        ):
            yield Finding("lost", f"{each}, but no engine ever created a container for it")


def _duplicated(seen: Seen) -> Iterable[Finding]:
    for each in seen.shares:
        made = [event for event in seen.events if event.action == "create" and event.target == each.id]
        for name, times in Counter(event.name for event in made).items():
            if times > 1:
                yield Finding("duplicated", f"{each}: {name} was created {times} times: {_lines(made)}")
        if len(made) > max(each.attempts, 1):
            yield Finding("duplicated", f"{each}: {len(made)} containers in {each.attempts} attempts: {_lines(made)}")
    for server, at, running in _crowds(seen):
        names = ", ".join(life.created.name for life in running)
        yield Finding(
            "duplicated", f"{len(running)} containers of {seen.name} ran at once on {server} at {at:.3f}: {names}"
        )


def _crowds(seen: Seen) -> Iterable[tuple[str, float, list[Life]]]:
    """When more ran at once than the strategy explains."""
    most = 2 if seen.start_first else 1
    everything = lives(seen.events)
    for life in everything:
        for begin, _ in life.runs:
            beside = [
                each for each in everything if each.created.server == life.created.server and each.ran_at(begin + 0.001)
            ]
            if len(beside) > most:
                yield life.created.server, begin, beside


def _interleaved(seen: Seen) -> Iterable[Finding]:
    ran = sorted((each for each in seen.deployments if each.started and each.ended), key=lambda each: each.started)
    for one, other in itertools.pairwise(ran):
        if other.started < one.ended - 0.001:
            yield Finding(
                "interleaved", f"#{other.id} began at {other.started:.3f}, before #{one.id} ended at {one.ended:.3f}"
            )
    order = [each.id for each in ran]
    if order != sorted(order):
        yield Finding("interleaved", f"{seen.name}: the deploys ran in the order {order}")
    highest: dict[str, int] = {}
    for life in lives(seen.events):
        server, target = life.created.server, life.created.target
        if target < highest.get(server, 0) and life.destroyed == FOREVER:
            yield Finding("interleaved", f"{life.created} came after one of target {highest[server]}, and stayed")
        highest[server] = max(target, highest.get(server, 0))


def _verdicts(seen: Seen) -> Iterable[Finding]:
    everything = lives(seen.events)
    for each in seen.shares:
        if each.role != "deploy" or not each.ended or each.status == "needs_attention":
            continue
        running = [life for life in everything if life.created.server == each.server and life.ran_at(each.ended)]
        releases = sorted({life.created.labels.get("estiva.release", "?") for life in running})
        if each.status == GOOD and releases != [str(each.release)]:
            yield Finding("wrong_verdict", f"{each}, but what ran at that moment was of release {releases}")
        elif each.status in RESTORED and any(life.created.target == each.id for life in running):
            yield Finding("wrong_verdict", f"{each}, but its own container ran at that moment")


def _at_the_end(seen: Seen) -> Iterable[Finding]:
    """One version serves wherever one ever did, and it is what the record says."""
    for server, containers in seen.final.items():
        shares = [each for each in seen.shares if each.server == server and each.role == "deploy"]
        good = [each for each in shares if each.status == GOOD]
        if not good or any(each.status not in (GOOD, *RESTORED) for each in shares[-1:]):
            continue
        running = [each for each in containers if each["State"] == "running"]
        told = ", ".join(f"{each['Names'][0]} {each['State']}" for each in containers) or "nothing"
        if len(running) != 1:
            kind = "duplicated" if running else "not_serving"
            yield Finding(kind, f"{len(running)} containers of {seen.name} run on {server} at the end: {told}")
            continue
        last, labels = good[-1], running[0]["Labels"]
        if labels.get("estiva.release") != str(last.release):
            yield Finding("wrong_verdict", f"{told} runs on {server}, while {last} was the last that succeeded")
        elif seen.images and running[0]["ImageID"] not in seen.images:
            yield Finding("wrong_verdict", f"{told} runs image {running[0]['ImageID']}, which nobody asked for")
        if len(containers) > 1:
            yield Finding("duplicated", f"{len(containers)} containers of {seen.name} are left on {server}: {told}")


def _outages(seen: Seen) -> Iterable[Finding]:
    """Failed requests that no announced gap explains."""
    for server, asked in seen.asked.items():
        for hole in holes(asked):
            if any(begin - MOMENT <= hole.end and hole.begin <= end + MOMENT for begin, end in seen.broken):
                continue
            said = _explained(seen, server, hole)
            if said:
                failed = f"{hole.failures} failed, the first: {hole.first}"
                yield Finding("outage", f"{seen.name} on {server}: {said} ({failed}); {_around(seen, server, hole)}")
        if asked and not any(each.ok for each in asked[-10:]):
            yield Finding("not_serving", f"{seen.name} on {server} answers nobody at the end: {asked[-1].wrong}")


def _around(seen: Seen, server: str, hole: Hole) -> str:
    """What the engine did then."""
    told = [each for each in seen.events if each.server == server and abs(each.at - hole.begin) < 1]
    return f"from {hole.begin:.3f} on; the engine: {_lines(told)}"


def _explained(seen: Seen, server: str, hole: Hole) -> str:
    """Empty where a stop-first deploy of that moment announced the gap and measured at least about as much."""
    around = [
        each
        for each in seen.shares
        if each.server == server
        and each.role == "deploy"
        and each.started - MOMENT <= hole.end
        and hole.begin <= (each.ended or FOREVER) + MOMENT
    ]
    if not around:
        return f"no answer for {hole.seconds:.2f} s at {hole.begin:.3f} though nothing was deployed"
    if seen.start_first:
        if hole.failures <= BROKEN_OFF and hole.seconds < MOMENT and _as_the_old_one_ended(seen, server, hole):
            return ""
        return f"no answer for {hole.seconds:.2f} s in a start-first deploy: {around[0]}"
    measured = sum(each.gap or 0.0 for each in around)
    # Of deploys one upon the other, what served for a moment between may not have been met
    slack = GAP_SLACK * len(around)
    if all(each.ended for each in around) and hole.seconds > measured + slack:
        return f"no answer for {hole.seconds:.2f} s where {measured:.2f} s were measured: {around[0]}"
    return ""


def broken_off(seen: Seen) -> int:
    """Requests of start-first deploys that the old version broke off as it was told to end: what a name in a Docker network can't
    keep from it. They are counted, and said, beside what is found.
    """
    found = 0
    for server, asked in seen.asked.items() if seen.start_first else ():
        found += sum(
            hole.failures
            for hole in holes(asked)
            if hole.failures <= BROKEN_OFF and hole.seconds < MOMENT and _as_the_old_one_ended(seen, server, hole)
        )
    return found


def _as_the_old_one_ended(seen: Seen, server: str, hole: Hole) -> bool:
    """Whether a container was told to end there and then, while another ran."""
    ended = [each for each in seen.events if each.server == server and each.action == "kill"]
    return any(hole.begin - 0.1 <= each.at <= hole.end + 0.1 for each in ended)


def _logs(seen: Seen) -> Iterable[Finding]:
    for each in seen.shares:
        due, fence = 1, 0
        for first, last, chunk_fence, lines in seen.chunks.get(each.id, []):
            numbers = [line[0] for line in lines]
            if first != due or numbers != list(range(first, last + 1)):
                yield Finding("log", f"{each}: lines {first} to {last} come where {due} was due")
            if chunk_fence < fence:
                yield Finding("log", f"{each}: fence {chunk_fence} wrote after fence {fence}")
            due, fence = last + 1, chunk_fence
        if due != each.last_line + 1:
            yield Finding("log", f"{each}: its log ends at line {due - 1}, the record says {each.last_line}")


def _lines(events: Sequence[Event]) -> str:
    return "; ".join(str(each) for each in events)
