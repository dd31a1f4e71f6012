"""A server's health over time: each check adds to a stretch of five minutes and to one of an hour. Old ones go as new ones begin."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from django.db import transaction

from deployments import clock
from deployments.models import Host, HostSample

SHORT: Final = timedelta(minutes=5)
LONG: Final = timedelta(hours=1)
_Number = TypeVar("_Number", int, float)
KEPT: Final = {False: timedelta(days=2), True: timedelta(days=60)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check saw; None for what it couldn't tell. Sizes in bytes."""

    disk_free: int | None = None
    disk_total: int | None = None
    memory_free: int | None = None
    memory_total: int | None = None
    load: float | None = None
    cores: int | None = None


def record(host_id: int, seen: Seen | None) -> None:
    """Add one check; None where the server or its engine wasn't reached."""
    now = clock.now()
    with transaction.atomic():
        # Checks of one server are rare and never at once: its lock orders the odd pair.
        Host.objects.select_for_update(no_key=True).filter(pk=host_id).first()
        for is_hourly, span in ((False, SHORT), (True, LONG)):
            _add(host_id, is_hourly, _begin(now, span), seen)
            old = HostSample.objects.filter(host=host_id, is_hourly=is_hourly, at__lt=now - KEPT[is_hourly])
            old.delete()


def _begin(moment: datetime, span: timedelta) -> datetime:
    seconds = int(span.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def _add(host_id: int, is_hourly: bool, at: datetime, seen: Seen | None) -> None:
    row, _created = HostSample.objects.get_or_create(host_id=host_id, is_hourly=is_hourly, at=at)
    row.looks += 1
    if seen is not None:
        row.reached += 1
        row.disk_free, row.disk_total = _worst(min, row.disk_free, seen.disk_free), seen.disk_total or row.disk_total
        row.memory_free = _worst(min, row.memory_free, seen.memory_free)
        row.memory_total = seen.memory_total or row.memory_total
        row.load, row.cores = _worst(max, row.load, seen.load), seen.cores or row.cores
    row.save()


def _worst(choose: Callable[[_Number, _Number], _Number], one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
