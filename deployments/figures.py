"""Named reads for readiness and metrics: how much waits, what stands still, who works. All by the database's clock."""

from datetime import timedelta
from typing import NamedTuple

from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Now

from deployments import clock
from deployments.models import Deployment, Host, Operation, Target, WorkerProcess
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN, TargetStatus

WORKER_SILENT_SECONDS = 45
"""A worker that hasn't reported for this long counts as gone."""


class Figures(NamedTuple):
    """One look at the installation; ages in seconds, 0 when nothing waits."""

    deployments: dict[str, int]
    targets: dict[str, int]
    operations_waiting: int
    queue_age: float
    stalled: int
    hosts: dict[str, int]
    workers: dict[str, int]
    busy: int
    capacity: int


def living_workers() -> "QuerySet[WorkerProcess]":
    """Workers that take deploys and have reported lately (the reconciler takes none)."""
    return WorkerProcess.objects.filter(beat_at__gt=_ago(WORKER_SILENT_SECONDS)).exclude(role="reconciler")


def look() -> Figures:
    """A fixed number of small queries, whatever the size of the history."""
    alive = WorkerProcess.objects.filter(beat_at__gt=_ago(WORKER_SILENT_SECONDS))
    rows = list(alive.values_list("role", "busy", "capacity"))
    return Figures(
        deployments=_by(Deployment.objects.all(), "status"),
        targets=_by(Target.objects.all(), "status"),
        operations_waiting=Operation.objects.filter(status__in=sorted(OPERATION_OPEN)).count(),
        queue_age=_queue_age(),
        stalled=Target.objects.filter(status=TargetStatus.STALLED).count(),
        hosts=_by(Host.objects.filter(retired_at=None), "state"),
        workers={role: sum(1 for row in rows if row[0] == role) for role in sorted({row[0] for row in rows})},
        busy=sum(row[1] for row in rows),
        capacity=sum(row[2] for row in rows),
    )


def _by(rows: "QuerySet[Deployment] | QuerySet[Target] | QuerySet[Host]", field: str) -> dict[str, int]:
    counted = rows.order_by().values_list(field).annotate(number=Count("pk"))
    return {str(value): number for value, number in counted}


def _queue_age() -> float:
    waiting = Deployment.objects.filter(status__in=sorted(DEPLOYMENT_OPEN), started_at=None)
    oldest = waiting.aggregate(first=Min("requested_at"))["first"]
    return 0.0 if oldest is None else max(0.0, (clock.now() - oldest).total_seconds())


def _ago(seconds: int) -> "Now":
    return Now() - timedelta(seconds=seconds)  # type: ignore[return-value] # Django's expressions subtract to expressions
