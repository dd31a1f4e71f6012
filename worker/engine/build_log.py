"""BuildKit's events as lines of the log and progress: what began, what it wrote, how long it took, what was cached."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from worker.engine.build_events import (
    BuildDone,
    BuilderNote,
    BuildEvent,
    ContextSent,
    VertexEnded,
    VertexLine,
    VertexProgress,
    VertexStarted,
)
from worker.engine.dockerfile import instructions
from worker.engine.events import Event, Line, Progress

LAST_LINES = 40  # of the part that failed, said again at the end
_SPACING = 0.1  # seconds between two progress events
_LONGEST_NAME = 300
_SLOW = 2.0  # seconds from which BuildKit's own work is worth a line
_TAG = re.compile(r"\[([^\]]+)\] ")
_NOISE = re.compile(r"^(?:failed to calculate checksum of ref \S+: |failed to compute cache key: )+")
_FROM = re.compile(r"FROM (\S+?)@(sha256:[0-9a-f]{64})")


@dataclass(slots=True)
class BuildLog:
    """What was heard of one build so far. `context_size` 0: unknown."""

    context_size: int = 0
    image_id: str = ""
    failed: VertexEnded | None = None  # the first part that ended with an error of its own
    cached: int = 0
    worked: int = 0
    bases: dict[str, str] = field(default_factory=dict)  # reference -> digest, as BuildKit resolved them
    _open: dict[str, str] = field(default_factory=dict)  # id -> name, of the parts that go on
    _last: dict[str, deque[Line]] = field(default_factory=dict)
    _transfers: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _shown_at: float = float("-inf")
    _said: set[str] = field(default_factory=set)  # ids of the parts whose names are in the log
    _said_last: str = ""

    def take(self, event: BuildEvent, now: float) -> Iterator[Event]:
        """What the log says of it. `now` in monotonic seconds."""
        match event:
            case VertexStarted():
                self._open[event.id] = event.name
                if not internal(event.name):
                    self._said.add(event.id)
                    self._said_last = event.id
                    yield Line(readable(event.name))
            case VertexEnded():
                yield from self._end(event)
            case VertexLine():
                yield self._line(event)
            case VertexProgress():
                self._transfers[event.id, event.label] = (event.done, event.total)
                yield from self._progress(event, now)
            case ContextSent():
                yield from self._sent(event, now)
            case BuilderNote():
                yield Line(event.text, level=event.level)
            case BuildDone():
                self.image_id = event.image_id

    def opening(self) -> Iterator[Event]:
        """The part that failed, once more: its name and its last lines."""
        if self.failed is None:
            return
        yield Line(f"The build failed at {readable(self.failed.name)}", level="bad")
        yield from self._last.get(self.failed.id, ())

    @property
    def last_words(self) -> list[str]:
        """What the failed part wrote last."""
        return [line.text for line in self._last.get(self.failed.id, ())] if self.failed else []

    @property
    def going_on(self) -> list[str]:
        """The names of what began and isn't over."""
        return [readable(name) for name in self._open.values() if not internal(name)]

    def _end(self, event: VertexEnded) -> Iterator[Event]:
        self._open.pop(event.id, None)
        self._transfers = {key: value for key, value in self._transfers.items() if key[0] != event.id}
        if found := _FROM.search(event.name):
            self.bases[found[1]] = found[2]
        if event.error:
            if self.failed is None and not _cancelled(event.error):
                self.failed = event
                yield Line(
                    f"{_short(event.name)} failed after {event.seconds:.1f} s: {brief(event.error)}", level="bad"
                )
        elif not internal(event.name):
            self.cached += event.cached
            self.worked += not event.cached
            said = _short(event.name) if event.id in self._said else readable(event.name)
            yield Line(f"{said}: CACHED" if event.cached else f"{said} done in {event.seconds:.1f} s")
        elif event.seconds >= _SLOW:
            yield Line(f"{_short(event.name)} took {event.seconds:.1f} s")

    def _line(self, event: VertexLine) -> Line:
        line = Line(event.text, stream=event.stream)
        self._last.setdefault(event.id, deque(maxlen=LAST_LINES)).append(line)
        if event.id == self._said_last or len(self._open) < 2:
            return line
        tag = _TAG.match(self._open.get(event.id, ""))
        return Line(f"[{tag[1]}] {event.text}", stream=event.stream) if tag else line

    def _progress(self, event: VertexProgress, now: float) -> Iterator[Event]:
        if now - self._shown_at < _SPACING:
            return
        self._shown_at = now
        alike = [value for (owner, _), value in self._transfers.items() if owner == event.id and value[1]]
        done, total = sum(each[0] for each in alike), sum(each[1] for each in alike)
        yield Progress("build", min(done, total), total, _short(self._open.get(event.id, event.label)))

    def _sent(self, event: ContextSent, now: float) -> Iterator[Event]:
        if event.complete:
            yield Progress("build", event.done, event.done, "context sent")
            yield Line(f"Sent the context to the builder: {size_words(event.done)}.")
        elif now - self._shown_at >= _SPACING:
            self._shown_at = now
            yield Progress("build", event.done, max(self.context_size, event.done), "sending the context")


def dockerfile_line(name: str, dockerfile_text: str) -> int | None:
    """Which line of the Dockerfile a part of the build came from, where just one fits."""
    said = _squeezed(_TAG.sub("", name, count=1))
    found = [each.line for each in instructions(dockerfile_text) if _squeezed(f"{each.word} {each.rest}") == said]
    return found[0] if len(found) == 1 else None


def readable(name: str) -> str:
    """A part's name on one line."""
    words = _squeezed(name)
    return words if len(words) <= _LONGEST_NAME else f"{words[:_LONGEST_NAME]}…"


def brief(error: str) -> str:
    """BuildKit's error without what it repeats (the command) and what only it knows (the numbers of its objects)."""
    error = _NOISE.sub("", error)
    for end in ("]: ", "did not complete successfully: "):
        if error.startswith(("executor failed running", "process ")) and end in error:
            return error.rpartition(end)[2]
    return error


def size_words(size: int) -> str:
    """Bytes for people: `312 kB`, `1.2 GB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def settled(known: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """The bases' digests: as BuildKit resolved them, else as they were looked up."""
    plain = {_plain(reference): digest for reference, digest in found.items()}
    return {reference: plain.get(_plain(reference), digest) for reference, digest in known.items()}


def _plain(reference: str) -> str:
    """One spelling for one image: BuildKit writes `docker.io/library/python:3.12` where a Dockerfile says `python:3.12`."""
    name = reference.partition("@")[0]
    for prefix in ("docker.io/library/", "docker.io/"):
        name = name.removeprefix(prefix)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def internal(name: str) -> bool:
    """BuildKit's own work, which nobody wrote into a Dockerfile."""
    return name.startswith("[internal]") or not name.startswith("[")


def _short(name: str) -> str:
    """A part by its number, as it was said in full before."""
    found = _TAG.match(name)
    return f"[{found[1]}]" if found and found[1] != "internal" else readable(name)


def _cancelled(error: str) -> bool:
    return "context canceled" in error and "exit code" not in error


def _squeezed(text: str) -> str:
    return " ".join(text.split())
