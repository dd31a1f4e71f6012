"""The live tail: names of the Redis streams, and the one encoding of log lines, in the database and on the wire.

A log line is `[number, time_ms, step, stream, text, level]`: number per Target from 1, time in milliseconds since the epoch (UTC), step a
`StepKey`, stream `estiva|stdout|stderr`, text masked, without newline, at most 16 KB, level `info|good|warn|bad`.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

WAKE_STREAM = "estiva:live"
"""One stream for the whole installation: small entries that say what moved; every web process follows it with one XREAD."""

WAKE_SECONDS = 600
"""How long an entry stays. Who was away longer begins from the record, as everybody does who reconnects."""

WAKE_MOST = 20_000
"""At most so many entries stay, however young: with CARRIED_CHARACTERS that bounds what Redis holds of them."""

CARRIED_CHARACTERS = 8192
"""Lines longer than this together are not carried along: viewers read them from the record, so Redis' memory stays bounded."""

MAX_LINE_BYTES = 16_384


class LogLine(NamedTuple):
    """One line of a Target's log."""

    number: int
    time_ms: int
    step: str
    stream: str
    text: str
    level: str = "info"


def encode_lines(lines: Sequence[LogLine]) -> str:
    """JSON: a list of lists."""
    return json.dumps(lines, ensure_ascii=False, separators=(",", ":"))


def decode_lines(text: str) -> list[LogLine]:
    """The inverse of `encode_lines`."""
    return [LogLine(*row) for row in json.loads(text)]


def wake_log(target_id: int, deployment_id: int, first: int, last: int, lines: str) -> dict[str, str]:
    """The wake entry for lines `first…last` of a Target; `lines` is `encode_lines`' text, carried along if short, else left out.

    For a terminal both numbers are its own, negative.
    """
    return {
        "kind": "log",
        "target": str(target_id),
        "deployment": str(deployment_id),
        "first": str(first),
        "last": str(last),
        "lines": lines if len(lines) <= CARRIED_CHARACTERS else "",
    }


def wake_progress(target_id: int, deployment_id: int, step: str, done: int, total: int, label: str) -> dict[str, str]:
    """The wake entry for a step's progress (never stored more often than once a second)."""
    return {
        "kind": "progress",
        "target": str(target_id),
        "deployment": str(deployment_id),
        "step": step,
        "done": str(done),
        "total": str(total),
        "label": label,
    }


def wake_follow(follow_id: int, last: int) -> dict[str, str]:
    """The wake entry for a follow's lines; they themselves stand in a stream of their own (`deployments.follows`)."""
    return {"kind": "follow", "follow": str(follow_id), "last": str(last)}


def wake_usage(follow_id: int, values: dict[str, list[float]]) -> dict[str, str]:
    """The wake entry for what containers take: by the first 12 digits of their id `[placement or 0, CPU %, memory, limit]`."""
    return {"kind": "usage", "follow": str(follow_id), "values": json.dumps(values, separators=(",", ":"))}


def wake_changed(noun: str, object_id: int, placement_id: int | None = None) -> dict[str, str]:
    """The wake entry that says a row moved: noun is deployment, host, operation, placement or user; the page fetches its fragment."""
    return {"kind": "changed", "noun": noun, "id": str(object_id), "placement": str(placement_id or "")}
