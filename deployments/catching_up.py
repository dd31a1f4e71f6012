"""Servers that missed a Release while they were away, and what brings them up to date once they are back."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from deployments import deployable, hooks, queue, sources
from deployments.actors import ESTIVA, Actor
from deployments.errors import Refused
from deployments.leases import lock_placement
from deployments.models import Deployment, Host, PlacementHost, Release, Target
from deployments.states import DEPLOYMENT_OPEN, DeploymentStatus, HostState
from deployments.unplanned import queue_unplanned, record_unplanned


def owe(release: Release, hosts: Iterable[Host]) -> None:
    """Write down that these servers don't get a Release that the others get; one that runs it is not behind.

    Needs the Placement's lock.
    """
    for host in hosts:
        seats = PlacementHost.objects.filter(placement=release.placement_id, host=host)
        seats.update(owed=release)
        seats.filter(running_release=release).update(owed=None)
        queue.changed_on_commit("host", host.pk)


def due() -> list[int]:
    """The seats that are behind, on servers that are back, where nobody has to click and nothing else is under way.

    Tried once each time that a server comes back: what fails then waits for a person. So does what came to no good end
    elsewhere, or runs nowhere any more: nobody is brought to that unasked.
    """
    good = Deployment.objects.filter(
        placement=OuterRef("placement"), release=OuterRef("owed"), status=DeploymentStatus.SUCCEEDED
    )
    others = PlacementHost.objects.filter(
        placement=OuterRef("placement"), running_release=OuterRef("owed"), is_active=True
    ).exclude(pk=OuterRef("pk"))
    behind = PlacementHost.objects.filter(
        owed__isnull=False,
        is_active=True,
        host__state=HostState.READY,
        host__drained_at=None,
        placement__rollout__catch_up="auto",
        placement__application__archived_at=None,
    )
    tried = Target.objects.filter(
        placement=OuterRef("placement"),
        host=OuterRef("host"),
        deployment__release=OuterRef("owed"),
        deployment__requested_at__gte=OuterRef("host__state_since"),
    )
    busy = Deployment.objects.filter(status__in=DEPLOYMENT_OPEN).values("placement")
    behind = behind.filter(Exists(good), Exists(others))
    return list(behind.exclude(Exists(tried)).exclude(placement__in=busy).order_by("pk").values_list("pk", flat=True))


def catch_up(*, actor: Actor, seat_id: int) -> Deployment:
    """Queue what a server missed, there alone; Refused when it is up to date, or away still, or something is under way."""
    with transaction.atomic():
        placement = lock_placement(PlacementHost.objects.values_list("placement_id", flat=True).get(pk=seat_id))
        deployable.check_in_use(placement)
        seat = PlacementHost.objects.select_related("host", "owed", "running_release").get(pk=seat_id)
        if actor == ESTIVA and seat_id not in due():
            raise Refused(_("%(server)s was brought up to date meanwhile, or tried.") % {"server": seat.host.name})
        release = seat.owed
        if release is None or not seat.is_active:
            raise Refused(_("%(server)s is up to date.") % {"server": seat.host.name})
        if seat.host.state != HostState.READY:
            raise Refused(_("%(server)s is not back yet.") % {"server": seat.host.name})
        if seat.host.drained_at is not None:
            raise Refused(_("%(server)s is drained.") % {"server": seat.host.name})
        if Deployment.objects.filter(placement=placement, status__in=DEPLOYMENT_OPEN).exists():
            raise Refused(_("Another deploy is under way."), remedy=_("Wait for its end."))
        if sources.needs_build(release):
            raise Refused(_("Release %(number)s was never built.") % {"number": release.number})
        deployment = queue_unplanned(
            actor=actor,
            placement=placement,
            release=release,
            before=seat.running_release,
            hosts=[seat.host],
            note=f"{seat.host.name} was away when release {release.number} was deployed.",
            kind=Deployment.Kind.DEPLOY,
            rollout={hooks.CATCHES_UP: True},
        )
        record_unplanned(actor, deployment, "it was behind")
    return deployment


def catch_up_due() -> list[Deployment]:
    """What the reconciler queues by itself: one server of a Placement at a time, since one Deployment runs at a time."""
    made = []
    for seat_id in due():
        try:
            made.append(catch_up(actor=ESTIVA, seat_id=seat_id))
        except Refused:
            continue  # it moved meanwhile, or another server of the same Placement was first: the next round looks again
    return made
