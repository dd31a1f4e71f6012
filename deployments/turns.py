"""Whose turn it is: the Targets that somebody might take now, and since when. All by the database's clock."""

from datetime import datetime

from django.db.models import Count, DateTimeField, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest, Now

from deployments import waves
from deployments.models import Deployment, Operation, Step, Target
from deployments.states import DEPLOYMENT_OPEN, TARGET_WAITING, OperationStatus, TargetStatus


def targets() -> "QuerySet[Target]":
    """Targets that nobody holds and that wait for nothing but a worker with a place free."""
    older = Deployment.objects.filter(
        placement=OuterRef("placement_id"), pk__lt=OuterRef("deployment_id"), status__in=DEPLOYMENT_OPEN
    )
    building = Target.objects.filter(deployment=OuterRef("deployment_id"), role=Target.Role.BUILD)
    unbuilt = building.exclude(status=TargetStatus.SUCCEEDED)
    return Target.objects.filter(
        Q(role=Target.Role.BUILD) | ~Exists(unbuilt),
        waves.may_begin(),
        ~Exists(older),
        Q(not_before=None) | Q(not_before__lte=Now()),
        status__in=TARGET_WAITING,
    )


def operations() -> "QuerySet[Operation]":
    """Operations that nobody holds and whose deadline is to come."""
    return Operation.objects.filter(status=OperationStatus.QUEUED, deadline_at__gt=Now())


def oldest_target() -> tuple[int, datetime | None]:
    """How many Targets wait, and since when the one has that waits longest."""
    return _oldest(targets().annotate(since=_since()).order_by())


def oldest_operation() -> tuple[int, datetime | None]:
    """How many Operations wait, and when the one was asked for that waits longest."""
    return _oldest(operations().annotate(since=F("requested_at")).order_by())


def _oldest(waiting: "QuerySet[Target] | QuerySet[Operation]") -> tuple[int, datetime | None]:
    found = waiting.aggregate(number=Count("pk"), first=Min("since"))
    return found["number"], found["first"]


def _since() -> Greatest:
    """The last of what it waited for: the click, the Deployment before it, the servers and the build before it, a back-off, its worker's end.

    A gate that a person opens leaves no moment behind: until a worker takes it, such a Target seems to wait since the wave before.
    """
    asked = F("deployment__requested_at")
    before = Deployment.objects.filter(placement=OuterRef("placement_id"), pk__lt=OuterRef("deployment_id"))
    beside = Target.objects.filter(deployment=OuterRef("deployment_id")).order_by()
    steps = Step.objects.filter(target=OuterRef("pk")).order_by()
    moments = (
        Subquery(before.order_by("-pk").values("ended_at")[:1]),
        Subquery(beside.values("deployment").annotate(last=Max("ended_at")).values("last")),
        Subquery(steps.values("target").annotate(last=Max("ended_at")).values("last")),
        F("not_before"),
        F("deployment__gate_opens_at"),
    )
    return Greatest(asked, *(Coalesce(each, asked, output_field=DateTimeField()) for each in moments))
