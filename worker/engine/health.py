"""Waiting until a container is proven: N good answers in a row, with an unchanged restart count.

Pace: until the first good answer one asks every `interval`, but at least every 100 ms, so that a quick start is seen
at once; from then on one asks every `interval`, so that the passes cover some time. The container itself is looked at
every 100 ms throughout: an exit is noticed at once. The deadline is measured from the moment the watch begins, which
for a new container is its start.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

from worker.engine.at_once import at_once
from worker.engine.container_host import Container, ContainerHost, Follow
from worker.engine.errors import HostError
from worker.engine.events import Event, Line, Progress, StepKey, Wrote
from worker.engine.probing import Answer, ask
from worker.engine.spec import HealthSpec

_TICK = 0.1
_EARSHOT = 0.025  # how often one that talks is listened to meanwhile
_BREATH = 0.01  # and in a burst: whoever reads the connection needs the processor, too
_BURST = 200  # lines between two looks that are more than a container's ordinary talk
_BULK = 1 << 14  # bytes that count as much: of a line that has no end yet
_QUIET = 4  # waits of 50 ms with less: an engine with much else to do sends a burst in pieces
_PAUSED = Answer(ok=False, text="it is paused")
_CATCH_UP = 10.0  # for one that never stops talking like that


@dataclass(slots=True)
class Watched:
    """Which container is judged, and how. `recent` collects its lines; `step` is where its progress belongs."""

    name: str
    health: HealthSpec
    port: int | None = None
    network: str | None = None
    recent: deque[str] = field(default_factory=deque)
    heard: int = 0  # lines of it that are in the log already; counted on
    audible: bool = True  # its output goes into the log
    step: StepKey = "health"
    reaches: bool = True  # its server reaches it where the engine says it is


@dataclass(frozen=True, slots=True)
class Proof:
    """How it ended. `container` is the last look at it, None when it is gone; `proven_at` the first pass in host time."""

    proven: bool
    answer: str
    waited: float
    container: Container | None
    proven_at: float = 0.0
    alive: bool = True  # it was running at the last look
    timed_out: bool = False


def watch(host: ContainerHost, watched: Watched) -> Generator[Event, None, Proof]:
    """Ask until it is proven, has exited, or the deadline passes. Its output goes into the log meanwhile."""
    ears = _Ears(host, watched)
    try:
        return (yield from _Watch(host, watched, ears).run())
    finally:
        ears.close()


class _Watch:
    def __init__(self, host: ContainerHost, watched: Watched, ears: "_Ears") -> None:
        self.host, self.watched, self.ears, self.health = host, watched, ears, watched.health
        self.began = host.now()
        self.well_since = self.began
        self.restarts: int | None = None
        self.passes = 0
        self.first_pass = 0.0
        self.due = self.began
        self.answer = Answer(ok=False, text="")

    def run(self) -> Generator[Event, None, Proof]:
        yield self._progress()
        said, container = at_once(self.host, self.ears.open, self._look)
        self.ears.container = container.id if container else ""
        yield from said
        heard = 0
        while True:
            heard += yield from self.ears.lines()
            if container is None or (not container.running and container.status != "restarting"):
                yield from self.ears.rest()
                return self._proof(container, alive=False)
            yield from self._judge(container)
            if self._proven():
                proof = self._proof(container, proven=True)
                yield from self.ears.catch_up()
                return proof
            if self.answer.final or self.host.now() - self.began >= self.health.deadline:
                yield from self.ears.lines()
                return self._proof(container, timed_out=not self.answer.final)
            heard = yield from self._wait(min(_TICK, max(self.health.interval, 0.01)), heard)
            container = self._look()

    def _wait(self, seconds: float, came: int) -> Generator[Event, None, int]:
        """How many lines were heard meanwhile. One of which some `came` just now is listened to."""
        until, heard, talks = self.host.now() + seconds, 0, came > 0
        while talks and until - self.host.now() > _EARSHOT:
            self.host.wait(_BREATH if came >= _BURST else _EARSHOT)
            came = yield from self.ears.lines()
            heard += came
        self.host.wait(max(0.0, until - self.host.now()))
        return heard

    def _look(self) -> Container | None:
        return self.host.container(self.watched.name)

    def _judge(self, container: Container) -> Generator[Event, None, None]:
        if container.restart_count != self.restarts or container.status == "restarting":
            if self.restarts is not None and container.restart_count != self.restarts:
                yield Line(f"{self.watched.name} was restarted: counting from the start.", level="warn")
            self.restarts, self.passes, self.well_since = container.restart_count, 0, self.host.now()
        if container.status == "restarting":
            return
        if container.paused:
            yield from self._lies_still()
            return
        if self.health.kind == "running":
            yield from self._count_seconds()
        elif self.host.now() >= self.due:
            yield from self._count_passes(container)

    def _lies_still(self) -> Generator[Event, None, None]:
        """Its kernel takes connections, and its last check may have gone well: nothing of that is an answer."""
        if self.answer != _PAUSED:
            yield Line(
                f"Not healthy yet: {self.watched.name} was paused by hand; docker unpause continues it.", level="warn"
            )
        self.answer, self.passes, self.well_since, self.due = _PAUSED, 0, self.host.now(), self.host.now()

    def _count_seconds(self) -> Generator[Event, None, None]:
        seconds = self.host.now() - self.well_since
        if self.passes == 0 and self.first_pass < self.well_since:
            self.first_pass = self.well_since
        if int(seconds) != self.passes:
            self.passes = int(seconds)
            yield self._progress()
        self.answer = Answer(ok=seconds >= self.health.run_seconds, text=f"ran for {seconds:.1f} s")

    def _count_passes(self, container: Container) -> Generator[Event, None, None]:
        before, at = self.answer, self.host.now()
        watched = self.watched
        self.answer = ask(self.host, container, self.health, watched.port, watched.network, reaches=watched.reaches)
        if self.answer.final and self._starting():
            self.answer = Answer(ok=False, text=self.answer.text)
        if self.answer.ok:
            self.first_pass = self.first_pass if self.passes else at
            self.passes += 1
            self.due = at + self.health.interval
            yield self._progress()
            return
        self.due = at
        if self.passes:
            self.passes = 0
            yield self._progress()
        if self.answer.text != before.text and not self._starting():
            yield Line(f"Not healthy yet: {self.answer.text}.")

    def _starting(self) -> bool:
        return self.host.now() - self.began < self.health.start_period

    def _proven(self) -> bool:
        if self.health.kind == "running":
            return self.answer.ok
        return self.passes >= max(1, self.health.passes)

    def _progress(self) -> Progress:
        if self.health.kind == "running":
            return Progress(
                "health", self.passes, max(1, round(self.health.run_seconds)), "seconds without a restart", "passes"
            )
        return Progress(self.watched.step, self.passes, max(1, self.health.passes), self.answer.text, "passes")

    def _proof(
        self, container: Container | None, *, proven: bool = False, alive: bool = True, timed_out: bool = False
    ) -> Proof:
        waited = self.host.now() - self.began
        return Proof(proven, self.answer.text, waited, container, self.first_pass, alive, timed_out)


class _Ears:
    """A container's output as lines of the log. A stream that can't be had is said, and changes nothing else."""

    _PATIENCE = 20  # waits of 50 ms for the last lines of a container that has ended

    def __init__(self, host: ContainerHost, watched: Watched) -> None:
        self.host, self.watched = host, watched
        self.stream: Follow | None = None
        self.count = self.arrived = 0
        self.container = ""  # its ID
        self.remembers_all = not watched.recent  # so what an earlier attempt told, too: a diagnosis looks at it

    def open(self) -> list[Line]:
        """Begin to listen; what is to be said of it."""
        if self.watched.audible:
            try:
                self.stream = self.host.follow(self.watched.name)
            except HostError as error:
                said = f"The output of {self.watched.name} can't be followed: {error.message}"
                return [Line(said, level="warn")]
        return []

    def lines(self) -> Generator[Event, None, int]:
        """How many came; as many as a burst has where much of a line did that isn't over."""
        came = self.stream.available() if self.stream is not None else ()
        before, self.arrived = self.arrived, self.stream.arrived if self.stream is not None else 0
        self.count += len(came)
        fresh = self.count - self.watched.heard  # a stream begins with the container's first line
        new = came[-fresh:] if fresh > 0 else ()
        self.watched.recent.extend(each.text for each in (came if self.remembers_all else new))
        if new:
            self.watched.heard = self.count
            yield Wrote(new, self.container, self.count)
        return max(len(came), _BURST if self.arrived - before >= _BULK else 0)

    def rest(self) -> Generator[Event, None, None]:
        """What a container that has ended still had to say."""
        for _ in range(self._PATIENCE):
            ended = self.stream is None or self.stream.ended
            heard = yield from self.lines()
            if ended and not heard:
                return
            if not ended:
                self.host.wait(0.05)

    def catch_up(self) -> Generator[Event, None, None]:
        """What it had said by now and is still on its way: after a burst the network and the log are behind the container."""
        until = self.host.now() + _CATCH_UP
        heard = yield from self.lines()
        quiet = 0 if heard >= _BURST else _QUIET
        while quiet < _QUIET and self.host.now() < until:
            self.host.wait(0.05)
            heard = yield from self.lines()
            quiet = 0 if heard >= _BURST else quiet + 1
        if quiet < _QUIET:
            yield Line(
                f"{self.watched.name} still writes much: what it wrote after this point is not in this log. Its server has "
                f"it: look at the container's own log there, or at docker logs {self.watched.name}.",
                level="warn",
            )

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
