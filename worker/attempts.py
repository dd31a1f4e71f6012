"""One attempt at a Target, whatever is done on its host: from the claim to an end, a hand-back, or a lost lease."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from django.db import connection as database

from deployments import claims, endings
from deployments.models import Target
from deployments.sightings import Where
from worker.alarms import sound_alarm
from worker.away import delay_after, is_left_out
from worker.brief import CannotBrief, HostConnection, KeyAlarm
from worker.connections.ssh import SshAddress
from worker.engine.container_host import EngineFacts
from worker.engine.errors import (
    HostKeyChanged,
    HostLost,
    LeaseLost,
    NewerFence,
)
from worker.engine.events import Ended, StepEnded, StepStarted, Verdict
from worker.engine.spec import Secret
from worker.keeper import Held, Keeper
from worker.log_text import storable
from worker.logs import open_secrets
from worker.patience import patiently
from worker.recorder import Recorder
from worker.redact import Masker
from worker.servers import Opener

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

KEY_DELAY, MOST_KEY_DELAY = 30.0, 300.0  # seconds between looks whether a changed host key was trusted


class AnyBrief(Protocol):
    """What every attempt has to know."""

    @property
    def connection(self) -> HostConnection:
        """Where it is done."""
        ...

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """For the Masker."""
        ...


class AnyServer(Protocol):
    """What every kind of server tells."""

    def facts(self, *, anew: bool = True) -> EngineFacts:
        """Of its engine."""
        ...


B = TypeVar("B", bound=AnyBrief)
C = TypeVar("C", bound=AnyServer)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an attempt could not go on."""

    what: str
    why: str = ""
    remedy: str = ""


