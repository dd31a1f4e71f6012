"""The verdict on what was done to some applications: first from what engines, pages and processes show, then against the record.

Each finding names what it is and the lines that show it. Pure: it is given what was seen, so that it can itself be tested.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from parts.faults.events import Event
from parts.faults.evidence import KINDS, Finding, Seen, counts
from parts.faults.lives import FOREVER, Life, lives
from parts.faults.measured import beyond_silence, overmeasured
from parts.faults.outages import MOMENT, beyond_measure, broken_off, outages
from parts.faults.record import CARRIED_BACK, ENDS, GOOD, RESTORED, Share
from parts.faults.served import wrong_image, wrong_versions
from parts.faults.standing import standing
from parts.faults.unasked import longest_pause, unasked

__all__ = [
    "KINDS",
    "Finding",
    "Seen",
    "beyond_measure",
    "beyond_silence",
    "broken_off",
    "counts",
    "judge",
    "longest_pause",
]


def judge(seen: Seen) -> list[Finding]:
    """Everything that is wrong."""
    found = [*_lost(seen), *_duplicated(seen), *_interleaved(seen), *_verdicts(seen), *_at_the_end(seen)]
    return [
        *found,
        *standing(seen),
        *outages(seen),
        *overmeasured(seen),
        *unasked(seen),
        *wrong_versions(seen),
        *_logs(seen),
    ]


def _lost(seen: Seen) -> Iterable[Finding]:
    known = {each.id: each for each in seen.deployments}
    for click in seen.clicks:
        if click not in known:
            yield Finding("lost", f"#{click} was clicked, and is not on record")
        elif known[click].status not in ENDS:
            yield Finding("unended", f"#{click} of {seen.name} is {known[click].status}")
    told = {
        each.target for each in seen.events
    }  # whatever of it: an engine that is killed may not have told of its create
    for each in seen.shares:
        if each.status == GOOD and each.role == "deploy" and each.id not in told:
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
        elif said := _not_restored(seen, each, releases):
            yield Finding("wrong_verdict", f"{each}, but {said}")


def _not_restored(seen: Seen, share: Share, releases: list[str]) -> str:
    """Empty where what it says serves did run as it ended: what was brought back, or what had not been touched."""
    serving = share.outcome.get("serving_release")
    if share.status in CARRIED_BACK and serving is None:
        return "it doesn't say which release serves"
    if share.status not in RESTORED or serving is None or releases == [str(serving)]:
        return ""
    if any(begin - MOMENT <= share.ended <= end + MOMENT for begin, end in seen.broken_on(share.server)):
        return ""  # its server was down just then
    return f"release {serving} was to serve, and what ran at that moment was of release {releases}"


def _at_the_end(seen: Seen) -> Iterable[Finding]:
    """One version serves wherever one ever did, and it is what the record says."""
    for server, containers in seen.final.items():
        shares = [each for each in seen.shares if each.server == server and each.role == "deploy"]
        good = [each for each in shares if each.status == GOOD]
        if not good or shares[-1].status not in (GOOD, *RESTORED, "failed"):
            continue  # in doubt, or not at its end, which is told apart
        running = [each for each in containers if each["State"] == "running"]
        told = ", ".join(f"{each['Names'][0]} {each['State']}" for each in containers) or "nothing"
        if len(running) != 1:
            kind = "duplicated" if running else "not_serving"
            yield Finding(kind, f"{len(running)} containers of {seen.name} run on {server} at the end: {told}")
            continue
        last, labels = good[-1], running[0]["Labels"]
        if labels.get("estiva.release") != str(last.release):
            yield Finding("wrong_verdict", f"{told} runs on {server}, while {last} was the last that succeeded")
        elif said := wrong_image(seen, last, str(running[0]["ImageID"])):
            yield Finding("wrong_verdict", f"{told} runs {said}")
        if len(containers) > 1:
            yield Finding("duplicated", f"{len(containers)} containers of {seen.name} are left on {server}: {told}")


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
