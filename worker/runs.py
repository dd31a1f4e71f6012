"""One Target from claim to end. Whatever happens, it ends, is handed back, or its lease expires: it is never stuck."""

from typing import Final

import structlog

from deployments import claims, queue
from worker import local_engine
from worker.attempts import Attempt, cancelled_before
from worker.brief import Brief, target_brief
from worker.builds import BuildAttempt
from worker.compose_attempts import ComposeAttempt
from worker.compose_builds import ComposeBuildAttempt
from worker.engine.errors import Cancelled
from worker.engine.events import StepEnded
from worker.engine.lacking import asks_much
from worker.engine.rollout import deploy
from worker.keeper import Keeper, uptime
from worker.patience import claimed
from worker.recorder import Recorder
from worker.servers import BuildOpener, ComposeOpener, Opener, open_builder, open_compose, open_server

log = structlog.get_logger(__name__)

NOT_KNOWN: Final = "The worker that took it does not know how this is done; it waits for one that does."
BACK_SECONDS: Final = 10.0


def run(
    target_id: int,
    keeper: Keeper,
    opener: Opener = open_server,
    build_opener: BuildOpener = open_builder,
    compose_opener: ComposeOpener = open_compose,
) -> None:
    """Claim this Target and bring it to its end; nothing when somebody else has it or its turn hasn't come."""
    if keeper.stopping:
        keeper.pass_on(queue.RUN_TARGET, target_id)
        return
    with keeper.claiming.asking("target", target_id):
        claim, asked_at = claimed(lambda: _claim(target_id, keeper), uptime, lambda: keeper.stopping)
    if claim is None:
        return
    log.info("target claimed", target=claim.id, fence=claim.fence)
    with keeper.holding("target", claim, asked_at) as held:
        match claim.role, claim.source:
            case "build", "compose":
                ComposeBuildAttempt(held, keeper, opener, build_opener, compose_opener).carry_out()
            case "build", "git":
                BuildAttempt(held, keeper, opener, build_opener).carry_out()
            case "deploy", "compose":
                ComposeAttempt(held, keeper, opener, compose_opener).carry_out()
            case "deploy", "" | "git" | "local":  # all of these run one image as one container
                DeployAttempt(held, keeper, opener).carry_out()
            case role, source:
                log.error("claimed what this worker does not know", target=claim.id, role=role, source=source)
                claims.hand_back_target(claim, reason=NOT_KNOWN, delay_seconds=BACK_SECONDS)


def _claim(target_id: int, keeper: Keeper) -> claims.Claim | None:
    return keeper.claiming.claim_target(
        target_id,
        lambda: claims.claim_target(target_id, holder=keeper.holder, engines=local_engine.held()),
        busy=keeper.busy,
    )


class DeployAttempt(Attempt[Brief]):
    """One attempt at bringing a Release to a server."""

    def brief(self) -> Brief:
        """The Release, the server, the secrets."""
        return target_brief(self.claim.id, self.claim.fence)

    def work(self, brief: Brief, recorder: Recorder) -> None:
        """Connect, then write down what the engine says. Where an earlier attempt left the server half changed, even a
        cancel has to connect: it is the engine that restores."""
        if self.touched:
            self.signals.shield()
        try:
            host = self.connect(
                self.opener(brief.connection, self.signals, brief.image_from),
                recorder,
                brief.connection.address,
                asks_much=asks_much(brief.spec.container.options),
            )
        except Cancelled:
            recorder.record(StepEnded("connect", "cancelled", "cancelled"))
            recorder.record(cancelled_before(self.target.host_name))
            return
        self.signals.rearm()
        for event in deploy(brief.spec, host, self.facts):
            recorder.record(event)
