"""A plain loop of its own process: what a lost message, a dead worker or a forgotten clock would leave undone.

Every round stands alone and may fail alone: a database or broker that is away is logged, and the next round comes.
"""

import functools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from deployments import audit, catching_up, claims, engines, hints, queue, restoring, sightings, stalls, waves
from deployments.actors import ESTIVA
from deployments.models import Host, Operation, Plan, WorkerProcess
from deployments.models.host import TRUSTED
from deployments.operations import request_operation
from deployments.states import OPERATION_ENDS, OPERATION_OPEN, HostState
from deployments.webhooks import automatic
from worker import presence
from worker.measured import measured

log = structlog.get_logger(__name__)

ROUND_SECONDS: Final = 2.0
KEEP: Final = timedelta(days=30)
FORGET_WORKERS: Final = timedelta(days=1)
NOT_CHECKED: Final = (HostState.UNTRUSTED, HostState.KEY_CHANGED, HostState.RETIRED)
CHECK_DEADLINE_SECONDS: Final = 45.0


@dataclass(slots=True)
class Duty:
    """Something done every so many seconds."""

    name: str
    seconds: float
    work: Callable[[], None]
    due: float = field(default=0.0)


class Reconciler:
    """Runs its duties until `stop` is set. `name` is this process's, as people read it."""

    def __init__(self, name: str | None = None, *, round_seconds: float = ROUND_SECONDS) -> None:
        self.name = name or f"reconciler@{socket.gethostname()}"
        self.stop = threading.Event()
        self._round_seconds = round_seconds
        self._duties = [
            Duty("expired leases", 0, release_expired),
            Duty("hints", 0, send_hints),
            Duty("deploys on push", 0, carry_on_plans),
            Duty("gates between waves", 0, open_gates),
            Duty("restores after a stop", 0, restore_stopped),
            Duty("catching up", 5, catch_up),
            Duty("host checks", min(5.0, settings.ESTIVA_HOST_CHECK_SECONDS / 2), request_checks),
            Duty("engines whose workers are gone", 5, note_absent_engines),
            Duty("presence", 7, lambda: presence.beat(self.name, "reconciler")),
            Duty("signed audit head", 3600, write_signed_head),
            Duty("retention", 3600, drop_old),
        ]

    def run(self) -> None:
        """Round after round; returns soon after `stop` was set."""
        log.info("reconciler started", name=self.name)
        while not self.stop.is_set():
            self.round()
            self.stop.wait(self._round_seconds)
        _guarded("presence", lambda: presence.forget(self.name))
        log.info("reconciler ended", name=self.name)

    def round(self) -> None:
        """Every duty that is due."""
        began = time.monotonic()
        for duty in self._duties:
            if time.monotonic() < duty.due:
                continue
            if _guarded(duty.name, duty.work):
                duty.due = time.monotonic() + duty.seconds
            else:
                measured.count("duty_failures", duty.name)
        measured.took("reconciler_round_seconds", time.monotonic() - began)


def _guarded(name: str, work: Callable[[], None]) -> bool:
    """Do it; a failure is logged and tried again in the next round."""
    try:
        work()
    except Exception:  # one duty's failure must not keep the others from being done
        log.exception("a duty of the reconciler failed", duty=name)
        connection.close()
        return False
    return True


def release_expired() -> None:
    """Targets and Operations whose worker went silent are given to others."""
    released = stalls.release_expired()
    if released:
        log.warning("leases expired", targets=released)


def carry_on_plans() -> None:
    """Plans of pushes whose worker died before it deployed them are deployed; one that fails keeps no other waiting."""
    for plan_id in automatic.left_behind():
        _guarded(f"deploy on push of plan {plan_id}", functools.partial(_carry_on, plan_id))


def _carry_on(plan_id: int) -> None:
    deployment = automatic.carry_on(plan_id)
    if deployment is not None:
        log.warning("a plan of a push was left behind", plan=plan_id, deployment=deployment.pk)


def open_gates() -> None:
    """Deployments that wait some minutes before their next wave: where the time is over, and where something is wrong."""
    for deployment_id in waves.gates_due():
        _guarded(f"gate of deployment {deployment_id}", functools.partial(_open_gate, deployment_id))


def _open_gate(deployment_id: int) -> None:
    under_way = Operation.objects.filter(kind=Operation.Kind.CHECK, status__in=OPERATION_OPEN)
    unseen = Host.objects.filter(pk__in=waves.open_gate(deployment_id)).exclude(state__in=NOT_CHECKED)
    for host in unseen.exclude(pk__in=under_way.filter(host__isnull=False).values("host")):
        request_operation(actor=ESTIVA, kind=Operation.Kind.CHECK, host=host, deadline_seconds=CHECK_DEADLINE_SECONDS)


