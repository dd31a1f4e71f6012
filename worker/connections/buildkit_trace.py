"""BuildKit's account of a build (`moby.buildkit.control.v1.StatusResponse`), made into build events. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from worker.connections.log_stream import CutLine
from worker.connections.protobuf import bytes_of, fields, number_of, text_of
from worker.engine.build_events import BuildEvent, VertexEnded, VertexLine, VertexProgress, VertexStarted

_PATIENCE = 1.0  # seconds of the builder's clock after which a part that ended isn't expected to go on


@dataclass(slots=True)
class _Vertex:
    """A part of the build as it was last told, and what we have said of it."""

    id: str
    name: str = ""
    inputs: tuple[str, ...] = ()
    cached: bool = False
    started: float | None = None
    completed: float | None = None
    error: str = ""
    spent: dict[float, float] = field(default_factory=dict)  # by its start: a part may be taken up again
    told_start: bool = False
    told_end: bool = False

    @property
    def over(self) -> bool:
        return self.completed is not None and not self.told_end


class TraceReader:
    """Feed it the trace's messages; it answers with events, each start and each end said once.

    BuildKit ends a part more than once: looking for it in the cache, then doing it. So an end is held back until a part
    that needs it begins, something is said a second later, or the build is over.
    """

    def __init__(self) -> None:
        self._vertices: dict[str, _Vertex] = {}
        self._lines: dict[tuple[str, str], CutLine] = {}
        self._now = 0.0  # the latest moment the builder spoke of

    def feed(self, message: bytes) -> list[BuildEvent]:
        """One StatusResponse. ValueError when it isn't one."""
        events: list[BuildEvent] = []
        for number, value in fields(message):
            if number == 1:
                events += self._vertex(bytes_of(value))
            elif number == 2:
                events += self._status(bytes_of(value))
            elif number == 3:
                events += self._log(bytes_of(value))
        for each in self._vertices.values():
            if each.over and each.completed is not None and self._now - each.completed > _PATIENCE:
                events += self._end(each)
        return events

    def rest(self) -> list[BuildEvent]:
        """At the end of the build: lines without a newline, ends that were held back."""
        events: list[BuildEvent] = []
        for each in self._vertices.values():
            if each.over:
                events += self._end(each)
        for owner, _ in list(self._lines):
            events += self._rest_of_lines(owner)
        return events

    def _vertex(self, message: bytes) -> Iterator[BuildEvent]:
        told = _read_vertex(message)
        known = self._vertices.setdefault(told.id, told)
        known.name, known.inputs, known.cached = told.name, told.inputs, told.cached
        known.started, known.completed, known.error = told.started, told.completed, told.error
        self._now = max(self._now, told.started or 0.0, told.completed or 0.0)
        if known.started is None:
            return
        if not known.told_start:
            known.told_start = True
            yield from self._ends_before(known)
            if not known.cached:
                yield VertexStarted(known.id, known.name)
        if known.completed is not None:
            known.spent[known.started] = max(0.0, known.completed - known.started)
            if known.error:
                yield from self._end(known)

    def _ends_before(self, beginning: _Vertex) -> Iterator[BuildEvent]:
        """What a beginning part proves to be over: its inputs; everything, for one that has none said."""
        for each in self._vertices.values():
            if each.over and each is not beginning and (each.id in beginning.inputs or not beginning.inputs):
                yield from self._end(each)

    def _end(self, vertex: _Vertex) -> Iterator[BuildEvent]:
        if not vertex.told_end:
            vertex.told_end = True
            yield from self._rest_of_lines(vertex.id)
            seconds = sum(vertex.spent.values())
            yield VertexEnded(vertex.id, vertex.name, seconds, vertex.cached, vertex.error)

    def _status(self, message: bytes) -> Iterator[BuildEvent]:
        owner = name = shown = ""
        done = total = 0
        for number, value in fields(message):
            if number == 1:
                name = text_of(value)
            elif number == 2:
                owner = text_of(value)
            elif number == 3:
                shown = text_of(value)
            elif number == 4:
                done = number_of(value)
            elif number == 5:
                total = number_of(value)
            elif number in (6, 7, 8):
                self._now = max(self._now, _moment(bytes_of(value)))
        if total > 0 or done > 0:
            yield VertexProgress(owner, f"{shown} {name}".strip() if shown else name, done, total)

    def _log(self, message: bytes) -> Iterator[BuildEvent]:
        owner, stream, said = "", 1, b""
        for number, value in fields(message):
            if number == 1:
                owner = text_of(value)
            elif number == 2:
                self._now = max(self._now, _moment(bytes_of(value)))
            elif number == 3:
                stream = number_of(value)
            elif number == 4:
                said = bytes_of(value)
        name: Literal["stdout", "stderr"] = "stderr" if stream == 2 else "stdout"
        line = self._lines.setdefault((owner, name), CutLine())
        *whole, last = said.split(b"\n")
        for part in whole:
            line.add(part)
            yield VertexLine(owner, name, line.take().removesuffix("\r"))
        line.add(last)

    def _rest_of_lines(self, owner: str) -> Iterator[BuildEvent]:
        streams: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
        for name in streams:
            line = self._lines.pop((owner, name), None)
            if line is not None and line.kept:
                yield VertexLine(owner, name, line.take())


def _read_vertex(message: bytes) -> _Vertex:
    vertex, inputs = _Vertex(""), list[str]()
    for number, value in fields(message):
        if number == 1:
            vertex.id = text_of(value)
        elif number == 2:
            inputs.append(text_of(value))
        elif number == 3:
            vertex.name = text_of(value)
        elif number == 4:
            vertex.cached = bool(value)
        elif number == 5:
            vertex.started = _moment(bytes_of(value))
        elif number == 6:
            vertex.completed = _moment(bytes_of(value))
        elif number == 7:
            vertex.error = text_of(value)
    vertex.inputs = tuple(inputs)
    return vertex


def _moment(message: bytes) -> float:
    """A Timestamp, in seconds."""
    parts = {number: number_of(value) for number, value in fields(message)}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9
