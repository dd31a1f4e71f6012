"""What differs from the record: one server of a Placement, and the containers of ours that no record knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployments import adopted_content, adopting
from deployments.models import Host, OneOffRun, Operation, Placement, PlacementHost
from deployments.states import OPERATION_OPEN, HostState, OperationStatus

Change = dict[str, str]


@dataclass(frozen=True, slots=True)
class DriftPage:
    """`seat` with what was seen there last. `adoption` is the newest one asked for there, while it says something."""

    seat: PlacementHost
    adoption: Operation | None

    @property
    def is_in_sight(self) -> bool:
        """Its server is looked at; else nobody knows what runs there now."""
        return self.seat.host.state == HostState.READY

    @property
    def seen_at(self) -> datetime | None:
        """When it was seen last, by a look or by the deploy that brought it; while it is not in sight, since when."""
        host = self.seat.host
        if not self.is_in_sight:
            return host.state_since
        return max((at for at in (host.checked_at, self.seat.running_since) if at), default=None)

    @property
    def words(self) -> str:
        """What differs, ignored or not; "" for nothing."""
        return str(self.seat.drift or self.seat.ignored.get("words", ""))

    @property
    def ignored_at(self) -> datetime | None:
        """When somebody began to ignore it."""
        at = self.seat.ignored.get("at")
        return datetime.fromisoformat(at) if at else None

    @property
    def fingerprint(self) -> str:
        """Of what is shown."""
        return str(self.seat.difference.get("fingerprint", ""))

    @property
    def changes(self) -> list[Change]:
        """Piece by piece."""
        return list(self.seat.difference.get("changes", []))

    @property
    def why_not(self) -> str:
        """Why it can't be adopted; "" where it can."""
        return str(self.seat.difference.get("why_not", ""))

    @property
    def hidden(self) -> list[str]:
        """Variables whose values there are not read back."""
        return adopted_content.hidden(self.seat.difference)

    @property
    def is_local_image(self) -> bool:
        """Its image is in no registry: the settings can't name it."""
        image = self.seat.difference.get("image") or {}
        return bool(image) and not image["digest"]

    @property
    def is_adopting(self) -> bool:
        """It is being adopted."""
        return self.adoption is not None and self.adoption.status in OPERATION_OPEN

    @property
    def failed(self) -> Operation | None:
        """The newest adoption, where it went wrong."""
        return self.adoption if self.adoption and self.adoption.status == OperationStatus.FAILED else None


def drift_page(placement: Placement, host: Host) -> DriftPage | None:
    """The read model; None where the Placement has no seat there."""
    rows = PlacementHost.objects.filter(placement=placement, host=host)
    seat = rows.select_related("host", "running_release", "running_target__deployment").first()
    if seat is None:
        return None
    newest = adopting.latest(seat)
    since = seat.running_since
    over = newest is not None and newest.status == OperationStatus.SUCCEEDED
    stale = newest is not None and since is not None and newest.requested_at < since
    return DriftPage(seat, None if over or stale else newest)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A container of ours that no record knows, as last seen. `ignored` is {} or {by, reason, at}."""

    row: dict[str, Any]
    ignored: dict[str, Any]

    @property
    def key(self) -> str:
        """What it is named by in addresses."""
        return str(self.row["id"])[:12]


def unknown_containers(hosts: Iterable[Host]) -> dict[int, list[Unknown]]:
    """By server, in a constant number of queries: those of no Placement of that server, and beside none."""
    hosts = list(hosts)
    seats = set(PlacementHost.objects.filter(host__in=hosts).values_list("host_id", "placement_id"))
    runs = _numbers(hosts, "run")
    known_runs = set(OneOffRun.objects.filter(pk__in=runs).values_list("pk", flat=True)) if runs else set()
    found: dict[int, list[Unknown]] = {}
    for host in hosts:
        ignored = {each["id"]: each for each in host.ignored_containers}
        found[host.pk] = [
            Unknown(row, ignored.get(row["id"], {}))
            for row in host.containers
            if row.get("id") and not _is_known(row, host.pk, seats, known_runs)
        ]
    return found


def _is_known(row: dict[str, Any], host_id: int, seats: set[tuple[int, int]], runs: set[int]) -> bool:
    beside = row.get("beside") or {}
    if "run" in beside:
        return _number(beside["run"]) in runs
    return (host_id, _number(beside.get("hook") or row.get("placement"))) in seats


def _numbers(hosts: Iterable[Host], kind: str) -> set[int]:
    rows = [row for host in hosts for row in host.containers]
    return {_number(row["beside"][kind]) for row in rows if kind in (row.get("beside") or {})}


def _number(text: Any) -> int:
    return int(text) if str(text).isdecimal() and len(str(text)) < 19 else 0
