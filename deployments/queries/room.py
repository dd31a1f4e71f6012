"""What a server holds, as last listed, and as far as the person may see."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from deployments import room, room_acts
from deployments.models import Host, Operation, Placement, PlacementHost
from deployments.states import OPERATION_OPEN, OperationStatus

Row = dict[str, Any]

SHORT: Final = 12
"""Digits of a container's id that name it on a server, as everywhere in Docker."""

_KINDS: Final = {
    "images": gettext_lazy("Images"),
    "containers": gettext_lazy("Written by containers"),
    "volumes": gettext_lazy("Volumes"),
    "cache": gettext_lazy("Build cache"),
}


@dataclass(frozen=True, slots=True)
class RoomPage:
    """One server's room. `look` is the newest look, `seen` the newest good one: its rows are shown, None before the first.

    Whoever doesn't see everything gets the containers of their own Placements, and of the rest not even the number.
    """

    host: Host
    look: Operation | None
    seen: Operation | None
    ours: list[Row] = field(default_factory=list)
    others: list[Row] = field(default_factory=list)
    images: list[Row] = field(default_factory=list)
    volumes: list[Row] = field(default_factory=list)
    networks: list[Row] = field(default_factory=list)
    disk: list[Row] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    everything: bool = False

    @property
    def is_looking(self) -> bool:
        """A look is under way."""
        return self.look is not None and self.look.status in OPERATION_OPEN

    @property
    def failed(self) -> Operation | None:
        """The newest look, where it went wrong."""
        return self.look if self.look and self.look.status == OperationStatus.FAILED else None

    @property
    def is_open(self) -> bool:
        """Estiva may log in there."""
        return room.is_open(self.host)


def room_page(host: Host, visible: QuerySet[Placement], *, everything: bool) -> RoomPage:
    """The read model, in a constant number of queries."""
    looks = Operation.objects.filter(host=host, kind=Operation.Kind.ROOM).order_by("-pk")
    newest = looks.first()
    seen = looks.filter(status=OperationStatus.SUCCEEDED).first()
    if seen is None:
        return RoomPage(host, newest, None, everything=everything)
    found = seen.result
    placements = _placements(host, visible)
    ours = [_named(row, placements) for row in found["containers"] if row["ours"]]
    if not everything:
        return RoomPage(host, newest, seen, [row for row in ours if row["placement"] in placements])
    return RoomPage(
        host,
        newest,
        seen,
        ours,
        [_shown(row) for row in found["containers"] if not row["ours"]],
        [{**row, "made": _moment(row["created"])} for row in found["images"]],
        found["volumes"],
        found["networks"],
        _disk(found["disk"]),
        found["left_out"],
        everything=True,
    )


@dataclass(frozen=True, slots=True)
class ContainerPage:
    """One container as last listed. `last` is the newest act on it by hand."""

    row: Row
    seen: Operation
    last: Operation | None
    is_serving: bool

    @property
    def last_word(self) -> str:
        """What is being done with it."""
        return str(room_acts.Act(self.last.request["act"]).label) if self.last else ""

    @property
    def seat(self) -> PlacementHost | None:
        """Its Placement on this server; None where nobody knows of it."""
        found: PlacementHost | None = self.row.get("seat")
        return found

    @property
    def placement(self) -> Placement | None:
        """What it belongs to."""
        return self.seat.placement if self.seat else None

    @property
    def asks_for_name(self) -> bool:
        """Taking it down is felt in production: the application's name has to be typed."""
        return self.placement is not None and self.placement.environment.is_production

    @property
    def elsewhere(self) -> list[PlacementHost]:
        """The other servers on which its Placement serves."""
        if self.placement is None or self.seat is None:
            return []
        seats = self.placement.seats.filter(is_active=True, running_release__isnull=False).exclude(pk=self.seat.pk)
        return list(seats.select_related("host").order_by("host__name"))


def container_page(host: Host, key: str, visible: QuerySet[Placement], *, everything: bool) -> ContainerPage | None:
    """The container whose id begins with `key`, if this person may know of it."""
    page = room_page(host, visible, everything=everything)
    found = [row for row in (*page.ours, *page.others) if row["id"].startswith(key)] if len(key) >= SHORT else []
    if len(found) != 1 or page.seen is None:
        return None
    row = found[0]
    serving = room_acts.is_serving(row, row.get("seat"))
    return ContainerPage(row, page.seen, room_acts.last_act(host, row["id"]), serving)


def removal(host: Host) -> Operation | None:
    """The newest removal of unused images there."""
    return Operation.objects.filter(host=host, kind=Operation.Kind.IMAGES).order_by("-pk").first()


def _placements(host: Host, visible: QuerySet[Placement]) -> dict[int, PlacementHost]:
    """The visible seats of this server, by Placement; those it was taken out of may have left containers."""
    seats = PlacementHost.objects.filter(host=host, placement__in=visible)
    related = seats.select_related("placement__application", "placement__environment", "running_release")
    return {seat.placement_id: seat for seat in related}


def _named(row: Row, placements: dict[int, PlacementHost]) -> Row:
    return {**_shown(row), "seat": placements.get(row["placement"])}


def _shown(row: Row) -> Row:
    tone, word = _state(row["state"], row["health"])
    return {**row, "key": row["id"][:SHORT], "tone": tone, "word": word, "made": _moment(row["created"])}


def _state(state: str, health: str) -> tuple[str, str]:
    """A container's state as the template draws it: which of the states, and the word."""
    if state == "running":
        return {
            "unhealthy": ("bad", _("Unhealthy")),
            "starting": ("running", _("Starting")),
            "healthy": ("ready", _("Healthy")),
        }.get(health, ("ready", pgettext("container", "Running")))
    return {
        "restarting": ("warn", _("Restarting")),
        "paused": ("warn", _("Paused")),
        "exited": ("waiting", _("Stopped")),
        "created": ("waiting", _("Never started")),
        "dead": ("bad", _("Dead")),
    }.get(state, ("waiting", state))


def _moment(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None


def _disk(found: dict[str, int] | None) -> list[Row]:
    return [{"kind": kind, "title": _KINDS[kind], "bytes": size} for kind, size in (found or {}).items()]
