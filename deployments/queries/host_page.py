"""The servers' pages: the list, one server, its latest look and what depends on it."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from deployments import engines
from deployments.inventory import jumping
from deployments.models import Environment, Host, Operation, Placement, PlacementHost, Target
from deployments.queries.attention_page import Doubt, open_doubts
from deployments.queries.drift_page import Unknown, unknown_containers
from deployments.states import HostState


@dataclass(frozen=True, slots=True)
class HostRow:
    """A server in the list."""

    host: Host
    placements: int
    running: int


@dataclass(frozen=True, slots=True)
class HostPage:
    """One server, as far as the person may see. `operation` is the newest meeting or check, `seats` what belongs there;
    `builds_for` names the Environments whose images are made there.

    `way` are the servers that it is reached through, the one that the workers reach first; `behind` names those that are
    reached through it. Both are for who sees everything.

    `containers` are rows of `Host.containers`; of `others` the person may know only how many there are.
    """

    host: Host
    operation: Operation | None
    seats: list[PlacementHost]
    targets: list[Target]
    containers: list[dict[str, Any]]
    others: int
    builds_for: list[str] = field(default_factory=list)
    way: list[Host] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)  # those beside it that are alive, for who sees everything
    unknown: list[Unknown] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)  # what a Deployment left so, and nobody has dealt with

    @property
    def drifted(self) -> list[PlacementHost]:
        """What differs from the record; of what is in doubt that is said elsewhere."""
        doubted = {each.row.placement_id for each in self.doubts}
        return [seat for seat in self.seats if seat.drift and seat.placement_id not in doubted]


def host_list(visible: QuerySet[Host], placements: QuerySet[Placement], *, retired: bool = False) -> list[HostRow]:
    """The servers with how many of these Placements belong on each."""
    active = Q(seats__is_active=True, seats__placement__in=placements)
    rows = (
        visible.filter(retired_at__isnull=not retired)
        .select_related("via")
        .annotate(
            placed=Count("seats", filter=active, distinct=True),
            running=Count("seats", filter=active & Q(seats__running_release__isnull=False), distinct=True),
        )
    )
    return [HostRow(host, host.placed, host.running) for host in rows.order_by("name")]


def host_page(host: Host, visible: QuerySet[Placement], *, everything: bool) -> HostPage:
    """The read model, in a constant number of queries; `everything` shows also containers of no Placement that is known."""
    looked = (Operation.Kind.MEET, Operation.Kind.CHECK, Operation.Kind.ROTATE)
    operation = Operation.objects.filter(host=host, kind__in=looked).order_by("-pk").first()
    seats = PlacementHost.objects.filter(host=host, is_active=True, placement__in=visible)
    related = seats.select_related(
        "placement__application", "placement__environment", "running_release", "running_target__deployment"
    )
    targets = Target.objects.filter(host=host, placement__in=visible).select_related("deployment__release")
    known = {str(number) for number in visible.filter(seats__host=host).values_list("pk", flat=True)}
    containers = [each for each in host.containers if everything or each.get("placement") in known]
    return HostPage(
        host,
        operation,
        list(related.order_by("placement__application__name", "placement__environment__position")),
        list(targets.order_by("-pk")[:10]),
        containers,
        len(host.containers) - len(containers),
        _builds_for(host, visible, everything=everything),
        jumping.leads_through(host.via)[::-1] if everything else [],
        list(host.behind.filter(retired_at=None).values_list("name", flat=True)) if everything else [],
        list(engines.living(host.engine_id).values_list("name", flat=True)) if everything and host.is_beside else [],
        unknown_containers([host])[host.pk] if everything else [],
        open_doubts(visible, host=host),
    )


def _builds_for(host: Host, visible: QuerySet[Placement], *, everything: bool) -> list[str]:
    rows = Environment.objects.filter(builder=host)
    if not everything:
        rows = rows.filter(pk__in=visible.values("environment"))
    return list(rows.values_list("name", flat=True))


def awaiting_confirmation() -> QuerySet[Host]:
    """The servers that showed a key which nobody has confirmed yet, by name."""
    waiting = Host.objects.filter(retired_at=None, state=HostState.UNTRUSTED, host_key="").exclude(offered_key="")
    return waiting.select_related("via").order_by("name")
