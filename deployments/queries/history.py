"""History: Deployments filtered, paged by key; and what ran on a server at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from deployments import sources
from deployments.models import Deployment, Host, PlacementHost, Release, Target
from deployments.queries import by_time
from deployments.queries.known_names import known_names
from deployments.states import TargetStatus

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What to show: names as they were at the time; empty means all."""

    application: str = ""
    environment: str = ""
    server: str = ""
    person: str = ""
    state: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page, newest first. `older` and `newer` are the keys for the neighbouring pages, None at the ends."""

    deployments: Sequence[Deployment]
    older: int | None
    newer: int | None


def history(visible: QuerySet[Deployment], wanted: HistoryFilter, before: int | None, after: int | None) -> HistoryPage:
    """The page of Deployments with ids under `before` (or over `after`), in a constant number of queries."""
    servers = Target.objects.filter(deployment=OuterRef("pk"), role=Target.Role.DEPLOY).order_by().values("deployment")
    # Counted for the rows of the page alone: joined, all that fit would be grouped first
    counted = Coalesce(Subquery(servers.annotate(n=Count("pk")).values("n")), 0)
    rows = filtered(visible, wanted).select_related("release").annotate(server_count=counted)
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: PAGE + 1])
        has_newer, page = len(found) > PAGE, found[:PAGE][::-1]
        return HistoryPage(page, page[-1].pk if page else None, page[0].pk if page and has_newer else None)
    page_rows = rows.filter(pk__lt=before) if before is not None else rows
    found = list(page_rows.order_by("-pk")[: PAGE + 1])
    page = found[:PAGE]
    has_older = len(found) > PAGE
    newer = page[0].pk if page and before is not None else None
    return HistoryPage(page, page[-1].pk if page and has_older else None, newer)


def filtered(rows: QuerySet[Deployment], wanted: HistoryFilter) -> QuerySet[Deployment]:
    """Only the Deployments that are wanted."""
    if wanted.application:
        rows = rows.filter(application_name=wanted.application)
    if wanted.environment:
        rows = rows.filter(environment_name=wanted.environment)
    if wanted.person:
        known = known_names(Deployment, "requested_by_name")
        rows = rows.filter(
            requested_by_name__in=[name for name in known if wanted.person.casefold() in name.casefold()]
        )
    if wanted.state:
        rows = rows.filter(status=wanted.state)
    if wanted.since:
        rows = rows.filter(by_time.since(Deployment.objects.all(), "requested_at", "pk", wanted.since))
    if wanted.until:
        rows = rows.filter(by_time.until(Deployment.objects.all(), "requested_at", "pk", wanted.until))
    if wanted.server:
        rows = rows.filter(Exists(Target.objects.filter(deployment=OuterRef("pk"), host_name=wanted.server)))
    return rows


@dataclass(frozen=True, slots=True)
class RanThere:
    """What a Placement ran on the server at the moment asked about, as observed when `target` ended.

    `release` is None where nobody could tell: that run left the server in doubt.
    """

    application: str
    environment: str
    release: int | None
    image: str
    since: datetime
    deployment: int


def what_ran(host: Host, moment: datetime, visible: QuerySet[Deployment]) -> list[RanThere]:
    """What Estiva had seen serving on the server at that moment: each Placement's last Target that had ended by then."""
    ended = Target.objects.filter(placement=OuterRef("placement"), host=host, role=Target.Role.DEPLOY)
    ended = ended.filter(ended_at__lte=moment).exclude(status=TargetStatus.SKIPPED).order_by("-ended_at", "-pk")
    # A seat is never deleted, and an index leads from it to the one that ended last, however long the history is
    seats = PlacementHost.objects.filter(host=host).annotate(newest=Subquery(ended.values("pk")[:1]))
    told = Q(serving_release__isnull=False) | Q(status=TargetStatus.NEEDS_ATTENTION)
    newest = Target.objects.filter(told, pk__in=seats.values("newest"), deployment__in=visible)
    targets = list(newest.select_related("deployment").order_by("deployment__application_name"))
    releases = _releases(targets)
    return [
        RanThere(
            target.deployment.application_name,
            target.deployment.environment_name,
            release.number if release else None,
            _made_from(release) if release else "",
            moment_of(target),
            target.deployment_id,
        )
        for target in targets
        if (release := releases.get((target.placement_id, target.serving_release or 0))) is not None
        or target.serving_release is None
    ]


def _made_from(release: Release) -> str:
    """The image as it was named, or the commit it was built from."""
    if release.source:
        return f"{sources.label(release.source)} {release.source.get('subject', '')}".strip()
    return f"{release.image} {release.digest}".strip()


def moment_of(target: Target) -> datetime:
    """When it was seen; an ended Target always has one."""
    if target.ended_at is None:
        raise ValueError(f"Target {target.pk} has not ended.")
    return target.ended_at


def _releases(targets: list[Target]) -> dict[tuple[int, int], Release]:
    wanted = Q(pk__in=())
    for target in targets:
        wanted |= Q(placement=target.placement_id, number=target.serving_release)
    return {(release.placement_id, release.number): release for release in Release.objects.filter(wanted)}
