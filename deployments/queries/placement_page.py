"""A Placement's page, and one Release's: what runs where, what waits to be deployed, what can be gone back to."""

from dataclasses import dataclass, field
from typing import Final

from django.db.models import Exists, OuterRef

from deployments import build_settings, compose_settings, container_settings, plan, releases, setting_words, sources
from deployments.errors import FieldErrors
from deployments.models import Deployment, Placement, PlacementHost, Release
from deployments.queries.cells import Cell, cells_of
from deployments.queries.compose_parts import (
    FileDiff,
    Power,
    ServiceImage,
    ServiceSeen,
    file_diffs,
    powers_of,
    services_of,
    services_seen,
    text_diff,
    without_files,
)
from deployments.releases import Content
from deployments.states import DeploymentStatus, HostState

LATELY: Final = 10
MOST_UNFOLDED: Final = 12
"""Servers that are shown one by one, whatever there is to say."""

RELEASES: Final = 30
_OF_KEPT_FILE: Final = frozenset({"profiles", "wait_seconds", "settle_seconds"})  # all others are about a repository

Change = dict[str, str]


@dataclass(frozen=True, slots=True)
class Seat:
    """One server of the Placement and what was seen there last."""

    seat: PlacementHost

    @property
    def published(self) -> list[tuple[str, int, int, str]]:
        """(address, server port, container port, protocol) as Docker published them."""
        target = self.seat.running_target
        return [tuple(each) for each in target.published] if target else []

    @property
    def is_calm(self) -> bool:
        """There is nothing to say but what runs."""
        seat = self.seat
        return not (seat.drift or seat.ignored or seat.owed_id or seat.host.state != HostState.READY or self.services)

    @property
    def is_adopted(self) -> bool:
        """What runs there was made by hand, and taken over."""
        seat = self.seat
        adopted = seat.adopted if seat.running_release else {}
        return bool(
            seat.running_release
            and adopted.get("release") == seat.running_release.number
            and adopted.get("container_id") == seat.observed.get("container_id")
        )

    @property
    def container(self) -> str:
        """The container's name as last seen."""
        return str(self.seat.observed.get("container", ""))

    @property
    def services(self) -> list[ServiceSeen]:
        """A Compose application's, as the server was last seen."""
        since, looked = self.seat.running_since, self.seat.host.checked_at
        is_later = since is not None and looked is not None and looked > since
        recorded = self.seat.observed.get("containers", [])
        return services_seen(self.seat.host.containers, self.seat.placement_id, recorded, is_later=is_later)


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A Release in the list. `runs_on` counts servers; `is_kept` says that its image stays there."""

    release: Release
    runs_on: int
    was_deployed: bool
    is_kept: bool

    @property
    def can_return(self) -> bool:
        """Worth offering to go back to."""
        return bool(self.was_deployed or self.release.adopted) and not self.runs_on and not self.release.lost_secrets


@dataclass(frozen=True, slots=True)
class SeatGroup:
    """Servers that run the same; None: nothing yet."""

    release: Release | None
    seats: list[Seat]


@dataclass(frozen=True, slots=True)
class PlacementPage:
    """Everything the page shows. `waiting` is what a deploy would change against `known`, as far as can be said without looking.

    `known` is what runs, or what is on its way already. `waiting_files` is how a Compose file that is kept here differs from it.
    """

    cell: Cell
    seats: list[Seat]
    running: Release | None
    known: Release | None
    waiting: list[Change]
    releases: list[ReleaseRow]
    deployments: list[Deployment]
    waiting_files: list[FileDiff] = field(default_factory=list)
    has_more_releases: bool = False
    has_more_deployments: bool = False

    @property
    def folded(self) -> list[SeatGroup]:
        """Where servers are many: those about which there is nothing to say but what runs, by that."""
        found: dict[Release | None, list[Seat]] = {}
        for each in self.seats if len(self.seats) > MOST_UNFOLDED else ():
            if each.is_calm:
                found.setdefault(each.seat.running_release, []).append(each)
        return [SeatGroup(release, seats) for release, seats in found.items()]

    @property
    def unfolded(self) -> list[Seat]:
        """The others."""
        folded = {each.seat.pk for group in self.folded for each in group.seats}
        return [each for each in self.seats if each.seat.pk not in folded]


@dataclass(frozen=True, slots=True)
class ReleasePage:
    """A Release as it was, and what it changed. `build` is how it was built, in words; {} for an image.

    `services`, `powers` and `file_diffs` are of a Compose application, whose `settings` are those of Compose.
    """

    release: Release
    settings: dict[str, str]
    before: Release | None
    changes: list[Change]
    runs_on: list[str] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    build: dict[str, str] = field(default_factory=dict)
    services: list[ServiceImage] = field(default_factory=list)
    powers: list[Power] = field(default_factory=list)
    file_diffs: list[FileDiff] = field(default_factory=list)

    @property
    def files(self) -> list[tuple[str, str]]:
        """Name and text of what Compose was given, the documents first."""
        texts = {str(name): str(text) for name, text in self.release.source.get("files", [])}
        names = dict.fromkeys((*self.release.source.get("documents", ()), *texts))
        return [(name, texts[name]) for name in names if name in texts]

    @property
    def size_difference(self) -> int | None:
        """Bytes more than the Release before; None where either is not known."""
        now = self.release.built.get("size")
        then = self.before.built.get("size") if self.before else None
        return int(now) - int(then) if now is not None and then is not None else None

    @property
    def size_less(self) -> int:
        """Bytes less than the Release before, where it is smaller."""
        return -(self.size_difference or 0)

    @property
    def moved_bases(self) -> set[str]:
        """The base images whose digest is another one than in the Release before."""
        if self.before is None:
            return set()
        then = {str(name): digest for name, digest in self.before.built.get("base_images", [])}
        now = self.release.built.get("base_images", [])
        return {str(name) for name, digest in now if then.get(str(name), digest) != digest}


def placement_page(placement: Placement) -> PlacementPage:
    """The read model, in a constant number of queries."""
    seats = list(
        PlacementHost.objects.filter(placement=placement, is_active=True)
        .select_related("host", "running_release", "owed", "running_target__deployment")
        .order_by("host__name")
    )
    running = releases.running_release(placement.pk)
    rows = _release_rows(placement, seats)
    deployments = list(Deployment.objects.filter(placement=placement).select_related("release")[: LATELY + 1])
    cell = cells_of([placement])[placement.pk]
    known = cell.motion.deployment.release if cell.motion else running
    files = _waiting_files(placement, known)
    return PlacementPage(
        cell=cell,
        seats=[Seat(each) for each in seats],
        running=running,
        known=known,
        waiting=without_files(waiting_changes(placement, known), files),
        waiting_files=files,
        releases=rows[:RELEASES],
        deployments=deployments[:LATELY],
        has_more_releases=len(rows) > RELEASES,
        has_more_deployments=len(deployments) > LATELY,
    )


def waiting_changes(placement: Placement, known: Release | None) -> list[Change]:
    """What differs between the settings and a Release; whether a tag has moved only a Plan can tell."""
    if known is None:
        return []
    now, then = releases.content_now(placement), releases.content_as_recorded(known)
    digest = then.digest if now.image == then.image else ""
    now = _as_if_nothing_moved(now, then)
    return plan.differences(then, Content(now.image, now.settings, now.variables, digest, source=now.source))


def _waiting_files(placement: Placement, known: Release | None) -> list[FileDiff]:
    """Whether the repository's own files have changed only a Plan can tell."""
    then = str(known.source.get("compose", {}).get("text", "")) if known else ""
    now = str(placement.compose.get("text", ""))
    return [text_diff("", then, now)] if then and now and then != now else []


