"""One attempt's state: what the steps of a Compose deploy hand to each other."""

from collections import deque
from dataclasses import dataclass, field

from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.model import Model
from worker.engine.compose.sight import Sight
from worker.engine.compose.spec import ComposeSpec
from worker.engine.container_host import EngineFacts
from worker.engine.events import Gap, Mutated, StepKey
from worker.engine.run import Steps
from worker.engine.spec import Identity


@dataclass(slots=True)
class ComposeRun:
    """Mutable, for the length of one attempt and one thread."""

    spec: ComposeSpec
    host: ComposeHost
    step: StepKey = "preflight"
    facts: EngineFacts | None = None
    wanted: Model | None = None  # pinned, known after preflight
    previous: Model | None = None  # the way back, as far as there is one
    image_ids: dict[str, str] = field(default_factory=dict)  # service to image ID, known after the pull
    restarts: dict[str, int] = field(default_factory=dict)  # container ID to restart count, at the proof
    served: bool = False  # something of it ran when we came, or an earlier attempt had begun to change it
    serving_release: int | None = None
    mutated: bool = False
    holds_fence: bool = False
    down_since: dict[str, float] = field(default_factory=dict)  # container name to host.now(), while it doesn't serve
    longest_gap: float = 0.0
    gap_is_whole: bool = False  # part of it is by the server's own times: an earlier attempt's doing
    notes: list[str] = field(default_factory=list)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=200))  # what Compose said last

    @property
    def identity(self) -> Identity:
        """Whose work this is."""
        return self.spec.identity

    @property
    def server(self) -> str:
        """The server's name for messages."""
        return self.spec.host_name or "the server"

    def know(self, sight: Sight) -> None:
        """Take note of what serves when we come."""
        self.served = sight.serves or (self.spec.touched and self.spec.previous is not None)
        if self.served and self.spec.previous is not None:
            self.serving_release = self.spec.previous.release
        elif self.served:
            self.serving_release = max((sight.release_of(each) for each in sight.services), default=0) or None

    def touch(self) -> Steps:
        """Say once, before the first change, that the server won't be as it was found."""
        if not self.mutated:
            self.mutated = True
            yield Mutated()

    def gone_down(self, container: str, at: float | None = None) -> None:
        """This container doesn't serve, from now on or since then (`host.now()`)."""
        at = self.host.now() if at is None else at
        self.down_since[container] = min(at, self.down_since.get(container, at))

    def back_up(self, container: str, at: float | None = None) -> None:
        """It, or the one in its place, serves again."""
        since = self.down_since.pop(container, None)
        if since is not None:
            self.longest_gap = max(self.longest_gap, (self.host.now() if at is None else at) - since)

    def close_gap(self) -> Steps:
        """Everything serves: say for how long the part that was missing longest did not."""
        for name in list(self.down_since):
            self.back_up(name)
        if self.served:
            yield Gap(self.longest_gap, whole=self.gap_is_whole)
        self.longest_gap, self.gap_is_whole = 0.0, False
