"""What the engine says while it works: the only thing that comes out of it.

A consumer (`worker.recorder`) writes them down in order; each stands for something that was done or seen, never hoped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from worker.engine.container_host import LogLine

StepKey = Literal[
    "connect",
    "preflight",
    "pull",
    "before",
    "replace",
    "health",
    "verify",
    "cleanup",
    "after",
    "restore",
    "clone",
    "build",
    "publish",
]
Stream = Literal["estiva", "stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins; lines and progress that follow belong to it."""

    step: StepKey


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is over. `skipped` says there was nothing to do."""

    step: StepKey
    result: Literal["good", "bad", "cancelled", "skipped"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log, without its newline. `estiva` is the engine's own voice; the others are the container's output."""

    text: str
    stream: Stream = "estiva"
    level: Literal["info", "good", "warn", "bad"] = "info"


@dataclass(frozen=True, slots=True)
class Wrote:
    """What a container wrote since it was last listened to. One event however much: it may be a hundred thousand lines a second.

    `container` is its ID, and `last` the number that the last of these lines has among all that it wrote.
    """

    lines: Sequence[LogLine]
    container: str = ""
    last: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is, in bytes when `unit` says so; replaces the one before. `total` 0 means unknown."""

    step: StepKey
    done: int
    total: int
    label: str = ""
    unit: Literal["bytes", "passes"] = "bytes"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something preflight looked at. `unknown` is said as unknown, never as good."""

    check: str  # a stable key: "engine", "platform", "image", "disk", "port", "name", "variables", "reachable", "trust"
    result: Literal["good", "warn", "bad", "unknown"]
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Mutated:
    """From here on the server is no longer as it was found: an interruption now asks for care, not for a plain failure."""


@dataclass(frozen=True, slots=True)
class Gap:
    """For how long nothing served, in seconds, from the stop of the old to the first good answer of what serves now.

    Several in one Target add up. 0.0 says that it was looked for and there was none; no `Gap` at all that there was
    nothing before, or that nothing serves now. `whole`: by the server's own times, so what an earlier attempt measured of
    the same is part of it.
    """

    seconds: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What the server runs for this Placement, seen just now."""

    container: str
    container_id: str
    image_id: str
    digest: str | None
    release: int
    started_at: str
    published: tuple[tuple[str, int, int, str], ...] = ()  # (host address, host port, container port, protocol)
    service: str = ""  # of a Compose application, which has an Observed for each container
    running: bool = True
    target: int = 0  # the Target that made it, by its label; not told of a Compose application's
    settings: Mapping[str, Any] = field(
        default_factory=dict
    )  # as `engine.found` reads them: what differs later was changed
    left: Mapping[str, Any] = field(default_factory=dict)  # the same of a Compose application's: `engine.compose.left`


@dataclass(frozen=True, slots=True)
class Built:
    """The builder has the image, seen just now. `reused`: it was there from an earlier build, and nothing was built.

    `base_images` are (reference, digest or image ID) of what it was built on; `platform` is like `linux/amd64`.
    """

    image_id: str
    size: int
    platform: str
    base_images: tuple[tuple[str, str], ...]
    reused: bool
    tag: str = ""  # local, on the builder


@dataclass(frozen=True, slots=True)
class Published:
    """A registry took the built image: servers pull `repository@digest`."""

    repository: str
    digest: str


class Verdict(StrEnum):
    """How a Target ended, as far as the engine can tell."""

    SUCCEEDED = "succeeded"
    FAILED_UNTOUCHED = "failed_untouched"  # nothing on the server was changed
    FAILED_RESTORED = "failed_restored"  # the old version was seen healthy again
    FAILED = "failed"  # nothing served before and nothing serves now
    CANCELLED_UNTOUCHED = "cancelled_untouched"
    CANCELLED_RESTORED = "cancelled_restored"
    NEEDS_ATTENTION = "needs_attention"  # something served before, and it is not proven that anything serves now


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event. `what`, `why`, `remedy` are for people; `serving_release` is the Release number that was seen serving."""

    verdict: Verdict
    what: str = ""
    why: str = ""
    remedy: str = ""
    failed_step: StepKey | None = None
    exit_code: int | None = None
    serving_release: int | None = None
    remains: tuple[str, ...] = field(default=())  # what is left on the server, in words


Event = (
    StepStarted | StepEnded | Line | Wrote | Progress | Finding | Mutated | Gap | Observed | Built | Published | Ended
)