def restore_stopped() -> None:
    """Servers that a stopped Deployment had switched get back what they had, where that is wanted."""
    for deployment_id in restoring.due():
        _guarded(f"restore after deployment {deployment_id}", functools.partial(_restore, deployment_id))


def _restore(deployment_id: int) -> None:
    for each in restoring.restore(deployment_id):
        log.info("what served before comes back", stopped=deployment_id, deployment=each.pk)


def catch_up() -> None:
    """Servers that were away get what they missed, where nobody has to click for it."""
    for each in catching_up.catch_up_due():
        log.info("a server that is back catches up", deployment=each.pk)


def send_hints() -> None:
    """Hint what is waiting, but never more than the broker is short of: it would grow without end."""
    for task, found in (
        (queue.RUN_TARGET, claims.waiting_targets()),
        (queue.RUN_OPERATION, claims.waiting_operations()),
    ):
        for name, waiting in hints.by_queue(task, found).items():
            _hint(name, task, waiting, is_cut=len(found) >= claims.MOST_WAITING)


def _hint(name: str, task: str, waiting: list[int], *, is_cut: bool) -> None:
    if not waiting:
        return
    held = queue.length(name)
    if held is None:
        return  # the broker is away: the next round tries again
    short = len(waiting) - held
    sent = []
    for object_id in waiting[: max(0, short)]:
        if not queue.send(task, name, object_id):
            break
        sent.append(object_id)
    # Where not all that waits could be looked at, what nobody takes (its engine's workers are gone) makes room for the rest
    noted = waiting if short <= 0 and is_cut else sent
    if task == queue.RUN_TARGET:
        claims.mark_hinted(target_ids=noted)
    else:
        claims.mark_hinted(operation_ids=noted)


def request_checks() -> None:
    """A CHECK for each server that wasn't looked at for ESTIVA_HOST_CHECK_SECONDS, unless one is under way."""
    under_way = Operation.objects.filter(host=OuterRef("pk"), kind=Operation.Kind.CHECK, status__in=OPERATION_OPEN)
    age = timedelta(seconds=settings.ESTIVA_HOST_CHECK_SECONDS)
    due = Host.objects.filter(~Exists(under_way), Q(checked_at=None) | Q(checked_at__lte=Now() - age))
    present = Host.objects.filter(engine_id__in=engines.living().values("engine_id")).values("pk")
    due = due.filter(Q(way=Host.Way.SSH) | Q(pk__in=present))  # nobody else could look
    for host in due.filter(TRUSTED).exclude(state__in=NOT_CHECKED):
        request_operation(actor=ESTIVA, kind=Operation.Kind.CHECK, host=host, deadline_seconds=CHECK_DEADLINE_SECONDS)


def note_absent_engines() -> None:
    """Servers beside workers that are all gone are shown as what they are."""
    for host_id in sightings.engines_absent():
        log.warning("no worker has this engine any more", host=host_id)


def write_signed_head() -> None:
    """The audit chain's signed head goes into the log: removing the newest entries shows there."""
    head = audit.signed_head()
    log.info("audit head", number=head.number, mac=head.mac, signature=head.signature)


def drop_old() -> None:
    """Operations that ended long ago, with their Plans, workers that fell silent, sessions that are over; never history."""
    old = Operation.objects.filter(status__in=OPERATION_ENDS, ended_at__lte=Now() - KEEP)
    # drift says who stopped something, however long ago; and commands that were run are history
    old = old.exclude(kind__in=(Operation.Kind.CONTAINER, Operation.Kind.RUN))
    Plan.objects.filter(operation__in=old).delete()
    old.delete()
    # a check a minute and server: of those that nobody asked for, a day is enough
    routine = Operation.objects.filter(
        kind=Operation.Kind.CHECK, requested_by=None, status__in=OPERATION_ENDS, ended_at__lte=Now() - timedelta(days=1)
    )
    routine.delete()
    follows = Operation.objects.filter(kind=Operation.Kind.FOLLOW, status__in=OPERATION_ENDS)
    follows.filter(ended_at__lte=Now() - timedelta(days=1)).delete()
    WorkerProcess.objects.filter(beat_at__lte=Now() - FORGET_WORKERS).delete()
    Session.objects.filter(expire_date__lte=Now()).delete()