class Attempt(ABC, Generic[B]):
    """One attempt at a Target, on one thread. `brief` and `work` say what it is about."""

    def __init__(self, held: Held, keeper: Keeper, opener: Opener) -> None:
        self.held, self.claim, self.keeper, self.opener = held, held.claim, keeper, opener
        self.signals = held.signals
        self.target = self.patiently(lambda: Target.objects.select_related("host", "deployment").get(pk=held.claim.id))
        if self.target.deployment.cancel_requested_at is not None:
            self.signals.cancelled.set()  # the keeper's next look may come when what serves is stopped already
        self.recorder: Recorder | None = None
        self.masker = Masker(())
        self.opened = ExitStack()
        self.facts: EngineFacts | None = None  # once connected

    @abstractmethod
    def brief(self) -> B:
        """Everything it needs, from the rows; `CannotBrief` when something is missing."""

    @abstractmethod
    def work(self, brief: B, recorder: Recorder) -> None:
        """Do it, and write down what is said; the last that is recorded is `Ended`."""

    @property
    def touched(self) -> bool:
        """The server was changed, by this attempt or by one before."""
        return self.target.touched or bool(self.recorder and self.recorder.touched)

    def carry_out(self) -> None:
        """Brief, then work; every way out of it ends in a written state."""
        try:
            brief = self.patiently(self.brief)
            self.masker = Masker(secret.reveal() for secret in brief.secrets)
            with open_secrets.using(self.masker):
                self._with_recorder(brief)
        except KeyAlarm as error:
            self._key_changed(error.message, Trouble(error.message, remedy=error.remedy))
        except CannotBrief as error:
            self._end_badly(Trouble(error.message, remedy=error.remedy))
        except NewerFence as error:
            self._overtaken(error)
        except LeaseLost:
            self._let_go()
        except Exception:  # noqa: BLE001 - logged with an id; whatever it was, it must not look as if somebody were at work
            self._end_unforeseen()

    def _with_recorder(self, brief: B) -> None:
        self.recorder = recorder = self.patiently(
            lambda: Recorder(
                self.claim.id,
                self.claim.fence,
                self.masker,
                tail=self.keeper.tail,
                patience=self.signals.patience,
                lost=self.signals.lost.set,
            )
        )
        database.close()  # not needed while the engine works; the recorder opens its own for each write
        with self.keeper.flusher.watching(recorder), self.opened:
            try:
                self.work(brief, recorder)
            except HostLost as error:
                self._host_lost(error, recorder, brief.connection.address.where)
            else:
                recorder.flush()
                self._end(recorder)

    def connect(
        self, opening: AbstractContextManager[C], recorder: Recorder, where: SshAddress, *, asks_much: bool = True
    ) -> C:
        """The first step on every server, said line by line; the server stays open until the attempt is over.

        `asks_much`: what the engine can do matters, and is asked anew.
        """
        recorder.record(StepStarted("connect"))
        if self.target.attempts > 1:
            recorder.say(f"Attempt {self.target.attempts}, by {self.keeper.name}.", "warn")
        recorder.say(f"Connecting to {where.host_name} at {where.in_words}.")
        self.keeper.flusher.hurry()  # the first line: whoever clicked waits for it
        host = self.opened.enter_context(opening)
        self.facts = facts = host.facts(anew=asks_much)
        seen = f"{facts.name}, {facts.os_type}/{facts.architecture}"
        recorder.say(f"Connected: {seen}.", "good")
        recorder.record(StepEnded("connect", "good", seen))
        return host

    def built(self, recorder: Recorder) -> dict[str, Any] | None:
        """What a build made, for the record; a deploy makes nothing."""
        return None

    def patiently(self, work: Callable[[], _T]) -> _T:
        """Do it against the database, as long as the lease surely lasts."""
        return patiently(work, self.signals.patience)

    # ways out

    def _end(self, recorder: Recorder) -> None:
        ended = recorder.ended
        if ended is None:
            raise RuntimeError("The engine ended without saying how.")
        written = self.patiently(
            lambda: endings.end_target(
                self.claim,
                ended,
                observed=recorder.observed,
                published=recorder.published,
                gap=recorder.gap,
                built=self.built(recorder),
            )
        )
        if written:
            log.info("target ended", target=self.claim.id, fence=self.claim.fence, verdict=ended["verdict"])
        else:
            log.warning("somebody else ended this first", target=self.claim.id, fence=self.claim.fence)

    def _host_lost(self, error: HostLost, recorder: Recorder, where: Where) -> None:
        """Try again later where that may help; else end, truthfully."""
        self.signals.check_lease()
        if isinstance(error, HostKeyChanged):
            changed = error
            self.patiently(lambda: sound_alarm(self.target.host_id, where, changed))
            self._key_changed(error.message, Trouble(error.message, error.why, error.remedy))
            return
        delay = delay_after(error, self.target, touched=self.touched)
        if delay is None and is_left_out(error, self.target, touched=self.touched):
            self._leave_out(error)
            return
        if delay is None:
            self._end_badly(Trouble(error.message, error.why, error.remedy))
            return
        recorder.say(f"{error.message} {error.why}".strip(), "bad")
        recorder.say(f"Trying again in {delay} s.", "warn")
        recorder.flush()
        self._hand_back(error.message, delay=delay, broke=True)

    def _key_changed(self, message: str, trouble: Trouble) -> None:
        """Where something was begun, stand still until an admin has trusted a key: then it can still be put right."""
        if not self.touched:
            self._end_badly(trouble)
            return
        reason = f"{message} This goes on once an admin has trusted its key again."
        if self.recorder:
            self.recorder.fail_open_step(message)
            self.recorder.say(reason, "bad")
            self.recorder.flush()
        self._hand_back(reason, delay=min(KEY_DELAY * self.target.attempts, MOST_KEY_DELAY))

    def _leave_out(self, error: HostLost) -> None:
        """Leave the server out: nothing was begun there, and what it missed is on record."""
        what = f"Left out: {error.message} Nothing was changed there; it is behind until it catches up."
        if self.recorder:
            self.recorder.fail_open_step(error.message)
            self.recorder.say(what, "warn")
            self.recorder.flush()
        outcome = {"verdict": "skipped", "what": self.masker.mask(storable(what)), "why": error.why, "away": True}
        self.patiently(lambda: endings.end_target(self.claim, outcome))
        log.warning("target left out", target=self.claim.id, fence=self.claim.fence, host=self.target.host_name)

    def _overtaken(self, error: NewerFence) -> None:
        """Somebody newer was at this server. Where the record knows of nobody, it is the record that is older."""
        reason = (
            f"{self.target.host_name} remembers newer work (fence {error.fence}) than Estiva's record "
            f"(fence {self.claim.fence}), as after a restored backup. The count goes on from there."
        )
        try:
            if self.recorder:
                self.recorder.say(reason, "warn")
                self.recorder.flush()
            fence = error.fence
            handed_back = self.patiently(
                lambda: claims.hand_back_overtaken(self.claim, seen_fence=fence, reason=reason)
            )
        except LeaseLost:
            handed_back = False
        if not handed_back:
            self._let_go()

    def _let_go(self) -> None:
        """Not ours any more: write nothing. Or the process ends: what is still ours goes back at once."""
        if not self.held.handing_back:
            log.warning("lease lost; nothing more is done", target=self.claim.id, fence=self.claim.fence)
            return
        reason = f"The worker {self.keeper.name} was stopped."
        try:
            if self.recorder:
                self.recorder.say(f"{reason} Another one goes on.", "warn")
                self.recorder.flush()
            self._hand_back(reason)
        except LeaseLost:
            log.warning("lease lost before it was handed back", target=self.claim.id, fence=self.claim.fence)

    def _hand_back(self, reason: str, *, delay: float = 0.0, broke: bool = False) -> None:
        reason = self.masker.mask(storable(reason))  # a server's own words may be in it
        self.patiently(lambda: claims.hand_back_target(self.claim, reason=reason, delay_seconds=delay, broke=broke))

    def _end_unforeseen(self) -> None:
        number = uuid.uuid4().hex[:8]
        log.exception("a Target's attempt failed unforeseen", target=self.claim.id, error_id=number)
        self._end_badly(
            Trouble(
                "Estiva itself failed here, through an error that nobody foresaw.",
                why=f"The worker's log has the details under error_id={number}.",
                remedy="Please report it with those lines. Deploying again is safe.",
            )
        )

    def _end_badly(self, trouble: Trouble) -> None:
        """End without the engine's own word: it is only known whether the server was touched."""
        ended = _ended(trouble, self.target.host_name, touched=self.touched)
        try:
            if self.recorder:
                self.recorder.fail_open_step(trouble.what)
                self.recorder.record(ended)
                self.recorder.flush()
            outcome = (self.recorder.ended if self.recorder else None) or asdict(ended)
            self.patiently(lambda: endings.end_target(self.claim, outcome))
            log.warning("target ended badly", target=self.claim.id, fence=self.claim.fence, what=outcome["what"])
        except LeaseLost:
            self._let_go()


def _ended(trouble: Trouble, name: str, *, touched: bool) -> Ended:
    if touched:
        verdict, state = Verdict.NEEDS_ATTENTION, f"{name} was changed already; what runs there now is not known."
    else:
        verdict, state = Verdict.FAILED_UNTOUCHED, f"Nothing was changed on {name}."
    return Ended(verdict, what=f"{trouble.what} {state}", why=trouble.why, remedy=trouble.remedy)


def cancelled_before(name: str) -> Ended:
    """Somebody cancelled while we had changed nothing."""
    return Ended(Verdict.CANCELLED_UNTOUCHED, what=f"Cancelled before anything was changed on {name}.")