def _as_if_nothing_moved(now: Content, then: Content) -> Content:
    """With the commit, and the repository's own file, of a Release: whether these have moved only a Plan can tell."""
    if not now.source or now.source.get("kind") != then.source.get("kind"):
        return now
    try:
        return sources.resolved(now, {name: then.source[name] for name in sources.FOUND if name in then.source})
    except FieldErrors:  # that file doesn't go together with what is set now; the next Plan says so
        return now


def release_page(release: Release) -> ReleasePage:
    """The read model, in a constant number of queries."""
    before = Release.objects.filter(placement=release.placement_id, number__lt=release.number).first()
    as_was = releases.content_as_recorded(release)
    seats = PlacementHost.objects.filter(placement=release.placement_id, is_active=True, running_release=release)
    diffs = file_diffs(before.source, release.source) if before else []
    changes = plan.differences(releases.content_as_recorded(before), as_was) if before else []
    return ReleasePage(
        release,
        settings_in_words(release),
        before,
        without_files(changes, diffs),
        list(seats.order_by("host__name").values_list("host__name", flat=True)),
        list(Deployment.objects.filter(release=release)[:LATELY]),
        build_settings.describe(release.source["build"]) if release.source.get("build") else {},
        services_of(release.source, release.built),
        powers_of(release.source),
        diffs,
    )


def settings_in_words(release: Release) -> dict[str, str]:
    """By label: a container's, or for a Compose application what isn't in its files."""
    if sources.is_compose(release.source):
        kept = release.source.get("compose", {})
        names = _OF_KEPT_FILE if kept.get("text") else {each.name for each in compose_settings.FIELDS}
        return setting_words.describe([each for each in compose_settings.FIELDS if each.name in names], kept)
    return container_settings.describe(release.settings)


def _release_rows(placement: Placement, seats: list[PlacementHost]) -> list[ReleaseRow]:
    succeeded = Deployment.objects.filter(release=OuterRef("pk"), status=DeploymentStatus.SUCCEEDED)
    rows = list(Release.objects.filter(placement=placement).annotate(was_deployed=Exists(succeeded))[: RELEASES + 1])
    on = [seat.running_release_id for seat in seats]
    kept = {row.pk for row in [row for row in rows if row.was_deployed or row.adopted][: placement.keep_releases]}
    return [ReleaseRow(row, on.count(row.pk), row.was_deployed, row.pk in kept) for row in rows]
