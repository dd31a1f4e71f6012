"""Work beside which a worker fell silent is tried alone: if it was what ended the worker, it takes no other deploy with it.

Of those that one process held when it went, nobody can say which one ended it. So each of them is tried again by a process that
holds no other Target meanwhile: whose fault it was shows itself, and the others go well. A command that runs once and only
once is kept apart from them, too; looks at servers may be repeated, so they are not.
"""

from django.db.models import Q

from deployments import known
from deployments.models import Operation, Target
from deployments.states import TARGET_WAITING, OperationStatus, TargetStatus

_SUSPECT = Q(leases_lost__gt=0)


def fits_beside(target: Target, holder: str) -> bool:
    """May `holder` take this Target beside what it holds? While its process asks for one that must be alone, it asks for no other."""
    running = Target.objects.filter(status=TargetStatus.RUNNING, holder=holder)
    if not target.leases_lost:
        return not running.filter(_SUSPECT).exists()
    once = Operation.objects.filter(kind=Operation.Kind.RUN, status=OperationStatus.RUNNING, holder=holder)
    return not running.exists() and not once.exists()


def run_fits_beside(operation_id: int, holder: str) -> bool:
    """May `holder` take this Operation beside what it holds? Only a command that is run once has to keep away."""
    if not Operation.objects.filter(pk=operation_id, kind=Operation.Kind.RUN).exists():
        return True
    return not Target.objects.filter(_SUSPECT, status=TargetStatus.RUNNING, holder=holder).exists()


def waits_to_be_alone(target_id: int) -> bool:
    """It stands still, and whoever takes it may hold nothing else; nobody here makes room for what this version can't take."""
    waiting = Target.objects.filter(_SUSPECT, pk=target_id, status__in=TARGET_WAITING)
    target = waiting.select_related("deployment__release", "host").first()
    if target is None:
        return False
    return not known.unknown_in_deployment(target.deployment, [target.role], target.host.way)
