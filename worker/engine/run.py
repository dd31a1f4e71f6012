"""One attempt's state: what the steps of a deploy hand to each other."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from worker.engine.container_host import ContainerHost, EngineFacts, LocalImage
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Event, Gap, Mutated, StepEnded, StepKey, StepStarted
from worker.engine.failure import StepFailed
from worker.engine.inventory import Inventory
from worker.engine.spec import DeploySpec, Identity
from worker.engine.strategy import Strategy

_RECENT_LINES = 200
_T = TypeVar("_T")
_P = ParamSpec("_P")

Steps = Generator[Event, None, None]


@dataclass(slots=True)
class Run:
    """Mutable, for the length of one attempt and one thread."""

    spec: DeploySpec
    host: ContainerHost
    step: StepKey = "preflight"  # the one that is going on
    facts: EngineFacts | None = None  # known after preflight at the latest
    image: LocalImage | None = None  # known after the pull
    candidate: str = ""  # the new container's name, once there is one
    incumbent: str = ""  # the old container's name, as we hold it
    incumbent_id: str = ""
    incumbent_release: int | None = None
    incumbent_served: bool = False  # it ran when we came, or a deploy that never ended had stopped it
    incumbent_paused: bool = False  # by hand, when we came: it is to serve again, and did not
    incumbent_stopped: bool = False  # by this attempt or by one before
    strategy: Strategy = "stop-first"
    proven_restarts: int = 0  # the restart count at the proof
    mutated: bool = False
    past_return: bool = False  # an earlier attempt has removed the old container already
    gap_since: float | None = None  # host.now() when the old one was stopped, while nothing serves
    gap_is_whole: bool = False  # that moment is the server's own: an earlier attempt stopped it
    notes: list[str] = field(default_factory=list)  # what remains on the server, in words
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_RECENT_LINES))  # the candidate's output
    heard: int = 0  # how many of its lines are in the log

    @property
    def identity(self) -> Identity:
        """Whose work this is."""
        return self.spec.identity

    @property
    def server(self) -> str:
        """The server's name for messages."""
        return self.spec.host_name or "the server"

    def know_incumbent(self, inventory: Inventory) -> None:
        """Take note of the old container, and whether it served when it was first seen."""
        old = inventory.incumbent
        if old is None:
            self.incumbent = self.incumbent_id = ""
            return
        if not self.incumbent_id:
            self.incumbent_served = old.running or inventory.stopped_by_deploy
            self.incumbent_paused = old.container.paused
        self.incumbent_stopped = self.incumbent_stopped or inventory.stopped_by_deploy
        self.incumbent, self.incumbent_id, self.incumbent_release = old.name, old.container.id, old.release

    def touch(self) -> Steps:
        """Say once, before the first change, that the server won't be as it was found."""
        if not self.mutated:
            self.mutated = True
            yield Mutated()

    def close_gap(self, at: float) -> Steps:
        """Something serves again since `at`: say for how long nothing did."""
        if self.gap_since is not None:
            yield Gap(max(0.0, at - self.gap_since), whole=self.gap_is_whole)
            self.gap_since, self.gap_is_whole = None, False


class InSteps(Protocol):
    """Whatever is done in steps."""

    step: StepKey  # the one that is going on


def step(run: InSteps, key: StepKey, body: Generator[Event, None, str]) -> Steps:
    """Run a step's body between its start and its end; `body` returns the closing message.

    A refusal of the server becomes `StepFailed`, which like `Cancelled` goes on to the caller with the step closed. A
    lost connection or lease leaves it open: nothing is known, and nothing more is to be said.
    """
    run.step = key
    yield StepStarted(key)
    try:
        message = yield from body
    except Cancelled:
        yield StepEnded(key, "cancelled", "cancelled")
        raise
    except (HostError, StepFailed) as error:
        failure = error if isinstance(error, StepFailed) else StepFailed.of(error, f"The step {key} failed")
        failure.step = key
        yield StepEnded(key, "bad", failure.what)
        raise failure from error
    yield StepEnded(key, "good", message)


def attempt(doing: str, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Make one call to the server; a refusal says what we were `doing`."""
    try:
        return call(*args, **kwargs)
    except HostError as error:
        raise StepFailed.of(error, doing) from error
