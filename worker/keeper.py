"""Keeps what this process holds: one thread that beats the leases, passes on cancellations and lets go when the process ends.

What is held is lost the moment it isn't sure any more: when the database says so, or when no beat got through for so long
that another worker may have taken over. The engine's own thread meets that at its next call, through `LeaseSignals`.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection

from deployments import claims, hints
from deployments.claims import Claim
from worker import local_engine, presence
from worker.connections.signals import Signals
from worker.engine.errors import LeaseLost
from worker.flusher import Flusher
from worker.live_tail import LiveTail
from worker.solitude import Claiming, Kind

log = structlog.get_logger(__name__)

BEAT_SECONDS = 7.0
LOOK_SECONDS = 1.0
MARGIN_SECONDS = 3.0
EXIT_SECONDS = 4.5


def uptime() -> float:
    """Seconds that also pass while this machine sleeps: a lease does not wait for a suspended worker."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseSignals(Signals):
    """Signals that also know when the lease can't be trusted any more, without asking anybody."""

    def __init__(self, claimed_at: float) -> None:
        super().__init__()
        self.beaten(claimed_at)

    def beaten(self, at: float) -> None:
        """The lease was renewed by a query that was sent at this `uptime`."""
        self._safe_until = at + claims.LEASE.total_seconds() - MARGIN_SECONDS

    def patience(self) -> float:
        """Seconds for which the lease surely lasts; 0 or less when it may be over."""
        return self._safe_until - uptime()

    def rearm(self) -> None:
        """Raise `Cancelled` again: what was shielded is over."""
        self._shielded = False

    def check(self) -> None:
        """As the base does, the lease looked at first."""
        self.check_lease()
        super().check()

    def check_lease(self) -> None:
        """`LeaseLost` if it is lost or may be over."""
        if self.patience() <= 0:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost("Another worker may hold this work now.")


class Held:
    """One claim of this process."""

    def __init__(self, kind: Kind, claim: Claim, claimed_at: float) -> None:
        self.kind, self.claim = kind, claim
        self.signals = LeaseSignals(claimed_at)
        self.handing_back = False

    def let_go(self) -> None:
        """Make the engine's thread stop, so that it can hand back what is still ours."""
        self.handing_back = self.signals.handing_back = True
        self.signals.lost.set()


class Keeper:
    """One a process. `name` is the worker's, as people read it; `holder` tells this very process from its predecessor."""

    def __init__(
        self,
        name: str,
        role: str,
        capacity: int,
        *,
        beat_seconds: float = BEAT_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.name, self.role, self.capacity = name, role, capacity
        self.holder = f"{name}#{os.getpid()}"
        self.flusher, self.tail = Flusher(), LiveTail()
        self.claiming = Claiming(uptime)
        self._beat_seconds, self._look_seconds = beat_seconds, look_seconds
        self._held: set[Held] = set()
        self._passed_on: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._beat_at = -1e9
        self._thread = threading.Thread(target=self._loop, name="keeper", daemon=True)

    # for the process

    def start(self) -> None:
        """Start beating."""
        self.flusher.start()
        self._thread.start()

    def begin_stop(self) -> None:
        """Claim nothing more and let go of everything. Returns at once: fit for a signal handler."""
        self._stop.set()

    def join(self, seconds: float = EXIT_SECONDS) -> None:
        """Wait until the thread has ended (seconds at most); it may never have begun, where the broker didn't answer."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        self.flusher.stop()

    def pass_on(self, task: str, object_id: int) -> None:
        """Keep a hint that came while the process ends, for others: it is sent again once this one takes no more."""
        self._passed_on.append((task, object_id))

    def send_passed_on(self) -> None:
        """Send them; called when this process takes no messages any more."""
        for hint in self._passed_on:
            hints.send(*hint)

    @property
    def stopping(self) -> bool:
        """The process is about to end."""
        return self._stop.is_set()

    # for a run

    @property
    def busy(self) -> bool:
        """It holds something."""
        return not self._idle.is_set()

    @contextmanager
    def holding(self, kind: Kind, claim: Claim, claimed_at: float) -> Iterator[Held]:
        """Keep this claim's lease meanwhile. `claimed_at` is the `uptime` before the claim was sent."""
        held = Held(kind, claim, claimed_at)
        with self._lock:
            self._held.add(held)
            self._idle.clear()
        if self.stopping:
            held.let_go()
        try:
            yield held
        finally:
            with self._lock:
                self._held.discard(held)
                if not self._held:
                    self._idle.set()

    # the thread

    def _loop(self) -> None:
        while not self.stopping:
            self._guarded(self._round)
            self._stop.wait(self._look_seconds)
        for held in self._snapshot():
            held.let_go()
        if not self._idle.wait(EXIT_SECONDS):
            log.warning("not everything was handed back in time; its leases will expire", worker=self.name)
        self._guarded(lambda: presence.forget(self.name))
        connection.close()

    def _round(self) -> None:
        held = self._snapshot()
        for each in held:
            if each.signals.patience() <= 0:
                each.signals.lost.set()
        if uptime() - self._beat_at >= self._beat_seconds:
            self._beat(held)
        self._pass_on_cancellations(held)

    def _beat(self, held: list[Held]) -> None:
        asked_at = uptime()
        targets = [each.claim for each in held if each.kind == "target"]
        operations = [each.claim for each in held if each.kind == "operation"]
        lost = claims.beat(self.holder, targets, operations)
        for each in held:
            if each.claim in lost:  # or it ended in this very moment: then nobody listens any more
                each.signals.lost.set()
            else:
                each.signals.beaten(asked_at)
        presence.beat(self.name, self.role, busy=len(held), capacity=self.capacity, engine=local_engine.current())
        self._beat_at = asked_at

    def _pass_on_cancellations(self, held: list[Held]) -> None:
        waiting = [each for each in held if not each.signals.cancelled.is_set()]
        if not waiting:
            return
        targets = claims.cancel_wanted([each.claim.id for each in waiting if each.kind == "target"])
        runs = claims.cancel_wanted_of_runs([each.claim.id for each in waiting if each.kind == "operation"])
        for each in waiting:
            if each.claim.id in (targets if each.kind == "target" else runs):
                each.signals.cancelled.set()

    def _snapshot(self) -> list[Held]:
        with self._lock:
            return list(self._held)

    def _guarded(self, work: Callable[[], None]) -> None:
        """The thread must outlive a database that is away, and anything unforeseen."""
        try:
            work()
        except DatabaseError as error:
            log.warning("the database does not answer; leases are not renewed", error=str(error).strip())
            connection.close()
        except Exception:
            log.exception("the keeper's round failed")


_process_keeper: Keeper | None = None


def set_process_keeper(keeper: Keeper) -> None:
    """Called once, when the worker process starts."""
    global _process_keeper
    _process_keeper = keeper


def process_keeper() -> Keeper:
    """This process's."""
    if _process_keeper is None:
        raise RuntimeError("This process has no Keeper: start it with `celery -A worker.celery worker`.")
    return _process_keeper
