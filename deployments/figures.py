"""Named reads for readiness and metrics: how much waits, what stands still, who works. All by the database's clock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now

from deployments import clock, tallies, turns
from deployments.models import Attention, Deployment, Host, Operation, Tally, Target, WorkerProcess
from deployments.models.host import TRUSTED
from deployments.states import (
    DEPLOYMENT_ENDS,
    DEPLOYMENT_OPEN,
    OPERATION_OPEN,
    TARGET_ENDS,
    TARGET_OPEN,
    HostState,
)

WORKER_SILENT_SECONDS = 45
"""A worker that hasn't reported for this long counts as gone."""

RECONCILER = "reconciler"


class Waiting(NamedTuple):
    """What waits in a queue for nothing but a worker: how many, and seconds since the oldest one's turn came."""

    length: int
    age: float


class Process(NamedTuple):
    """One of the worker's side, as it wrote with its last beat, `age` seconds ago. `measured` as `deployments.measures` documents."""

    name: str
    role: str
    age: float
    busy: int
    capacity: int
    measured: Mapping[str, Any]

    @property
    def lives(self) -> bool:
        """It has reported lately."""
        return self.age < WORKER_SILENT_SECONDS


class Ended(NamedTuple):
    """How many ended so, ever, and how many seconds they took together."""

    times: int
    seconds: float


class Figures(NamedTuple):
    """One look at the installation; ages in seconds, 0 when nothing waits."""

    deployments: dict[str, int]  # open ones by status
    targets: dict[str, int]  # open ones by status
    operations: dict[str, int]  # open ones by status
    deployments_ended: dict[str, Ended]
    targets_ended: dict[str, Ended]
    leases_lost: dict[str, int]
    attention: int
    deploy_queue: Waiting
    look_queue: Waiting
    hosts: dict[str, int]
    oldest_check: float
    processes: list[Process]
    backups: int
    backed_up_at: datetime | None


def living_workers() -> "QuerySet[WorkerProcess]":
    """Workers for deploys and for looks that have reported lately; the reconciler is none."""
    silent = Now() - timedelta(seconds=WORKER_SILENT_SECONDS)
    return WorkerProcess.objects.filter(beat_at__gt=silent).exclude(role=RECONCILER)


def look() -> Figures:
    """A fixed number of small queries, whatever the size of the history: what is open is read, what has ended was counted."""
    now = clock.now()
    counted = {(row.name, row.label): row for row in Tally.objects.all()}
    backup = counted.get((tallies.BACKUPS, ""))
    hosts, oldest_check = _hosts(now)
    return Figures(
        deployments=_by_status(Deployment.objects.all(), sorted(DEPLOYMENT_OPEN)),
        targets=_by_status(Target.objects.all(), sorted(TARGET_OPEN)),
        operations=_by_status(Operation.objects.all(), sorted(OPERATION_OPEN)),
        deployments_ended=_ended(counted, tallies.DEPLOYMENTS_ENDED, sorted(DEPLOYMENT_ENDS)),
        targets_ended=_ended(counted, tallies.TARGETS_ENDED, sorted(TARGET_ENDS)),
        leases_lost={
            kind: row.times if (row := counted.get((tallies.LEASES_LOST, kind))) else 0
            for kind in ("operation", "target")
        },
        attention=Attention.objects.filter(way="").count(),
        deploy_queue=_waiting(turns.oldest_target(), now),
        look_queue=_waiting(turns.oldest_operation(), now),
        hosts=hosts,
        oldest_check=oldest_check,
        processes=_processes(now),
        backups=backup.times if backup else 0,
        backed_up_at=backup.last_at if backup else None,
    )


def _by_status(
    rows: "QuerySet[Deployment] | QuerySet[Target] | QuerySet[Operation]", statuses: list[str]
) -> dict[str, int]:
    counted = rows.filter(status__in=statuses).order_by().values_list("status").annotate(number=Count("pk"))
    return {**{str(status): 0 for status in statuses}, **dict(counted)}


def _ended(counted: Mapping[tuple[str, str], Tally], name: str, statuses: list[str]) -> dict[str, Ended]:
    rows = {str(status): counted.get((name, str(status))) for status in statuses}
    return {status: Ended(row.times, row.seconds) if row else Ended(0, 0.0) for status, row in rows.items()}


def _waiting(found: tuple[int, datetime | None], now: datetime) -> Waiting:
    return Waiting(found[0], _age(found[1], now))


def _hosts(now: datetime) -> tuple[dict[str, int], float]:
    """Servers by state; and of those reached over SSH and looked at again and again, how old the oldest look is."""
    known: dict[str, int] = {str(state): 0 for state in HostState if state != HostState.RETIRED}
    oldest: datetime | None = None
    looked_at = TRUSTED & Q(way=Host.Way.SSH) & ~Q(state__in=(HostState.UNTRUSTED, HostState.KEY_CHANGED))
    rows = Host.objects.filter(retired_at=None).order_by().values_list("state")
    for state, number, checked_at in rows.annotate(number=Count("pk"), first=Min("checked_at", filter=looked_at)):
        known[state] = number
        oldest = min(filter(None, (oldest, checked_at)), default=None)
    return known, _age(oldest, now)


def _processes(now: datetime) -> list[Process]:
    """Those that live, and reconcilers that fell silent: forgotten after a day."""
    rows = WorkerProcess.objects.values_list("name", "role", "beat_at", "busy", "capacity", "measured")
    found = [
        Process(name, role, _age(beat_at, now), busy, capacity, measured or {})
        for name, role, beat_at, busy, capacity, measured in rows
    ]
    return [each for each in found if each.lives or each.role == RECONCILER]


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
