"""One Target from claim to end. Whatever happens, it ends, is handed back, or its lease expires: it is never stuck."""

import uuid
from dataclasses import asdict, dataclass

import structlog
from django.db import connection as database

from deployments import claims, endings, sightings
from deployments.models import Target
from worker.brief import Brief, CannotBrief, target_brief
from worker.engine.errors import AuthenticationRefused, HostKeyChanged, HostLost, LeaseLost, SocketRefused
from worker.engine.events import Ended, StepEnded, StepStarted, Verdict
from worker.engine.rollout import deploy
from worker.keeper import Held, Keeper, uptime
from worker.logs import open_secrets
from worker.recorder import Recorder
from worker.redact import Masker
from worker.servers import Opener, open_server

log = structlog.get_logger(__name__)

UNTOUCHED_DELAYS = (2, 5, 10, 20)
TOUCHED_DELAYS = (2, 5, 10, 20, 40, 60, 60, 60)  # a server that reboots in the middle of a swap is waited for


def run(target_id: int, keeper: Keeper, opener: Opener = open_server) -> None:
    """Claim this Target and bring it to its end; nothing when somebody else has it or its turn hasn't come."""
    if keeper.stopping:
        return
    asked_at = uptime()
    claim = claims.claim_target(target_id, holder=keeper.holder)
    if claim is None:
        return
    with keeper.holding("target", claim, asked_at) as held:
        _Attempt(held, keeper, opener).carry_out()


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why an attempt could not go on."""

    what: str
    why: str = ""
    remedy: str = ""


class _Attempt:
    """One attempt at a Target, on one thread."""

    def __init__(self, held: Held, keeper: Keeper, opener: Opener) -> None:
        self.held, self.claim, self.keeper, self.opener = held, held.claim, keeper, opener
        self.target = Target.objects.select_related("host", "deployment").get(pk=self.claim.id)
        self.touched = self.target.touched
        self.recorder: Recorder | None = None

    def carry_out(self) -> None:
        """Brief, then deploy; every way out of it ends in a written state."""
        try:
            brief = target_brief(self.claim.id, self.claim.fence)
            masker = Masker(secret.reveal() for secret in brief.secrets)
            with open_secrets.using(masker):
                self._with_recorder(brief, masker)
        except CannotBrief as error:
            self._end_badly(_Trouble(error.message, remedy=error.remedy))
        except LeaseLost:
            self._let_go()
        except Exception:  # noqa: BLE001 - logged with an id; whatever it was, the Target must not stay as if somebody were at work
            self._end_unforeseen()

    def _with_recorder(self, brief: Brief, masker: Masker) -> None:
        self.recorder = recorder = Recorder(
            self.claim.id,
            self.claim.fence,
            masker,
            tail=self.keeper.tail,
            patience=self.held.signals.patience,
            lost=self.held.signals.lost.set,
        )
        database.close()  # not needed while the engine works; the recorder opens its own for each write
        with self.keeper.flusher.watching(recorder):
            try:
                self._deploy(brief, recorder)
                recorder.flush()
            except HostLost as error:
                self._host_lost(error, recorder)
                return
        self._end(recorder)

    def _deploy(self, brief: Brief, recorder: Recorder) -> None:
        """Connect, then write down what the engine says."""
        address = brief.connection.address
        recorder.record(StepStarted("connect"))
        if self.target.attempts > 1:
            recorder.say(f"Attempt {self.target.attempts}, by {self.keeper.name}.", "warn")
        recorder.say(f"Connecting to {address.host_name} at {address} as {address.user}.")
        with self.opener(brief.connection, self.held.signals) as host:
            facts = host.facts()
            seen = f"Docker {facts.engine_version}, {facts.os_type}/{facts.architecture}"
            recorder.say(f"Connected: {seen}.", "good")
            recorder.record(StepEnded("connect", "good", seen))
            for event in deploy(brief.spec, host):
                recorder.record(event)

    # ways out

    def _end(self, recorder: Recorder) -> None:
        if recorder.ended is None:
            raise RuntimeError("The engine ended without saying how.")
        endings.end_target(
            self.claim, recorder.ended, observed=recorder.observed, published=recorder.published, gap=recorder.gap
        )

    def _host_lost(self, error: HostLost, recorder: Recorder) -> None:
        """Try again later where that may help; else end, truthfully."""
        touched = self.touched or recorder.touched
        trouble = _Trouble(error.message, error.why, error.remedy)
        recorder.say(f"{error.message} {error.why}".strip(), "bad")
        if isinstance(error, HostKeyChanged):
            sightings.host_key_changed(self.target.host_id, error.offered_type, error.offered_key)
            self._end_badly(trouble)
            return
        delay = self._delay(touched, hopeless=isinstance(error, AuthenticationRefused | SocketRefused))
        if delay is None:
            self._end_badly(trouble)
            return
        recorder.say(f"Trying again in {delay} s.", "warn")
        recorder.flush()
        claims.hand_back_target(self.claim, reason=error.message, delay_seconds=delay, broke=True)

    def _delay(self, touched: bool, *, hopeless: bool) -> int | None:
        """Seconds until the next attempt, None when there is none: nothing was touched and waiting doesn't mend it."""
        delays = TOUCHED_DELAYS if touched else UNTOUCHED_DELAYS
        lost_before = self.target.connections_lost
        return None if (hopeless and not touched) or lost_before >= len(delays) else delays[lost_before]

    def _let_go(self) -> None:
        """Not ours any more: write nothing. Or the process ends: what is still ours goes back at once."""
        if not self.held.handing_back:
            log.warning("lease lost; nothing more is done", target=self.claim.id, fence=self.claim.fence)
            return
        reason = f"The worker {self.keeper.name} was stopped."
        claims.hand_back_target(self.claim, reason=reason)

    def _end_unforeseen(self) -> None:
        number = uuid.uuid4().hex[:8]
        log.exception("a Target's attempt failed unforeseen", target=self.claim.id, error_id=number)
        self._end_badly(
            _Trouble(
                "Estiva itself failed here, through an error that nobody foresaw.",
                why=f"The worker's log has the details under error_id={number}.",
                remedy="Please report it with those lines. Deploying again is safe.",
            )
        )

    def _end_badly(self, trouble: _Trouble) -> None:
        """End without the engine's own word: it is only known whether the server was touched."""
        touched = self.touched or bool(self.recorder and self.recorder.touched)
        name = self.target.host_name
        state = (
            f"{name} was changed already, and what runs there now is not known."
            if touched
            else f"Nothing was changed on {name}."
        )
        ended = Ended(
            Verdict.NEEDS_ATTENTION if touched else Verdict.FAILED_UNTOUCHED,
            what=f"{trouble.what} {state}",
            why=trouble.why,
            remedy=trouble.remedy,
        )
        try:
            if self.recorder:
                self.recorder.record(ended)
                self.recorder.fail_open_step(trouble.what)
                self.recorder.flush()
            endings.end_target(self.claim, (self.recorder and self.recorder.ended) or asdict(ended))
        except LeaseLost:
            self._let_go()
