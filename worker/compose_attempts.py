"""A deploy Target of a Compose application: brief it, connect, and write down what the engine says."""

from worker.attempts import Attempt, cancelled_before
from worker.compose_brief import ComposeBrief, compose_brief
from worker.engine.compose.rollout import deploy_compose
from worker.engine.errors import Cancelled
from worker.engine.events import StepEnded
from worker.keeper import Held, Keeper
from worker.recorder import Recorder
from worker.servers import ComposeOpener, Opener


class ComposeAttempt(Attempt[ComposeBrief]):
    """One attempt at bringing a Release of a Compose application to a server."""

    def __init__(self, held: Held, keeper: Keeper, opener: Opener, compose_opener: ComposeOpener) -> None:
        super().__init__(held, keeper, opener)
        self.compose_opener = compose_opener

    def brief(self) -> ComposeBrief:
        """The Release's files, images and variables, those of what serves, the server."""
        return compose_brief(self.claim.id, self.claim.fence)

    def work(self, brief: ComposeBrief, recorder: Recorder) -> None:
        """As for a single container: even a cancel has to connect where an earlier attempt left the server half changed."""
        if self.touched:
            self.signals.shield()
        opening = self.compose_opener(brief.connection, self.signals, brief.image_from)
        try:
            host = self.connect(opening, recorder, brief.connection.address)
        except Cancelled:
            recorder.record(StepEnded("connect", "cancelled", "cancelled"))
            recorder.record(cancelled_before(self.target.host_name))
            return
        self.signals.rearm()
        for event in deploy_compose(brief.spec, host):
            recorder.record(event)
